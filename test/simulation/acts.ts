import type { Agents, TownParts } from './agents.ts'
import { PRINCIPALS } from './company.ts'
import type { Fault, Profile } from './faults.ts'
import type { Fleet } from './fleet.ts'
import type { Lessees } from './lessees.ts'
import type { People } from './people.ts'
import type { Host } from './time.ts'
import type { UnnamedAgents } from './unnamed.ts'

export interface ActParts extends TownParts {
  readonly profile: Profile
  readonly shared: boolean
  readonly fleet: Fleet
  readonly agents: Agents
  readonly people: People
  /** In a world where requests are asked without keys. */
  readonly unnamed: UnnamedAgents | null
  /** In a world where logins are lent. */
  readonly lessees: Lessees | null
  /** Hosts without a line to the database, until when. */
  readonly gone: Map<Host, number>
}

/** What may happen next, by its weight; what is a fault only where this run has it. */
export function acting(parts: ActParts): { act(): void; issue(): Promise<void> } {
  const { time, random, profile, shared, fleet, agents, people, unnamed, lessees, backends, struck, trace, gone } =
    parts
  const isLater = unnamed !== null || lessees !== null
  const someHost = (): Host => random.pick([...fleet.processes.values()]).host
  const isServed = (): boolean => fleet.processes.size > 0
  const where = (fault: Fault, weight: number, otherwise = 0): number => (profile.has(fault) ? weight : otherwise)

  function cutLine(): void {
    const host = someHost()
    const ms = random.pick([100, 1500, 7000])
    struck('database gone')
    trace(`${host.name} has no line to the database for ${ms} ms`)
    gone.set(host, time.now() + ms)
  }
  function changeFacts(): void {
    struck('facts change')
    backends.flip(`ch_${random.below(3)}`)
  }
  async function issue(): Promise<void> {
    const principal = random.pick(PRINCIPALS)
    const role = random.pick(fleet.roles())
    await agents.session(principal, role, random.pick([8000, 60_000, 600_000])).catch(() => {})
  }

  return {
    issue,
    act() {
      const acts: readonly (readonly [number, () => void])[] = [
        [40, agents.wish],
        [where('duplicate', 8, 1), () => agents.again('same')],
        [shared ? where('other replica', 8) : 0, () => agents.again('other replica')],
        [where('other input', 3), () => agents.again('other input')],
        [where('other principal', 3), () => agents.again('other principal')],
        [4, agents.look],
        [16, () => people.approve('fresh')],
        [where('approve twice', 6), () => people.approve('twice')],
        [where('approve twice', 3), () => people.approve('stale')],
        [where('reject', 4), people.reject],
        [where('cancel', 4), agents.cancel],
        [where('revoked', lessees === null ? 5 : 12), people.revoke],
        [where('logout', 2), agents.logout],
        [where('frozen', 8), people.freeze],
        [where('reload', 3), fleet.reload],
        [where('facts change', 5), changeFacts],
        [where('clock forward', isLater ? 4 : 2), () => fleet.clock(true)],
        [where('clock behind', 2), () => fleet.clock(false)],
        [where('stop', 2), () => void fleet.stop(random.pick(fleet.names))],
        [where('crash', 2), () => isServed() && fleet.crash(someHost(), random.pick([10, 1000, 7000]))],
        [
          where('long pause', 1),
          () => isServed() && fleet.pause(someHost(), 'long pause', random.pick([6000, 40_000]), 'any moment'),
        ],
        [shared ? where('database gone', 4) : 0, () => isServed() && cutLine()],
        [4, () => void issue()],
        [6, people.settle],
        [unnamed === null ? 0 : 50, () => unnamed?.wish()],
        [unnamed === null ? 0 : 12, () => unnamed?.crowd()],
        [lessees === null ? 0 : 60, () => lessees?.wish()],
        [lessees === null ? 0 : 25, () => lessees?.look()],
      ]
      let left = random.below(acts.reduce((sum, [weight]) => sum + weight, 0))
      for (const [weight, work] of acts) {
        left -= weight
        if (left < 0) return work()
      }
    },
  }
}
