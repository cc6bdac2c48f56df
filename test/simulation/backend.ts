import { backendSchema, requestSchema } from '../../adapters/http/schema.ts'
import type { Adapter, Attempt } from '../../adapters/adapter.ts'
import type { Json, JsonObject, Outcome } from '../../gateway/core/types.ts'
import { BACKENDS } from './company.ts'
import type { BackendName } from './company.ts'
import type { Fault, Profile } from './faults.ts'
import type { Random } from './random.ts'
import { hostNow } from './time.ts'
import type { Host, Time } from './time.ts'

/** Something that happened in the world, and cannot be taken back. */
export interface Effect {
  readonly backend: BackendName
  readonly call: string
  /** Who wanted it, in the client's own words: it travels in a field of the request. */
  readonly client: string
  readonly amount: number
  readonly mode: string | null
  /** True time, ms. */
  readonly at: number
  readonly number: number
}

/** The first byte of an attempt at a write has left. */
export interface Sent {
  readonly host: Host
  readonly backend: BackendName
  readonly call: string
  readonly attempt: number
  readonly request: JsonObject
  readonly at: number
}

export interface Backends {
  readonly adapter: Adapter
  readonly effects: readonly Effect[]
  /** True time until which something of this call may still land. */
  landsUntil(call: string): number
  /** What the gateway reads about a charge; it may change at any time. */
  risky(charge: string): boolean
  flip(charge: string): void
}

export interface BackendParts {
  readonly time: Time
  readonly random: Random
  readonly profile: Profile
  readonly sent: (sent: Sent) => void
  readonly happened: (effect: Effect) => void
  readonly struck: (fault: Fault, call: string) => void
  readonly trace: (line: string) => void
}

type Answer = 'done' | 'refused' | 'unknown'

/** What one request comes to: `effect_ms` and `answer_ms` count from its first byte. */
interface Fate {
  readonly answer: Answer
  readonly reason: string
  readonly effect_ms: number | null
  readonly answer_ms: number
}

