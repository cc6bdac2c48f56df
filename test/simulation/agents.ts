import { createHash } from 'node:crypto'
import { newId } from '../../gateway/pipeline/ids.ts'
import { checkReply } from './answers.ts'
import type { Wish } from './answers.ts'
import type { Backends } from './backend.ts'
import { PRINCIPALS } from './company.ts'
import type { Database } from './database.ts'
import { authenticated } from './door.ts'
import type { Door } from './door.ts'
import type { Fault } from './faults.ts'
import type { Oracle } from './oracle.ts'
import type { Process } from './process.ts'
import type { Random } from './random.ts'
import { as } from './time.ts'
import type { Time } from './time.ts'
import { isWrite } from './track.ts'

/** Agents: who asks, asks again, elsewhere, with other words, as somebody else, and looks. */
export interface Agents {
  /** A proof became a session, as a store keeps it. */
  session(principal: Principal, role: string, lifetime_ms: number): Promise<void>
  readonly sessions: readonly Signed[]
  /** The same wish through a session that lives, if there is one. */
  fresh(wish: Wish): Wish
  /** An agent wants something; sometimes what it wanted before. */
  wish(): void
  /** The same wish once more, at any process. */
  again(how: 'same' | 'other input' | 'other principal' | 'other replica'): void
  look(): void
  cancel(): void
  logout(): void
  /** Each wish once more, at the end: the same key gives the outcome. */
  all(): void
}

export interface TownParts {
  readonly time: Time
  readonly random: Random
  readonly oracle: Oracle
  readonly backends: Backends
  readonly database: Database
  readonly door: Door
  readonly struck: (fault: Fault, call?: string) => void
  readonly trace: (line: string) => void
}

type Principal = (typeof PRINCIPALS)[number]

/** An agent that has signed in. */
export interface Signed {
  readonly id: string
  readonly token: string
  readonly principal: Principal
  readonly role: string
}

const AMOUNTS = [1000, 3000, 6000, 9000, 14_000, 18_000, 25_000]
const KEYS = 3
const SESSION = { attributes: {}, issuer: 'demo', jti: null, proof: 'simulated', policy: '', prompt: null } as const

