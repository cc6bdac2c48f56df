import { rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BACKEND_KEY } from '../house/company.ts'
import { isAlive, killed, startChild } from './children.ts'
import type { Child } from './children.ts'
import type { Evidence } from './evidence.ts'
import type { Random } from './random.ts'

/** One gateway: a process that is started again at once on the same ports, however it ends. */
export interface Replica {
  readonly name: string
  readonly agentUrl: string
  readonly adminUrl: string
  /** kill -9, now. */
  kill(): Promise<void>
  /** kill -9 at the Nth coming of a step. @returns whether it came within the time; else the step is forgotten. */
  killAt(step: string, turn: number, patience_ms: number): Promise<boolean>
  /** SIGSTOP, and SIGCONT after the time. */
  pause(ms: number): Promise<void>
  /** Each commit takes so many ms longer, from now on. */
  slow(ms: number): void
  /** Resolves when it serves. */
  up(): Promise<void>
  /** It ends as an operator would end it, and is not started again. */
  stop(): Promise<void>
}

export interface ReplicaOptions {
  readonly name: string
  readonly policies: string
  readonly store: string
  readonly ledgerKey: string
  readonly ports: readonly [number, number]
  readonly evidence: Evidence
}

export function startReplica({ name, policies, store, ledgerKey, ports, evidence }: ReplicaOptions): Replica {
  const die = join(evidence.dir, `${name}.die`)
  const slowFile = join(evidence.dir, `${name}.slow`)
  let child: Child
  let stopping = false

  const start = (): void => {
    rmSync(die, { force: true })
    child = startChild('./gateway-process.ts', [policies, store, ...ports.map(String), ledgerKey], {
      log: join(evidence.dir, `${name}.log`),
      // The backends keep to their times on a busy machine too.
      nicer: 3,
      env: {
        KEYSTAY_TEST_KEY: BACKEND_KEY,
        KEYSTAY_TEST_DIE: die,
        KEYSTAY_TEST_SLOW: slowFile,
        NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(tmpdir(), 'keystay-test-compiled'),
      },
    })
    const begun = Date.now()
    let served = false
    void child.ready.then(
      () => {
        served = true
        evidence.note('faults', { replica: name, is: 'up', ms: Date.now() - begun })
      },
      () => {},
    )
    void child.ended.then(async (how) => {
      evidence.note('faults', { replica: name, is: 'ended', how })
      if (how === 'SIGKILL') evidence.count('gateway kills')
      else if (!stopping) evidence.count(served ? 'gateways that ended while they served' : 'starts that failed')
      if (stopping) return
      // It says no to a start without its database.
      if (how !== 'SIGKILL') await sleep(200)
      if (!stopping) start()
    })
  }
  start()

  return {
    name,
    agentUrl: `http://127.0.0.1:${ports[0]}`,
    adminUrl: `http://127.0.0.1:${ports[1]}`,
    // Whoever waits for its end finds the next one begun.
    kill: () => killed(child),
    async killAt(step, turn, patience_ms) {
      const armed = child
      writeFileSync(die, `${step}#${turn}`)
      const late = sleep(patience_ms, null, { ref: false })
      const came = (await Promise.race([armed.ended, late])) !== null
      if (!came) rmSync(die, { force: true })
      return came
    },
    async pause(ms) {
      const paused = child
      if (!paused.process.kill('SIGSTOP')) return
      evidence.count('SIGSTOPs')
      await Promise.race([sleep(ms), paused.ended])
      paused.process.kill('SIGCONT')
    },
    slow(ms) {
      if (ms > 0) writeFileSync(slowFile, String(ms))
      else rmSync(slowFile, { force: true })
    },
    async up() {
      for (;;) {
        const now = child
        if (await now.ready.then(() => isAlive(now)).catch(() => false)) return
        await sleep(50)
      }
    },
    async stop() {
      stopping = true
      child.process.kill('SIGCONT')
      child.process.kill('SIGTERM')
      const late = sleep(30_000, 'late', { ref: false })
      if ((await Promise.race([child.ended, late])) === 'late') {
        evidence.count('gateways that did not stop')
        await killed(child)
      }
    },
  }
}

/** Ports that stay free between two starts: none of those that the system gives to outgoing connections. */
export async function steadyPort(random: Random): Promise<number> {
  for (;;) {
    const port = random.integer(10_000, 30_000)
    const taken = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (!taken) return port
  }
}
