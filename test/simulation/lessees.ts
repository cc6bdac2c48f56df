import type { Signed, TownParts } from './agents.ts'
import { authenticated } from './door.ts'
import type { Profile } from './faults.ts'
import type { Leases } from './leases.ts'
import { isOpen } from './track.ts'
import type { Reply } from '../../gateway/pipeline/gateway.ts'

/** Agents that have logins made for them, and come for those that people had to let go. */
export interface Lessees {
  wish(): void
  /** Looks at a call of its own; a held one that people have let go is made by that. */
  look(): void
  all(): void
}

export interface LesseeParts extends TownParts {
  readonly profile: Profile
  readonly leases: Leases
  readonly sessions: readonly Signed[]
}

const ACTIONS = ['ware.login', 'ware.login', 'ware.vault', 'ware.guarded', 'ware.guarded'] as const

export function lessees(parts: LesseeParts): Lessees {
  const { random, profile, oracle, leases, sessions, struck, trace } = parts
  const { at, does, somewhere, count } = parts.door
  const wishes: { readonly by: Signed; readonly action: string; readonly key: string }[] = []

  /** What is in the answer counts as given, whether or not it arrives. */
  function hears(what: string, { principal: { principal } }: Signed, { envelope, problem }: Reply): void {
    const { call, status, output } = envelope
    const name = (output as { user?: string } | undefined)?.user
    count(`lease: ${problem?.code ?? status}${name === undefined ? '' : ', given'}`)
    trace(`${what}: ${status} ${problem?.code ?? ''} ${call} ${name ?? ''}`)
    if (name === undefined) return
    leases.given(call, name, principal)
    if (profile.strikes('answer lost', 0.3)) struck('answer lost', call)
  }

  function ask({ by, action, key }: (typeof wishes)[number]): void {
    const process = somewhere()
    if (process === null) return
    const what = `${by.principal.principal}/${by.role}/${action}/${key}`
    const wait_ms = random.pick([0, 1000, 10_000])
    trace(`${what} is asked of ${process.host.name}`)
    does(what, async () => {
      const reply = await at(process, async () =>
        process.gateway.call(await authenticated(process, by.token), { action, input: {}, key, wait_ms }),
      )
      hears(what, by, reply)
    })
  }

  return {
    wish() {
      if (sessions.length === 0) return
      const again = wishes.length > 0 && random.chance(0.25)
      const wish = again
        ? random.pick(wishes)
        : { by: random.pick(sessions), action: random.pick(ACTIONS), key: `l${wishes.length}` }
      if (!again) wishes.push(wish)
      ask(wish)
      if (!again || !profile.has('duplicate')) return
      struck('duplicate')
      ask(wish)
    },
    look() {
      const process = somewhere()
      const held = [...oracle.calls.values()].filter((track) => isOpen(track) && track.action === 'ware.guarded')
      if (process === null || held.length === 0) return
      const track = random.pick(held)
      const by = sessions.find(({ principal, role }) => principal.principal === track.principal && role === track.role)
      if (by === undefined) return
      const wait_ms = random.pick([0, 2000])
      does(`${track.id} is looked at`, async () => {
        const reply = await at(process, async () =>
          process.gateway.show(await authenticated(process, by.token), track.id, wait_ms),
        )
        hears(`${track.id} is looked at`, by, reply)
      })
    },
    all() {
      for (const wish of wishes) ask(wish)
    },
  }
}
