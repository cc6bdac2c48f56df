import { Problem } from '../../gateway/core/problem.ts'
import type { Person } from '../../gateway/core/types.ts'
import type { TownParts } from './agents.ts'
import { PEOPLE } from './company.ts'
import type { Process } from './process.ts'

/** People: who approves, twice or an old card, rejects, revokes, freezes, and finds out what no backend can tell. */
export interface People {
  approve(how: 'fresh' | 'stale' | 'twice'): void
  reject(): void
  revoke(): void
  freeze(): void
  thaw(): void
  /** What needs people is settled by two of them who have looked. */
  settle(): void
}

interface Held {
  readonly id: string
  readonly card: string
}

const SWITCHES = ['all', 'role:agent', 'action:pay.refund', 'action:shop.order', 'incident'] as const
const SAM = PEOPLE['sam'] as Person

export function people(parts: TownParts & { readonly sessions: readonly { readonly id: string }[] }): People {
  const { time, random, oracle, backends, sessions, struck, trace } = parts
  const { at, does, somewhere, count } = parts.door
  const cards: Held[] = []
  const frozen = new Set<string>()
  const settling = new Set<string>()

  function person(...names: readonly string[]): Person {
    return PEOPLE[random.pick(names)] as Person
  }

  /** Calls in this state, as the ledger says; people have a list. */
  const inState = (state: string) => oracle.open().filter((track) => track.state === state)

  async function click(process: Process, who: Person, { id, card }: Held): Promise<void> {
    oracle.clicks(who.id, id, card)
    trace(`${who.id} approves ${id} at ${process.host.name}`)
    const story = await at(process, () => process.gateway.people.approve(who, id, card))
    count(`approved: ${story.state}`)
  }

  return {
    approve(how) {
      const process = somewhere()
      const held = inState('held').filter(({ card }) => card !== null)
      if (process === null || held.length === 0) return
      const track = random.pick(held)
      const seen: Held = { id: track.id, card: track.card ?? '' }
      cards.push(seen)
      const stale = cards.filter(({ id, card }) => id === track.id && card !== track.card)
      const shown = how === 'stale' && stale.length > 0 ? random.pick(stale) : seen
      const who = person('dana', 'omar', 'dana', 'omar', 'sam', 'sam', 'lee', 'ann')
      does(`${who.id} approves`, () => click(process, who, shown))
      if (how !== 'twice') return
      struck('approve twice', track.id)
      const other = random.chance(0.5) ? who : person('dana', 'omar')
      const place = somewhere() ?? process
      does(`${other.id} approves`, () => click(place, other, shown))
    },
    reject() {
      const process = somewhere()
      const held = inState('held')
      if (process === null || held.length === 0) return
      const { id, card } = random.pick(held)
      struck('reject', id)
      const who = person('dana', 'omar', 'lee', 'sam')
      const other = person('dana', 'omar')
      if (random.chance(0.6))
        does(`${other.id} approves`, () => click(somewhere() ?? process, other, { id, card: card ?? '' }))
      does(`${who.id} rejects`, () => at(process, () => process.gateway.people.reject(who, id, 'no')))
    },
    revoke() {
      const process = somewhere()
      if (process === null || sessions.length === 0) return
      const { id } = random.pick(sessions)
      struck('revoked')
      does(`sam revokes ${id}`, () => at(process, () => process.gateway.people.revoke(SAM, id)))
    },
    freeze() {
      const process = somewhere()
      if (process === null) return
      const name = random.pick(SWITCHES)
      const on = !frozen.has(name)
      if (on) frozen.add(name)
      else frozen.delete(name)
      if (on) struck('frozen')
      does(`sam sets ${name}`, () => at(process, () => process.gateway.people.setSwitch(SAM, name, on, 'x')))
    },
    thaw() {
      for (const name of SWITCHES) {
        const process = somewhere()
        if (process !== null)
          does(`sam sets ${name}`, () => at(process, () => process.gateway.people.setSwitch(SAM, name, false, 'x')))
      }
    },
    settle() {
      for (const track of inState('needs_human')) {
        const process = somewhere()
        if (process === null || settling.has(track.id) || backends.landsUntil(track.id) >= time.now()) continue
        settling.add(track.id)
        const outcome = track.effects > 0 ? 'done' : 'refused'
        does(`${track.id} is settled`, async () => {
          try {
            for (const name of random.chance(0.5) ? ['dana', 'omar'] : ['dana', 'dana', 'ann', 'omar']) {
              const who = PEOPLE[name] as Person
              await at(process, () => process.gateway.people.settle(who, track.id, outcome, 'looked')).catch(
                (error: unknown) => {
                  if (!(error instanceof Problem)) throw error
                },
              )
            }
          } finally {
            settling.delete(track.id)
          }
        })
      }
    },
  }
}