/** The backends, and the truth about them. They know nothing of gateways: a request arrives, and something happens or not. */
export function openBackends({ time, random, profile, sent, happened, struck, trace }: BackendParts): Backends {
  const effects: Effect[] = []
  const landing = new Map<string, number>()
  /** Backend key → until when it is remembered; that it was carried out once. */
  const keys = new Map<string, { until: number; done: boolean }>()
  const charges = new Map<string, boolean>()
  const risky = (charge: string): boolean => charges.get(charge) ?? false
  const spec = (name: BackendName) => BACKENDS[name]

  function fateOf(name: BackendName, call: string): Fate {
    const { timeout_ms, lands_within_ms } = spec(name)
    const quick = random.between(1, 60)
    const within = random.between(0, timeout_ms - 1)
    const afterwards = random.between(0, lands_within_ms - 1)
    const unknown = (reason: string, effect_ms: number | null, answer_ms: number): Fate => {
      return { answer: 'unknown', reason, effect_ms, answer_ms }
    }
    const fates: readonly (readonly [Fault, Fate])[] = [
      ['refused', { answer: 'refused', reason: '422', effect_ms: null, answer_ms: quick }],
      ['error, effect', unknown('500', quick, quick + 1)],
      ['error, no effect', unknown(random.pick(['500', '503', '429']), null, quick)],
      ['timeout, effect', unknown('no answer in time', within, timeout_ms)],
      ['timeout, no effect', unknown('no answer in time', null, timeout_ms)],
      ['late effect', unknown('no answer in time', timeout_ms + afterwards, timeout_ms)],
      ['reset', unknown('the connection was reset', random.chance(0.5) ? quick + afterwards : null, quick)],
      ['half answer', unknown('the answer cannot be read', quick, quick + 1)],
    ]
    const first = random.below(fates.length)
    for (const [fault, fate] of [...fates.slice(first), ...fates.slice(0, first)]) {
      if (!profile.strikes(fault, 0.22)) continue
      struck(fault, call)
      return fate
    }
    return { answer: 'done', reason: 'ok', effect_ms: quick, answer_ms: quick + random.between(1, 40) }
  }

  function land(name: BackendName, attempt: Attempt, body: JsonObject): void {
    const lives = spec(name).lives_ms
    if (lives !== null) {
      const known = keys.get(attempt.id)
      if (known !== undefined && known.until > time.now() && known.done) return
      keys.set(attempt.id, { until: known?.until ?? time.now() + lives, done: true })
    }
    const effect: Effect = {
      backend: name,
      call: String(body['call']),
      client: String(body['client']),
      amount: Number(body['amount']),
      mode: typeof body['mode'] === 'string' ? body['mode'] : null,
      at: time.now(),
      number: effects.length + 1,
    }
    effects.push(effect)
    trace(`backend ${name}: EFFECT ${effect.number} for ${effect.client} (${effect.call})`)
    happened(effect)
  }

  async function write(name: BackendName, body: JsonObject, attempt: Attempt, host: Host): Promise<Outcome> {
    const { timeout_ms, lands_within_ms } = spec(name)
    if (profile.strikes('not connected', 0.1)) {
      struck('not connected', attempt.id)
      await time.after(random.between(1, 40), host)
      return { kind: 'not_sent', reason: 'connection refused' }
    }
    const isSlow = profile.strikes('slow secret', 0.25)
    if (isSlow) struck('slow secret', attempt.id)
    await time.after(isSlow ? random.pick([300, 690, 720, 1500, 4000]) : random.between(0, 20), host)
    if (attempt.signal.aborted) return { kind: 'not_sent', reason: 'the attempt was stopped' }
    if (performance.now() >= attempt.notAfter) return { kind: 'not_sent', reason: 'the time for this attempt is over' }
    if (!attempt.permit()) return { kind: 'not_sent', reason: 'the permit is old', code: 'permit' }

    const at = time.now()
    const call = String(body['call'])
    const fate = fateOf(name, call)
    trace(`${host.name}: sends ${call} attempt ${attempt.number} to ${name} (${fate.answer}, ${fate.reason})`)
    sent({ host, backend: name, call, attempt: attempt.number, request: body, at })
    const lives = spec(name).lives_ms
    if (lives !== null && !keys.has(attempt.id)) keys.set(attempt.id, { until: at + lives, done: false })
    landing.set(call, Math.max(landing.get(call) ?? 0, at + timeout_ms + lands_within_ms))
    if (fate.effect_ms !== null) time.at(at + fate.effect_ms, () => land(name, attempt, body))
    await time.after(fate.answer_ms, host)
    const evidence = { request_id: `${name}_${attempt.number}` }
    if (fate.answer === 'refused') return { kind: 'refused', status: 422, message: 'no', evidence }
    if (fate.answer === 'unknown') return { kind: 'unknown', reason: fate.reason, evidence: {} }
    return { kind: 'done', output: { id: call, client: body['client'] ?? null }, evidence }
  }

  async function read(name: BackendName, url: URL, after: number, attempt: Attempt, host: Host): Promise<Outcome> {
    const isLookup = url.pathname === '/v1/effects'
    if (profile.strikes(isLookup ? 'lookup down' : 'facts down', 0.2)) {
      struck(isLookup ? 'lookup down' : 'facts down', attempt.id)
      await time.after(random.pick([5, spec(name).timeout_ms]), host)
      return random.chance(0.5)
        ? { kind: 'unknown', reason: 'no answer in time', evidence: {} }
        : { kind: 'not_sent', reason: 'connection refused' }
    }
    const isSlow = !isLookup && profile.strikes('facts slow', 0.15)
    if (isSlow) struck('facts slow', attempt.id)
    await time.after(random.between(1, 30), host)
    if (attempt.number > 0 && !attempt.permit())
      return { kind: 'not_sent', reason: 'the permit is old', code: 'permit' }
    const output = isLookup ? listed(name, after, attempt.id) : { risky: risky(url.pathname.split('/').at(-1) ?? '') }
    await time.after(isSlow ? random.pick([500, 1900, 2500, 8000]) : random.between(1, 30), host)
    return { kind: 'done', output, evidence: {} }
  }

  /** A backend that pays no heed to the filter: all that ever happened there, two to a page. */
  function listed(name: BackendName, after: number, call: string): Json {
    if (profile.strikes('lookup unclear', 0.2)) {
      struck('lookup unclear', call)
      return random.pick<Json>([{ data: [], has_more: true }, { error: 'try later' }, { data: 'none' }])
    }
    const all = effects.filter((effect) => effect.backend === name && effect.number > after)
    const data = all.slice(0, 2).map(({ call: of, number }) => ({ call: of, number }))
    return { data, has_more: all.length > 2 }
  }

  return {
    effects,
    landsUntil: (call) => landing.get(call) ?? 0,
    risky,
    flip: (charge) => void charges.set(charge, !risky(charge)),
    adapter: {
      name: 'http',
      backend: backendSchema,
      request: requestSchema,
      connect({ name }) {
        return {
          send(request, attempt) {
            const host = hostNow()
            if (host === null) throw new Error('a request of nobody')
            const asked = request as JsonObject
            if (typeof asked['POST'] === 'string') {
              return write(name as BackendName, asked['json'] as JsonObject, attempt, host)
            }
            const query = (asked['query'] ?? {}) as JsonObject
            const url = new URL(String(asked['GET']), 'http://backend')
            return read(name as BackendName, url, Number(query['after'] ?? 0), attempt, host)
          },
        }
      },
    },
  }
}
