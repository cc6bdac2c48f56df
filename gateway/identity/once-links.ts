import type { Policy } from '../core/types.ts'
import type { PasskeyPlace } from '../core/passkey.ts'
import type { Proven } from '../core/visit.ts'
import { allowance } from './allowance.ts'
import { devClaims } from './dev-issuer.ts'
import { sha256 } from './token.ts'
import type { Random } from './token.ts'

/** One-time sign-ins for accounts of a dev issuer; under --dev only. They live in this process and nowhere else. */
export interface OnceLinks {
  /** @returns a fresh code for the account, or null when there is no such account of people. */
  make(account: string): string | null
  /**
   * A link that takes somebody who is signed in to the name that passkeys can be bound to; for a minute. It is no new proof of
   * who they are: `auth_at` goes along.
   *
   * @returns null where there is no such name, or nobody came by a demo's account.
   */
  carry(from: { readonly proven: Proven; readonly auth_at: number | null }, next: string): string | null
  /** Where links lead beside the listener's own address; null: nowhere else. */
  place(): PasskeyPlace | null
  /** @returns who it is for, once, and when they proved it. */
  take(code: string): Taken | null
}

export interface Taken {
  readonly proven: Proven
  readonly auth_at: number | null
  readonly next: string
}

/** 30 bits are little: who asks for ones that are not there is slowed down, and these open a demo on loopback only. */
const MISSES = { burst: 20, refill_ms: 3_000 }
const SHUT_MS = 30_000
const CARRIED_MS = 60_000

interface Link {
  readonly account: string
  /** Set: it carries a sign-in on, and proves nothing new. */
  readonly carried?: { readonly auth_at: number | null; readonly next: string; readonly until: number }
}

const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

export function onceLinks(parts: {
  readonly policy: () => Policy
  readonly random: Random
  readonly monotonic: () => number
  /** ms since the epoch. */
  readonly now: () => number
  readonly place: () => PasskeyPlace | null
}): OnceLinks {
  const links = new Map<string, Link>()
  const mayMiss = allowance(MISSES, MISSES, parts.monotonic)
  let shut_until = -Infinity
  const keep = (link: Link): string => {
    const letters = [...parts.random(6)].map((byte) => LETTERS.charAt(byte % 32)).join('')
    const code = `${letters.slice(0, 4)}-${letters.slice(4)}`
    links.set(code, link)
    return code
  }
  return {
    make: (account) => (provenFor(account, parts.policy()) === null ? null : keep({ account })),
    carry({ proven, auth_at }, next) {
      const at = parts.place()
      const isDemo = provenFor(proven.subject, parts.policy())?.issuer === proven.issuer
      if (at === null || !isDemo) return null
      const carried = { auth_at, next, until: parts.monotonic() + CARRIED_MS }
      return `${at.url}/in/${keep({ account: proven.subject, carried })}`
    },
    place: parts.place,
    take(code) {
      if (parts.monotonic() < shut_until) return null
      const link = links.get(code)
      if (link === undefined) {
        // Nothing opens for a while, the right ones neither: else a search would go on.
        if (!mayMiss('all')) shut_until = parts.monotonic() + SHUT_MS
        return null
      }
      links.delete(code)
      const proven = provenFor(link.account, parts.policy())
      const { carried } = link
      if (proven === null || (carried !== undefined && parts.monotonic() > carried.until)) return null
      return carried === undefined
        ? { proven, auth_at: parts.now(), next: '/console/' }
        : { proven, auth_at: carried.auth_at, next: carried.next }
    },
  }

  function provenFor(account: string, { issuers }: Policy): Proven | null {
    for (const issuer of issuers.values()) {
      const claims = devClaims(issuer, account)
      if (claims === null || issuer.person === null) continue
      return { issuer: issuer.name, subject: account, claims, proof: `sha256:${sha256(JSON.stringify(claims))}` }
    }
    return null
  }
}