export function agents(parts: TownParts): Agents {
  const { time, random, oracle, backends, database, struck, trace } = parts
  const { at, does, somewhere, count } = parts.door
  const sessions: Signed[] = []
  const wishes: Wish[] = []
  const known = new Set<string>()
  let keys = 0
  const answers = { database, calls: oracle.calls, effects: backends.effects, violated: oracle.violated }

  async function ask(process: Process, wish: Wish, wait_ms: number): Promise<void> {
    const { action, input, key, token, client } = wish
    oracle.asks({ client, input })
    trace(`${wish.principal} asks ${process.host.name} for ${client} of ${String(input['amount'] ?? '-')}`)
    const began = time.now()
    const reply = await at(process, async () => {
      const session = await authenticated(process, token)
      const asked = isWrite({ action }) ? key : null
      return process.gateway.call(session, { action, input, key: asked, wait_ms })
    })
    known.add(reply.envelope.call)
    count(reply.problem?.code ?? reply.envelope.status)
    trace(
      `${client}: ${reply.envelope.status} ${reply.problem?.code ?? ''} ${reply.envelope.call} after ${time.now() - began} ms`,
    )
    checkReply(wish, reply, answers)
  }

  return {
    sessions,
    fresh,
    async session(principal, role, lifetime_ms) {
      const process = somewhere()
      if (process === null) return
      const id = newId(process.house, 'ses')
      const token_hash = createHash('sha256').update(id).digest('hex')
      const result = await as(process.host, () =>
        process.store.write({
          op: 'session.issue',
          session: { ...principal, ...SESSION, id, lineage: id, role, token_hash },
          lifetime_ms,
          live_max: 1000,
          once: false,
        }),
      )
      if (result.kind !== 'issued') return
      sessions.push({ token: token_hash, principal, role, id })
      if (sessions.length > 6) sessions.shift()
      trace(`${id} for ${principal.principal} as ${role}, ${lifetime_ms} ms`)
    },
    wish() {
      const process = somewhere()
      if (process === null || sessions.length === 0) return
      const { token, principal, role } = random.pick(sessions)
      const action = random.pick([
        'pay.refund',
        'pay.refund',
        'pay.refund',
        'shop.order',
        'shop.order',
        'blind.note',
        'pay.look',
      ])
      const key = `k${random.chance(0.3) ? random.below(KEYS) : KEYS + keys++}`
      const client = `${principal.principal}/${role}/${action}/${key}`
      const before = wishes.find((wish) => wish.client === client)
      const charge = `ch_${random.below(3)}`
      const amount = random.pick(AMOUNTS)
      const input = before?.input ?? inputOf(action, charge, amount, client)
      const wish: Wish = { token, principal: principal.principal, role, action, key, client, input }
      if (before === undefined) wishes.push(wish)
      does(client, () => ask(process, wish, random.pick([0, 1000, 10_000])))
    },
    again(how) {
      const first = wishes.length === 0 ? undefined : random.chance(0.6) ? wishes.at(-1) : random.pick(wishes)
      const process = somewhere()
      if (first === undefined || process === null) return
      const wait_ms = random.pick([0, 1000, 10_000])
      if (how === 'other input') {
        if (!isWrite(first)) return
        struck(how)
        const amount = Number(first.input['amount']) + 1
        const wish = { ...first, input: { ...first.input, amount } }
        return does(first.client, () => ask(process, wish, wait_ms))
      }
      if (how === 'other principal') {
        const other = sessions.find(
          ({ principal, role }) => principal.principal !== first.principal && role === first.role,
        )
        if (other === undefined || !isWrite(first)) return
        struck(how)
        const client = `${other.principal.principal}/${first.role}/${first.action}/${first.key}`
        const before = wishes.find((wish) => wish.client === client)
        const wish = before ?? {
          ...first,
          token: other.token,
          principal: other.principal.principal,
          client,
          input: { ...first.input, client },
        }
        if (before === undefined) wishes.push(wish)
        const id = [...known].find((call) => oracle.calls.get(call)?.principal === first.principal)
        if (id !== undefined) does(`${client} spies`, () => spy(process, other.token, id))
        return does(client, () => ask(process, wish, wait_ms))
      }
      const places = how === 'other replica' ? [process, somewhere(process) ?? process] : [process]
      struck(how === 'same' ? 'duplicate' : how)
      for (const place of places) does(first.client, () => ask(place, fresh(first), wait_ms))
    },
    look() {
      const process = somewhere()
      const id = known.size === 0 ? undefined : random.pick([...known])
      const track = id === undefined ? undefined : oracle.calls.get(id)
      const session = sessions.find(
        ({ principal, role }) => principal.principal === track?.principal && role === track.role,
      )
      if (process === null || id === undefined || session === undefined) return
      const wait_ms = random.pick([0, 2000])
      does(`${id} is shown`, async () => {
        const reply = await at(process, async () => {
          const row = await authenticated(process, session.token)
          for (const one of await process.gateway.list(row, { limit: 20 })) {
            const of = oracle.calls.get(one.envelope.call)
            if (of !== undefined && of.principal !== row.principal)
              oracle.violated('I8', `${row.principal} is shown ${of.id}`)
          }
          return process.gateway.show(row, id, wait_ms)
        })
        count(`shown: ${reply.envelope.status}`)
      })
    },
    cancel() {
      const process = somewhere()
      const track = random.pick([...oracle.open().filter(({ state }) => state === 'held'), ...oracle.open(), null])
      const session = sessions.find(
        ({ principal, role }) => principal.principal === track?.principal && role === track.role,
      )
      if (process === null || track === null || session === undefined) return
      struck('cancel', track.id)
      does(`${track.id} is cancelled`, async () => {
        const reply = await at(process, async () =>
          process.gateway.cancel(await authenticated(process, session.token), track.id),
        )
        trace(`${track.id} is cancelled: ${reply.envelope.status}`)
      })
    },
    logout() {
      const process = somewhere()
      if (process === null || sessions.length === 0) return
      const { id } = random.pick(sessions)
      struck('logout')
      does(`${id} ends`, () =>
        at(process, () => process.store.write({ op: 'session.end', session: id, reason: 'logout', by: 'itself' })),
      )
    },
    all() {
      for (const wish of wishes) {
        const process = somewhere()
        if (process !== null) does(wish.client, () => ask(process, fresh(wish), 10_000))
      }
    },
  }

  /** The same wish through a session that lives, if there is one. */
  function fresh(wish: Wish): Wish {
    const session = sessions.findLast(
      ({ principal, role }) => principal.principal === wish.principal && role === wish.role,
    )
    return { ...wish, token: session?.token ?? wish.token }
  }

  /** Another principal asks for a call by its id. */
  async function spy(process: Process, token: string, id: string): Promise<void> {
    await at(process, async () => process.gateway.show(await authenticated(process, token), id, 0))
    oracle.violated('I8', `${id} was shown to another principal`)
  }
}

function inputOf(action: string, charge: string, amount: number, client: string): Wish['input'] {
  if (action === 'pay.refund') return { charge, amount, client }
  if (action === 'pay.look') return { charge, client }
  return { amount, client }
}
