import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { BACKEND_KEY } from '../house/company.ts'
import { clientOf } from '../house/gateway.ts'

export interface GatewayProcess extends ReturnType<typeof clientOf> {
  readonly child: ChildProcess
  readonly agentUrl: string
  readonly adminUrl: string
  readonly stripeUrl: string
  /** From now on the process dies at the Nth coming of a step. */
  arm(step: string, turn: number): Promise<void>
  /** True if it died by the kill within the time. */
  died(ms: number): Promise<boolean>
  stop(): Promise<void>
}

export interface Where {
  readonly dir: string
  readonly policies: string
  /** In `dir` on SQLite unless said. */
  readonly store?: string
}

let gateways = 0

/** Starts a gateway in a process of its own on the store in `dir`. */
export async function gatewayProcess(where: Where): Promise<GatewayProcess> {
  const armed = join(where.dir, `die-${++gateways}`)
  await rm(armed, { force: true })
  const child = spawned(where, armed)
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const exit = once(child, 'exit')
  const line = await Promise.race([
    once(createInterface(child.stdout as Readable), 'line').then(([text]) => String(text)),
    exit.then(() => {
      throw new Error(`the gateway did not start: ${errors}`)
    }),
  ])
  const { agentUrl, adminUrl, stripeUrl } = JSON.parse(line) as {
    [name in 'agentUrl' | 'adminUrl' | 'stripeUrl']: string
  }
  return {
    ...clientOf(agentUrl, adminUrl),
    agentUrl,
    adminUrl,
    stripeUrl,
    child,
    arm: (step, turn) => writeFile(armed, `${step}#${turn}`),
    async died(ms) {
      const timer = new Promise<null>((resolve) => setTimeout(() => resolve(null), ms).unref())
      return (await Promise.race([exit, timer])) !== null && child.signalCode === 'SIGKILL'
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      await exit
    },
  }
}

/** Starts a gateway that dies at a step of its start or recovery. @returns true if it did. */
export async function dyingProcess(where: Where, die: string, ms: number): Promise<boolean> {
  const armed = join(where.dir, 'die')
  await writeFile(armed, die)
  const child = spawned(where, armed)
  const timer = setTimeout(() => child.kill('SIGTERM'), ms)
  await once(child, 'exit')
  clearTimeout(timer)
  return child.signalCode === 'SIGKILL'
}

function spawned(where: Where, armed: string): ChildProcess {
  const file = new URL('./gateway-process.ts', import.meta.url).pathname
  const store = where.store === undefined ? [] : [where.store]
  return spawn(process.execPath, [file, where.dir, where.policies, ...store], {
    env: {
      ...process.env,
      KEYSTAY_TEST_KEY: BACKEND_KEY,
      KEYSTAY_TEST_DIE: armed,
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(tmpdir(), 'keystay-test-compiled'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
