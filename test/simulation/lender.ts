import type { Adapter, Attempt } from '../../adapters/adapter.ts'
import { backendSchema, requestSchema } from '../../adapters/postgres/schema.ts'
import type { JsonObject, Outcome } from '../../gateway/core/types.ts'
import { BACKENDS } from './company.ts'
import type { Fault, Profile } from './faults.ts'
import type { Random } from './random.ts'
import { hostNow } from './time.ts'
import type { Host, Time } from './time.ts'

/** A login at the server, as the server knows it. */
export interface Login {
  readonly call: string
  readonly name: string
  /** What a vault takes it back by; null where the server made it. */
  readonly token: string | null
  /** True time from which the server lets nobody in with it. */
  readonly until: number
  /** It owns something elsewhere: its name cannot be dropped. */
  readonly owns: boolean
  /** True time at which it was dropped, or shut for good. */
  goneAt: number
}

export interface LenderParts {
  readonly time: Time
  readonly random: Random
  readonly profile: Profile
  /** The first byte of making one leaves. */
  readonly asked: (call: string, attempt: number, host: Host) => void
  readonly made: (login: Login) => void
  /** Somebody has it: nobody else can own anything by it. */
  readonly isGiven: (call: string) => boolean
  readonly struck: (fault: Fault, call: string) => void
  readonly trace: (line: string) => void
}

/** A server that makes logins, and a vault that does. They know nothing of sessions. */
export function openLender(parts: LenderParts): { readonly adapter: Adapter; readonly logins: readonly Login[] } {
  const { time, random, profile, asked, made, isGiven, struck, trace } = parts
  const logins: Login[] = []
  const ended = new Set<string>()
  let tokens = 0
  const PLACE = '127.0.0.1:5/ware'
  const { timeout_ms, lands_within_ms } = BACKENDS.ware

  function make(call: string, name: string, token: string | null, lifetime_s: number): boolean {
    // A token that was taken back makes nothing; nor is a name given twice.
    if (token !== null && ended.has(token)) return false
    if (logins.some((login) => login.name === name && login.goneAt === Infinity)) return false
    const until = time.now() + lifetime_s * 1000
    const login: Login = { call, name, token, until, owns: profile.strikes('login owns', 0.1), goneAt: Infinity }
    logins.push(login)
    trace(`ware: LOGIN ${name} for ${call}`)
    made(login)
    return true
  }

  async function lend(lease: JsonObject, attempt: Attempt, host: Host): Promise<Outcome> {
    const call = attempt.id
    if (profile.strikes('not connected', 0.1)) {
      struck('not connected', call)
      await time.after(random.between(1, 40), host)
      return { kind: 'not_sent', reason: 'connection refused' }
    }
    const isSlow = profile.strikes('slow secret', 0.2)
    if (isSlow) struck('slow secret', call)
    await time.after(isSlow ? random.pick([300, 720, 1500, 4000]) : random.between(0, 20), host)
    const from = typeof lease['from'] === 'string' ? lease['from'] : null
    const token = from === null ? null : `token-${tokens++}`
    try {
      if (from !== null && token !== null) await attempt.note?.({ from, handle: token, place: PLACE })
    } catch (error) {
      return { kind: 'not_sent', code: 'secret_unavailable', reason: String(error) }
    }
    if (performance.now() >= attempt.notAfter) return { kind: 'not_sent', reason: 'the time for this attempt is over' }
    if (!attempt.permit()) return { kind: 'not_sent', reason: 'the permit is old', code: 'permit' }

    asked(call, attempt.number, host)
    const name = from === null ? `keystay_${call.toLowerCase()}` : `v-${token}`
    const lifetime_s = Number(lease['lifetime_s'])
    const at = time.now()
    const quick = random.between(1, 40)
    const fates: readonly (readonly [Fault, effect_ms: number | null, answer_ms: number])[] = [
      ['error, effect', quick, quick + 1],
      ['error, no effect', null, quick],
      ['timeout, effect', random.between(0, timeout_ms - 1), timeout_ms],
      ['timeout, no effect', null, timeout_ms],
      ['late effect', timeout_ms + random.between(0, lands_within_ms - 1), timeout_ms],
      ['reset', random.chance(0.5) ? quick + random.between(0, lands_within_ms - 1) : null, quick],
    ]
    for (const [fault, effect_ms, answer_ms] of fates) {
      if (!profile.strikes(fault, 0.1)) continue
      struck(fault, call)
      if (effect_ms !== null) time.at(at + effect_ms, () => make(call, name, token, lifetime_s))
      await time.after(answer_ms, host)
      return { kind: 'unknown', reason: fault, evidence: {} }
    }
    if (profile.strikes('refused', 0.1)) {
      struck('refused', call)
      await time.after(quick, host)
      return { kind: 'refused', status: 400, message: 'no', evidence: {} }
    }
    const answer = Promise.withResolvers<boolean>()
    time.at(at + quick, () => answer.resolve(make(call, name, token, lifetime_s)))
    const isMade = await answer.promise
    await time.after(random.between(1, 40), host)
    if (!isMade) return { kind: 'unknown', reason: 'a login of this call is there already', evidence: {} }
    const more: JsonObject = from === null ? {} : { from, lease_id: `lease-${token}` }
    const evidence = { login: name, lifetime_s, place: PLACE, ...more }
    return { kind: 'done', output: { user: name, password: `given-${name}` }, evidence }
  }

  async function revoke(of: JsonObject, attempt: Attempt, host: Host): Promise<Outcome> {
    const call = attempt.id
    const isDown = profile.strikes('revoke down', 0.25)
    if (isDown) struck('revoke down', call)
    await time.after(random.between(1, 60), host)
    if (isDown && random.chance(0.5)) return { kind: 'not_sent', reason: 'connection refused' }
    const [token] = typeof of['handle'] === 'string' ? of['handle'].split(' ') : []
    if (token !== undefined) ended.add(token)
    const isLeft = (login: Login): boolean => login.owns && isGiven(login.call)
    const mine = logins.filter((login) =>
      token === undefined ? login.name === `keystay_${call.toLowerCase()}` : login.token === token,
    )
    for (const login of mine) {
      if (login.goneAt === Infinity) trace(`ware: ${login.name} is ${isLeft(login) ? 'shut' : 'dropped'}`)
      login.goneAt = Math.min(login.goneAt, time.now())
    }
    await time.after(isDown ? timeout_ms : random.between(1, 60), host)
    if (isDown) return { kind: 'unknown', reason: 'no answer in time', evidence: {} }
    if (mine.some(isLeft)) {
      return { kind: 'refused', status: 409, message: 'it owns something', evidence: { left: '1 object elsewhere' } }
    }
    return { kind: 'done', output: null, evidence: {} }
  }

  return {
    logins,
    adapter: {
      name: 'postgres',
      backend: backendSchema,
      request: requestSchema,
      connect: () => ({
        send(request, attempt) {
          const host = hostNow()
          if (host === null) throw new Error('a request of nobody')
          const { lease, revoke: revoked } = request as { lease?: JsonObject; revoke?: JsonObject }
          return lease === undefined ? revoke(revoked ?? {}, attempt, host) : lend(lease, attempt, host)
        },
      }),
    },
  }
}
