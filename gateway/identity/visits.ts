import type { Person, Policy } from '../core/types.ts'
import { freshUntil } from '../core/visit.ts'
import type { Proven, Visit } from '../core/visit.ts'
import { personOf } from './person.ts'
import { authAt } from './relying-party.ts'
import type { SignInStore } from './session-store.ts'
import { sha256 } from './token.ts'
import type { Random } from './token.ts'

/** People in browsers. The browser has the cookie; the store has its hash, what the issuer proved, and the times. */
export interface Visits {
  /**
   * @param auth_at when they proved who they are, where the token does not say.
   * @param replaces the visit that the browser was in before: it ends, so that nobody goes on in one that was put there.
   * @returns the new cookie's value, or null where the token names no person.
   */
  open(proven: Proven, by: 'issuer' | 'link', replaces: string | null, auth_at?: number | null): Promise<string | null>
  /** The visit that a cookie stands for, by its hash, whether or not there is one. */
  idOf(cookie: string | null): string | null
  /** Who comes with this cookie, with the groups that the policy of now gives them; null when nobody does. */
  find(cookie: string): Promise<Visitor | null>
  end(cookie: string): Promise<void>
}

export interface Visitor {
  readonly person: Person
  readonly proven: Proven
  /** When the issuer last asked for their credentials, ms; null where it does not say. */
  readonly auth_at: number | null
  /** The hash of their cookie. */
  readonly visit: string
  /** Until when they count as having proved just now who they are, ms. */
  readonly fresh_until: number
  readonly expires_at: number
  /** What a page of ours says with each change, and a page of nobody else knows. */
  readonly csrf: string
}

export interface VisitParts {
  readonly store: SignInStore
  readonly policy: () => Policy
  /** ms since the epoch. */
  readonly now: () => number
  readonly random: Random
  /** Whether issuers `{ dev: true }` count. */
  readonly dev: boolean
}

/** However busy: what the issuer said is no truer than that. */
const LIFETIME_MS = 8 * 3_600_000
/** Without a request. */
const IDLE_MS = 30 * 60_000
/** So often a request is worth a write. */
const SEEN_MS = 60_000

export function visits(parts: VisitParts): Visits {
  const { store, now, random } = parts
  const personFor = ({ issuer: name, claims }: Proven): Person | null => {
    const { issuers, groups } = parts.policy()
    const issuer = issuers.get(name)
    // The name may have become that of another issuer, which never proved this.
    if (issuer === undefined || claims['iss'] !== issuer.issuer) return null
    return issuer.keys.kind === 'dev' && !parts.dev ? null : personOf(issuer, claims, groups)
  }
  const isLive = ({ seen_at, expires_at }: Visit): boolean => now() < Math.min(expires_at, seen_at + IDLE_MS)

  return {
    async open(proven, by, replaces, auth_at = null) {
      const person = personFor(proven)
      if (person === null) return null
      const cookie = Buffer.from(random(32)).toString('base64url')
      const at = authAt(proven.claims['auth_time'])
      await store.write({
        op: 'visit.open',
        visit: { id: sha256(cookie), proven, auth_at: Number.isNaN(at) ? auth_at : at },
        lifetime_ms: LIFETIME_MS,
        person: person.id,
        by,
        replaces,
      })
      return cookie
    },
    idOf: (cookie) => (cookie !== null && SHAPE.test(cookie) ? sha256(cookie) : null),
    async find(cookie) {
      const visit = SHAPE.test(cookie) ? await store.visit(sha256(cookie)) : null
      if (visit === null || !isLive(visit)) return null
      const person = personFor(visit.proven)
      if (person === null) return null
      // While nothing can be written people can still look; what they decide is written anyway.
      if (now() - visit.seen_at > SEEN_MS) await store.write({ op: 'visit.use', visit: visit.id }).catch(() => {})
      const { proven, auth_at, expires_at } = visit
      const own = { visit: visit.id, fresh_until: freshUntil(visit), csrf: sha256(`csrf ${cookie}`) }
      return { person, proven, auth_at, expires_at, ...own }
    },
    async end(cookie) {
      if (SHAPE.test(cookie)) await store.write({ op: 'visit.end', visit: sha256(cookie) })
    },
  }
}

const SHAPE = /^[A-Za-z0-9_-]{43}$/
