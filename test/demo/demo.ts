import { spawn, type ChildProcess } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** How long a line may take, on a machine that runs other tests beside: what nobody waits for for long in a quiet hour. */
const PATIENCE_MS = 60_000

/** A process whose output is read as it comes. */
export interface Started {
  readonly process: ChildProcess
  /** Standard output so far. */
  out(): string
  err(): string
  /** Resolves with the output once the text has come; rejects with all output when the process ends before, or late. */
  until(text: string | RegExp, patience_ms?: number): Promise<string>
  readonly ended: Promise<number | null>
}

export interface Demo {
  readonly folder: string
  readonly store: string
  readonly policies: string
  /** For the agent script and the command line. */
  readonly env: Record<string, string>
  start(): Started
  remove(): Promise<void>
}

/** A copy of the example company on free ports, with a data folder of its own: the demo as a person runs it, twice at once. */
export async function prepareDemo(): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), 'keystay-demo-'))
  const [agents, people, stripe, payments, orders] = await freePorts(5)
  const policies = join(folder, 'policies')
  await cp(join(ROOT, 'policies'), policies, { recursive: true })
  const backends = join(policies, 'backends.yaml')
  const text = await readFile(backends, 'utf8')
  await writeFile(
    backends,
    text.replace('127.0.0.1:4242', `127.0.0.1:${payments}`).replace('127.0.0.1:4243', `127.0.0.1:${orders}`),
  )
  const store = join(folder, 'data', 'keystay.db')
  const env = {
    KEYSTAY_LISTEN: `127.0.0.1:${agents}`,
    KEYSTAY_ADMIN_LISTEN: `127.0.0.1:${people}`,
    KEYSTAY_STRIPE_LISTEN: `127.0.0.1:${stripe}`,
    KEYSTAY_POLICIES: policies,
    KEYSTAY_STORE: `sqlite:${store}`,
    KEYSTAY_URL: `http://127.0.0.1:${agents}`,
    KEYSTAY_ADMIN_URL: `http://127.0.0.1:${people}`,
    KEYSTAY_DEMO_PAYMENTS_URL: `http://127.0.0.1:${payments}`,
  }
  return {
    folder,
    store,
    policies,
    env,
    start: () => startProcess(['deploy/demo/start.mjs'], env),
    async remove() {
      // What a failed test left running would hold its ports, and the test run.
      for (const one of running) one.process.kill('SIGKILL')
      await Promise.all([...running].map((one) => one.ended))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Runs a script of the clone with the node of this process. */
export function startProcess(args: readonly string[], env: Record<string, string>): Started {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KEYSTAY_')))
  const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...clean, NO_COLOR: '1', TZ: 'UTC', ...env } })
  let out = ''
  let err = ''
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const look of waiting) look()
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
    wake()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
    wake()
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const started: Started = {
    process: child,
    out: () => out,
    err: () => err,
    ended,
    until: (text, patience_ms = PATIENCE_MS) =>
      new Promise((resolve, reject) => {
        const finish = (settle: () => void) => {
          waiting.delete(look)
          clearTimeout(timer)
          settle()
        }
        const failed = (why: string) => finish(() => reject(new Error(`${why} before ${String(text)}:\n${out}${err}`)))
        const look = () => {
          if (typeof text === 'string' ? out.includes(text) : text.test(out)) finish(() => resolve(out))
          else if (child.exitCode !== null) failed(`it ended with ${child.exitCode}`)
        }
        const timer = setTimeout(() => failed(`nothing for ${patience_ms} ms`), patience_ms)
        waiting.add(look)
        look()
      }),
  }
  running.add(started)
  void ended.then(() => {
    running.delete(started)
    wake()
  })
  return started
}

/** Of this test run; each is deleted when it ends. */
const running = new Set<Started>()

/** Stops a process as Ctrl-C does. @returns its exit code. */
export function interrupt(started: Started): Promise<number | null> {
  started.process.kill('SIGINT')
  return started.ended
}

/** Ports that were free a moment ago. Held together, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer()
          server.listen(0, '127.0.0.1', () => resolve(server))
        }),
    ),
  )
  const ports = servers.map((server) => {
    const address = server.address()
    return typeof address === 'object' && address ? address.port : 0
  })
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
