import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { KEY } from '../bench/company.ts'

const HEAP = new URL('./heap.ts', import.meta.url).pathname

/** `keystay serve --dev` as a process of its own over `dir/policies` and `dir/keystay.db`. */
export interface Serving {
  readonly agents: string
  readonly people: string
  /** Lines of its log so far. */
  readonly said: readonly string[]
  /** Resident memory, MB; NaN where the machine does not say. */
  memory(): Promise<number>
  /** What is in use of the heap once it is swept, MB. */
  heap(): Promise<number>
  stop(): Promise<void>
}

/** @throws Error with the last lines of its log where it does not start */
export async function startServing(dir: string): Promise<Serving> {
  const gateway = spawn(process.execPath, ['--expose-gc', '--import', HEAP, 'gateway/cli/main.ts', 'serve', '--dev'], {
    cwd: new URL('../../', import.meta.url).pathname,
    env: {
      ...process.env,
      [KEY.name]: KEY.value,
      KEYSTAY_POLICIES: join(dir, 'policies'),
      KEYSTAY_STORE: `sqlite:${join(dir, 'keystay.db')}`,
      KEYSTAY_LISTEN: '127.0.0.1:0',
      KEYSTAY_ADMIN_LISTEN: '127.0.0.1:0',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  // whoever ends the trial ends it too
  process.once('exit', () => gateway.kill('SIGKILL'))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  const said: string[] = []
  const where = await new Promise<{ agents: string; people: string }>((resolve, reject) => {
    createInterface(gateway.stderr).on('line', (line) => {
      said.push(line)
      if (line.includes('"msg":"serving"')) resolve(JSON.parse(line) as { agents: string; people: string })
    })
    gateway.once('exit', () => reject(new Error(said.slice(-5).join('\n'))))
  })
  return {
    ...where,
    said,
    async memory() {
      const status = await readFile(`/proc/${gateway.pid}/status`, 'utf8').catch(() => '')
      return Number(/VmRSS:\s*(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024
    },
    async heap() {
      const before = said.length
      gateway.kill('SIGUSR2')
      for (let left = 400; left > 0; left--) {
        const line = said.slice(before).find((one) => one.includes('heap_bytes'))
        if (line !== undefined) return (JSON.parse(line) as { heap_bytes: number }).heap_bytes / 1e6
        await sleep(25)
      }
      return Number.NaN
    },
    async stop() {
      gateway.kill('SIGTERM')
      await once(gateway, 'exit')
    },
  }
}
