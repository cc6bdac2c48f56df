import { createInterface } from 'node:readline'
import { endSessionOnce } from './end-session.ts'
import { descendants, isStill, signalTree } from './processes.ts'
import type { Watched, WatchedAgent } from './watched.ts'

/**
 * A process of its own beside `keystay run`, in a session of its own, so that no signal for the one reaches the other.
 * It holds the reading end of a pipe whose writing end only `run` has: however that dies, kill -9 included, the pipe
 * closes. What it knows came through that pipe and is in its memory alone.
 */
const GRACE_MS = 2_000
/** So long a gateway that is away is asked again; a session that nobody has a token of ends by itself after that. */
const PATIENCE_MS = 600_000

let last: Watched | null = null

// Whoever stops all processes of a service stops `run` too, and it is what comes after that which we are here for. SIGUSR1
// would open a debugger, and with it our memory.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const) {
  process.on(signal, () => {})
}
const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => (last = JSON.parse(line) as Watched))
lines.once('close', () => void clean())

async function clean(): Promise<void> {
  if (last === null) return
  const { gateway, token, agent } = last
  await Promise.all([token === null ? null : endSession(gateway, token), agent === null ? null : endAgent(agent)])
}

async function endSession(gateway: string, token: string): Promise<void> {
  const began = performance.now()
  for (let pause = 200; !(await endSessionOnce(gateway, token)); pause = Math.min(pause * 2, 5_000)) {
    if (performance.now() - began > PATIENCE_MS) return
    await sleep(pause)
  }
}

/** Its loopback address has gone with `run`: it can do nothing any more but wait. */
async function endAgent(agent: WatchedAgent): Promise<void> {
  if (!isStill(agent)) return
  // Now, while they still hang together: who is orphaned is found by nobody.
  const others = descendants(agent.pid).map((pid) => ({ pid, group: false, started: null }))
  signalTree(
    agent,
    'SIGTERM',
    others.map(({ pid }) => pid),
  )
  await sleep(GRACE_MS)
  if (isStill(agent)) signalTree(agent, 'SIGKILL')
  for (const one of others) signalTree(one, 'SIGKILL')
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
