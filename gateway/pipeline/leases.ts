import type { Settle } from '../core/operations.ts'
import type { Call, JsonObject, Outcome } from '../core/types.ts'

/**
 * What this process knows of leases and no store keeps: who is there to be given a login, and which ones are being
 * revoked. All of it may be lost at any moment: a login that nobody has is revoked by its call, any other by its session.
 */
export interface Leases {
  /** A request has begun this call and waits for its login. */
  expect(call: string): Hand
  isExpected(call: string): boolean
  /** To whoever waits; where nobody does any more it is revoked. */
  give(call: string, login: JsonObject): void
  /** Issued, and nobody was there. */
  readonly untaken: Set<string>
  /** By call: logins that must go. */
  readonly ending: Map<string, Ending>
  /** The last look found some that stand. */
  standing: boolean
  /** Something has just ended that leases may hang on. */
  hurry(): void
  onHurry(listener: () => void): void
}

/** The one place where the password of a login is, between the server that made it and the answer. */
export interface Hand {
  /** The login, once. */
  take(): JsonObject | null
  close(): void
}

export interface Ending {
  readonly tries: number
  /** Monotonic ms. */
  readonly next_at: number
  readonly reason: string | null
}

export function leases(): Leases {
  const hands = new Map<string, { login: JsonObject | null }>()
  let hurried: () => void = () => {}
  const all: Leases = {
    untaken: new Set(),
    ending: new Map(),
    standing: true,
    expect(call) {
      const hand: { login: JsonObject | null } = { login: null }
      hands.set(call, hand)
      return {
        take() {
          const { login } = hand
          hand.login = null
          return login
        },
        close() {
          hands.delete(call)
          if (hand.login !== null) left(call)
          hand.login = null
        },
      }
    },
    isExpected: (call) => hands.has(call),
    give(call, login) {
      const hand = hands.get(call)
      if (hand === undefined) left(call)
      else hand.login = login
    },
    hurry: () => hurried(),
    onHurry: (listener) => void (hurried = listener),
  }
  const left = (call: string): void => {
    all.untaken.add(call)
    all.hurry()
  }
  return all
}

/**
 * What is written down of a login that was made: everything but the password. Where nobody waits for it any more it is
 * in doubt at once, which is resolved by revoking it.
 */
export function lent(
  { leases }: { readonly leases: Leases },
  call: Call,
  outcome: Outcome,
): { readonly outcome: Outcome; readonly login: JsonObject | null; readonly lease?: NonNullable<Settle['lease']> } {
  if (call.effect !== 'lease' || outcome.kind !== 'done') return { outcome, login: null }
  const { evidence } = outcome
  if (!leases.isExpected(call.id)) {
    const reason = 'the login was made, and nobody was there any more to be given it'
    return { outcome: { kind: 'unknown', reason, evidence }, login: null }
  }
  const output = outcome.output as JsonObject
  const text = (name: string): string | null => (typeof evidence[name] === 'string' ? evidence[name] : null)
  const lease = {
    login: text('login') ?? '',
    place: text('place') ?? '',
    from: text('from'),
    lease_id: text('lease_id'),
    lifetime_ms: Number(evidence['lifetime_s']) * 1000,
  }
  return { outcome: { ...outcome, output: null }, login: output, lease }
}
