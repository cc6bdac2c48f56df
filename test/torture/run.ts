import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startAgents } from './agents.ts'
import type { Agents } from './agents.ts'
import { startBackends } from './backends.ts'
import { clientOf } from './client.ts'
import { writeCompany } from './company.ts'
import { evidenceIn } from './evidence.ts'
import { startFaults } from './faults.ts'
import { startPeople } from './people.ts'
import type { People } from './people.ts'
import { randomFrom } from './random.ts'
import { reconcile } from './reconcile.ts'
import type { Findings } from './reconcile.ts'
import type { Place } from './places.ts'
import { startReplica, steadyPort } from './replica.ts'
import type { Replica } from './replica.ts'

export interface Outcome {
  readonly store: string
  readonly seconds: number
  readonly counts: { readonly [name: string]: number }
  readonly findings: Findings
  readonly effects: number
  readonly keys: number
  readonly entries: number
  readonly verified: boolean
  readonly skipped: readonly string[]
}

/** How long everything may take to settle once all faults are over. */
const SETTLES_WITHIN_MS = 150_000

/**
 * One run on one store: so many minutes of agents, people and faults, then everything whole, settled and reconciled.
 *
 * @param dir stays when something does not agree. @param where makes the store, and takes it away with `close`.
 */
export async function run(
  dir: string,
  options: { readonly minutes: number; readonly seed: number; readonly log: (line: string) => void },
  where: (dir: string) => Promise<Place>,
): Promise<Outcome> {
  const { minutes, seed, log } = options
  mkdirSync(dir, { recursive: true })
  const begun = Date.now()
  const evidence = evidenceIn(dir)
  const random = (part: number) => randomFrom(seed * 31 + part)
  const undo: (() => Promise<unknown> | void)[] = [() => evidence.close()]
  try {
    const place = await where(dir)
    undo.push(() => place.close())
    const backends = await startBackends(dir, seed * 31)
    undo.push(() => backends.stop())
    const policies = join(dir, 'policies')
    await writeCompany(policies, backends.urls)
    const replicas: Replica[] = []
    for (const [index, store] of place.stores.entries()) {
      const ports = [
        await steadyPort(randomFrom(process.pid + index)),
        await steadyPort(randomFrom(process.pid + index + 50)),
      ] as const
      const name = `gateway-${index + 1}`
      replicas.push(startReplica({ name, policies, store, ledgerKey: `file://${dir}/ledger-key`, ports, evidence }))
    }
    undo.push(() => Promise.all(replicas.map((replica) => replica.stop())))
    await Promise.all(replicas.map((replica) => replica.up()))
    const client = clientOf(replicas, random(1))
    undo.push(() => client.close())
    const people = startPeople(client, backends, random(2), evidence)
    const agents = startAgents(client, random(3), evidence)
    undo.push(() => {
      agents.finish()
      agents.giveUp()
      people.finish()
    })
    const faults = startFaults({ replicas, disk: place.disk, wire: place.wire(evidence) }, random(4), evidence)

    // From here on: on a busy machine the start takes as long as a short run.
    const until = Date.now() + minutes * 60_000
    while (Date.now() < until) {
      await sleep(Math.min(30_000, until - Date.now()))
      log(`${Math.round((Date.now() - begun) / 1000)} s: ${agents.asking()} ask, ${JSON.stringify(evidence.counts)}`)
    }
    agents.finish()
    await faults.end()
    await Promise.race([Promise.all([backends.honest(), people.calm()]), sleep(30_000)])
    const settled_ms = await settled(agents, people)
    log(`settled after ${settled_ms} ms`)
    const different = await agents.askAgain(Math.min(200, Math.round(minutes * 40)))
    agents.giveUp()
    people.finish()
    await Promise.all(replicas.map((replica) => replica.stop()))

    const ledger = await place.ledger()
    const effects = backends.effects()
    const findings = reconcile(agents.wanted, ledger, effects, people.stops)
    if (different > 0)
      findings.unexplained.push(`${different} keys that had ended were told something else when asked again`)
    for (const never of ['gateways that did not stop', 'gateways that ended while they served', 'answers 500']) {
      if (evidence.counts[never]) findings.unexplained.push(`${never}: ${evidence.counts[never]}`)
    }
    const clean = [findings.doubled, findings.lost, findings.over_budget, findings.unexplained, findings.late].every(
      ({ length }) => length === 0,
    )
    if (!clean) place.rescue(join(dir, 'store'))
    return {
      store: place.name,
      seconds: Math.round((Date.now() - begun) / 1000),
      counts: { ...evidence.counts, 'ms to settle': settled_ms },
      findings,
      effects: effects.length,
      keys: agents.wanted.length,
      entries: ledger.report.entries,
      verified: ledger.report.ok,
      skipped: place.skipped,
    }
  } finally {
    for (const end of undo.toReversed()) await end()
  }
}

/** @returns how long it took until all agents knew and no call was open, ms; at most the bound. */
async function settled(agents: Agents, people: People): Promise<number> {
  const begun = Date.now()
  for (;;) {
    const open = await people.open()
    const quiet = open !== null && open['held'] === 0 && open['running'] === 0 && open['unknown'] === 0
    if ((quiet && agents.asking() === 0) || Date.now() - begun > SETTLES_WITHIN_MS) return Date.now() - begun
    await sleep(250)
  }
}
