import type { Signed, TownParts } from './agents.ts'
import { checkReply } from './answers.ts'
import type { Wish } from './answers.ts'
import { authenticated } from './door.ts'
import type { Profile } from './faults.ts'
import type { Joins, Unnamed } from './joins.ts'
import type { Process } from './process.ts'

/** Agents whose SDK names requests and not effects: it repeats what broke, and they ask for the same once more. */
export interface UnnamedAgents {
  /** A request without a key of the agent's own; often equal to one that was asked before. */
  wish(): void
  /** Equal requests at once, at any process. */
  crowd(): void
  /** Each request that can be repeated, once more. */
  all(): void
}

export interface UnnamedParts extends TownParts {
  readonly profile: Profile
  readonly joins: Joins
  readonly sessions: readonly Signed[]
  /** The same agent by a session that lives, if there is one. */
  readonly fresh: (wish: Wish) => Wish
}

/** One request of an SDK, and its repeats. */
interface Request {
  readonly wish: Wish
  readonly key: string | null
  /** True time of its first send, ms. */
  readonly sent: number
  tries: number
  isTold: boolean
}

const SAME: { readonly [action: string]: readonly { readonly [member: string]: string | number }[] } = {
  'pay.refund': [
    { charge: 'ch_0', amount: 1000 },
    { charge: 'ch_1', amount: 6000 },
    { charge: 'ch_2', amount: 3000 },
  ],
  'shop.order': [{ amount: 1000 }, { amount: 2000 }],
}
const TRIES_MAX = 3

export function unnamedAgents(parts: UnnamedParts): UnnamedAgents {
  const { time, random, profile, oracle, backends, database, joins, sessions, fresh, struck, trace } = parts
  const { at, does, somewhere, count } = parts.door
  const requests: Request[] = []
  const answers = { database, calls: oracle.calls, effects: backends.effects, violated: oracle.violated }
  let keys = 0

  /** Asks, over a line that either side may drop. @returns whether whoever asked was told. */
  async function send(process: Process, { wish, key, sent }: Request, wait_ms: number): Promise<boolean> {
    const { action, input, client } = wish
    oracle.asks({ client, input })
    const asked: Unnamed = { client, key, sent }
    trace(`${client} is asked of ${process.host.name} without a name${key === null ? '' : ` (${key})`}`)
    let isGone = false
    const left = Promise.withResolvers<boolean>()
    const hungUp = Promise.withResolvers<false>()
    if (profile.strikes('hang up', 0.35)) {
      time.at(time.now() + random.pick([5, 40, 200, 700, 1500]), () => {
        if (isGone) return
        struck('hang up')
        isGone = true
        hungUp.resolve(false)
        trace(`${client} (${key}) has hung up`)
      })
    }
    const unnamed = { gone: () => isGone, heard: () => left.promise }
    const answered = async (): Promise<boolean> => {
      const reply = await process.gateway.call(await authenticated(process, wish.token), {
        action,
        input,
        key,
        unnamed,
        wait_ms,
      })
      joins.answers(asked, reply)
      const isSlow = profile.strikes('answer slow', 0.35)
      if (isSlow) struck('answer slow')
      await time.after(isSlow ? random.pick([100, 700, 3000]) : random.between(0, 3), process.host)
      if (isGone) {
        left.resolve(false)
        return false
      }
      isGone = true
      const { call, status } = reply.envelope
      trace(`${client} (${key}): ${status} ${reply.problem?.code ?? ''} ${call}`)
      joins.left(asked, reply)
      left.resolve(true)
      // What its bytes come to on the wire nobody in the house can see: an SDK that has no name for it asks nothing again.
      if (key !== null && profile.strikes('answer lost', 0.2)) {
        struck('answer lost', call)
        return false
      }
      count(`unnamed: ${reply.problem?.code ?? status}`)
      checkReply({ ...wish, key: key ?? '' }, reply, answers)
      return true
    }
    return Promise.race([at(process, answered), hungUp.promise])
  }

  /** As an SDK does: what broke is sent again under the same key, by itself. */
  function ask(request: Request): void {
    const process = somewhere()
    if (process === null) return
    request.tries++
    does(request.wish.client, async () => {
      try {
        request.isTold = await send(process, request, random.pick([0, 1000, 10_000]))
        // Who has an answer may mean the same once more, at once.
        if (request.isTold && profile.has('duplicate') && random.chance(0.3)) {
          struck('duplicate')
          time.at(time.now() + 1, () => ask(requested(fresh(request.wish))))
        }
      } finally {
        const mayRepeat = !request.isTold && request.key !== null && request.tries < TRIES_MAX
        if (mayRepeat) time.at(time.now() + random.pick([1, 300, 2000]), () => ask(again(request)))
      }
    })
  }

  function again(request: Request): Request {
    return Object.assign(request, { wish: fresh(request.wish) })
  }

  function newRequest(): Request | null {
    if (sessions.length === 0) return null
    const before = requests.length > 0 && random.chance(0.6) ? fresh((requests.at(-1) as Request).wish) : null
    return requested(before ?? wishOf(random.pick(sessions)))
  }

  function requested(wish: Wish): Request {
    const key = random.chance(0.25) ? null : `sdk-${keys++}`
    const request: Request = { wish: { ...wish, key: key ?? '' }, key, sent: time.now(), tries: 0, isTold: false }
    requests.push(request)
    return request
  }

  function wishOf({ token, principal: { principal }, role }: Signed): Wish {
    const action = random.pick(['pay.refund', 'pay.refund', 'shop.order'])
    const inputs = SAME[action] ?? []
    const number = random.below(inputs.length)
    const client = `${principal}/${role}/${action}/same-${number}`
    return { token, principal, role, action, key: '', client, input: { ...inputs[number], client } }
  }

  /** The agent names the same effect itself: two keys are two effects, and whoever has no name joins either. */
  function name({ wish }: Request): void {
    const process = somewhere()
    if (process === null) return
    const named = { ...wish, key: `own-${random.below(2)}` }
    const { action, input, key, client, token } = named
    oracle.asks({ client, input })
    trace(`${client} is asked of ${process.host.name} as ${key}`)
    does(client, async () => {
      const reply = await at(process, async () => {
        const wait_ms = random.pick([0, 1000])
        return process.gateway.call(await authenticated(process, token), { action, input, key, wait_ms })
      })
      count(`named: ${reply.problem?.code ?? reply.envelope.status}`)
      checkReply(named, reply, answers)
    })
  }

  return {
    wish() {
      const request = newRequest()
      if (request === null) return
      if (random.chance(0.12)) name(request)
      ask(request)
    },
    crowd() {
      for (let left = random.between(2, 3); left > 0; left--) {
        const request = newRequest()
        if (request !== null) ask(request)
      }
    },
    all() {
      for (const request of requests) {
        if (request.key !== null) ask(Object.assign(again(request), { tries: 0 }))
      }
    },
  }
}
