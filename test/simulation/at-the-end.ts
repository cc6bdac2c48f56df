import { verifyReader } from '../../gateway/store/verify.ts'
import type { Variant } from './company.ts'
import type { Database } from './database.ts'
import { decideAgain } from './decide-again.ts'
import type { Fleet } from './fleet.ts'
import type { Oracle } from './oracle.ts'
import { as } from './time.ts'
import type { Time } from './time.ts'

export interface EndParts {
  readonly time: Time
  readonly fleet: Fleet
  readonly oracle: Oracle
  readonly database: Database
  readonly variants: readonly Variant[]
  readonly waiting: () => number
  /** I10 too; it takes as long as all the rest. */
  readonly isDecidedAgain: boolean
}

/** All faults are over, and all of it had time: what must be true then. */
export async function checkTheEnd(parts: EndParts): Promise<void> {
  const { fleet, oracle, database, waiting } = parts
  const { violated } = oracle
  for (const track of oracle.open()) violated('liveness', `${track.id} is still ${track.state}`)
  if (waiting() > 0) violated('liveness', `${waiting()} requests were never answered`)
  for (const { host, house } of fleet.processes.values()) {
    if (house.running.size > 0) violated('liveness', `${host.name} still runs ${[...house.running.keys()].join()}`)
  }
  const missing = fleet.names.length - fleet.processes.size
  if (missing > 0) violated('liveness', `${missing} processes do not serve`)
  oracle.checkLimits()
  for (const { id, state } of database.rows<{ id: string; state: string }>('SELECT id, state FROM calls')) {
    const track = oracle.calls.get(id)
    if (track?.state !== state) violated('I17', `${id} is ${state}, and its entries say ${track?.state}`)
  }
  if (parts.isDecidedAgain) decideAgain(database, parts.variants, violated)
  await agree(parts)
  const report = await verifyReader(database.whole)
  if (!report.ok) violated('I15', report.problems.map(({ message }) => message).join('; '))
}

/** I20: whoever is asked, the answer is the ledger's. */
async function agree({ time, fleet, oracle, database }: EndParts): Promise<void> {
  const { violated } = oracle
  const limits = database.rows<{ id: string; held: number }>('SELECT id, held FROM limits')
  const ids = [...oracle.calls.keys()]
  for (const { host, store } of fleet.processes.values()) {
    const asked = as(host, () => {
      const calls = Promise.all(ids.map((id) => store.call(id)))
      return Promise.all([calls, store.limits(limits.map(({ id }) => id)), store.switches()])
    })
    await time.runTo(time.now() + 10)
    const [calls, states, { positions }] = await asked
    for (const [index, call] of calls.entries()) {
      const track = oracle.calls.get(ids[index] ?? '')
      if (call?.state === track?.state) continue
      violated('I20', `${host.name} says that ${track?.id} is ${call?.state}, and it is ${track?.state}`)
    }
    for (const { id, held } of limits) {
      if (states.get(id)?.held !== held) violated('I20', `${host.name} has another number for ${id}`)
    }
    for (const [name, { on }] of Object.entries(positions)) {
      if (on !== oracle.isFrozen(name)) violated('I20', `${host.name} has ${name} the other way`)
    }
  }
}
