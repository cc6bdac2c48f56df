import type { Role } from '../core/types.ts'
import type { Consent, Proven } from '../core/visit.ts'
import { admits } from './admits.ts'
import { allowance } from './allowance.ts'
import type { AuthorizeRequest } from './authorize-request.ts'
import { readClient } from './client-request.ts'
import { consentGrant, POLL_MS, principalFor } from './consent-grants.ts'
import type { ConsentParts } from './consent-grants.ts'
import type { From, OAuthAnswer } from './exchange.ts'
import { oauthError } from './oauth-error.ts'
import type { OAuthError } from './oauth-error.ts'
import { sha256 } from './token.ts'
import { newUserCode, userCodeHash } from './user-code.ts'
import type { Visitor } from './visits.ts'

/** What RFC 8628, section 3.2, answers. */
export interface DeviceBody {
  readonly device_code: string
  readonly user_code: string
  readonly verification_uri: string
  readonly verification_uri_complete: string
  /** Seconds. */
  readonly expires_in: number
  readonly interval: number
}

/** Programs that a person lets hold a role as them, by device flow (RFC 8628) or authorization code (RFC 6749, RFC 7636). */
export interface Consents {
  /** RFC 8628, section 3.1. */
  askDevice(form: ReadonlyMap<string, string>, from: From): Promise<OAuthAnswer<DeviceBody>>
  /** The token endpoint's two grants that end in a consent. */
  token(form: ReadonlyMap<string, string>, from: From): Promise<OAuthAnswer>
  /** What this user code asks for. `none`: nothing, or not any more. `too_many`: this person guesses. */
  look(visitor: Visitor, typed: string): Promise<Consent | 'none' | 'too_many'>
  /** The role, where the policy gives it to this person. */
  mayHold(visitor: Visitor, role: string): Role | null
  /** `not_eligible`: the policy gives this person no such role; somebody else may still say yes. */
  decide(visitor: Visitor, consent: Consent, yes: boolean): Promise<'done' | 'over' | 'not_eligible'>
  /** A yes to an authorization request. @returns the code, once; null where the policy gives this person no such role. */
  give(visitor: Visitor, request: AuthorizeRequest): Promise<string | null>
  /** A no to it. */
  refuse(visitor: Visitor, request: AuthorizeRequest): Promise<void>
}

const DEVICE_LIFE_MS = 600_000
const CODE_LIFE_MS = 60_000
/** Whoever asks proves nothing: what may wait for people in ten minutes is bounded, for each source and for all. */
const EACH_SOURCE = { burst: 60, refill_ms: 1_000 }
const ALL_SOURCES = { burst: 600, refill_ms: 100 }
/** Wrong user codes of one person: a typing error now and then, never a search. */
const EACH_PERSON = { burst: 10, refill_ms: 60_000 }
const ALL_PEOPLE = { burst: 200, refill_ms: 1_000 }

export function consents(parts: ConsentParts): Consents {
  const { store, now, random, policy } = parts
  const mayAsk = allowance(EACH_SOURCE, ALL_SOURCES, parts.monotonic)
  const mayMiss = allowance(EACH_PERSON, ALL_PEOPLE, parts.monotonic)
  const tooMany = new Set<string>()

  const roleFor = (by: Proven, name: string): Role | null => {
    const { roles, issuers } = policy()
    const [role, issuer] = [roles.get(name), issuers.get(by.issuer)]
    if (role === undefined || issuer === undefined) return null
    return admits(policy(), role, issuer, by.claims) === null ? null : role
  }
  const denied = (role: string, by: Proven, reason: string, client: string) => {
    const principal = principalFor(by, policy())
    return store.write({ op: 'session.deny', role, principal, issuer: by.issuer, reason, client })
  }

  return {
    async askDevice(form, from) {
      const bad = (error: OAuthError): OAuthAnswer<never> => {
        from.refused(error.error)
        return { status: 400, body: error }
      }
      const asked = readClient(form, parts.agentUrl())
      if ('error' in asked) return bad(asked)
      if (!mayAsk(from.source)) {
        from.refused('temporarily_unavailable')
        const body = oauthError('temporarily_unavailable', 'Too many programs ask from there. Ask again later.')
        return { status: 503, body, retry_after: 5 }
      }
      const device_code = Buffer.from(random(32)).toString('base64url')
      for (let tries = 0; tries < 5; tries++) {
        const user_code = newUserCode(random)
        const result = await store.write({
          op: 'consent.ask',
          consent: {
            id: sha256(device_code),
            user_code: userCodeHash(user_code),
            client: asked.client,
            role: asked.role,
            source: from.source,
            bound: null,
            interval_ms: POLL_MS,
            state: 'asked',
            given_by: null,
          },
          lifetime_ms: DEVICE_LIFE_MS,
        })
        if (result.kind === 'again') continue
        const verification_uri = `${parts.adminUrl().replace(/\/+$/, '')}/device`
        const body: DeviceBody = {
          device_code,
          user_code,
          verification_uri,
          verification_uri_complete: `${verification_uri}?user_code=${user_code}`,
          expires_in: DEVICE_LIFE_MS / 1000,
          interval: POLL_MS / 1000,
        }
        return { status: 200, body }
      }
      throw new Error('five user codes in a row are in use')
    },

    token: (form, from) => consentGrant(form, from, parts),

    async look({ person }, typed) {
      // Who has used up the misses is told no even for a code that is right: else guessing would go on.
      if (tooMany.has(person.id)) {
        if (!mayMiss(person.id)) return 'too_many'
        tooMany.delete(person.id)
      }
      const user_code = userCodeHash(typed)
      const found = user_code === null ? null : await store.consent({ user_code })
      if (found !== null && found.state === 'asked' && found.expires_at > now()) return found
      if (mayMiss(person.id)) return 'none'
      if (tooMany.size >= 10_000) tooMany.clear()
      tooMany.add(person.id)
      return 'too_many'
    },

    mayHold: ({ proven }, role) => roleFor(proven, role),

    async decide({ proven }, consent, yes) {
      if (yes && roleFor(proven, consent.role) === null) {
        await denied(consent.role, proven, 'not eligible', consent.client)
        return 'not_eligible'
      }
      const principal = principalFor(proven, policy())
      const decided = await store.write({ op: 'consent.decide', consent: consent.id, yes, by: proven, principal })
      return decided.kind === 'ok' ? 'done' : 'over'
    },

    async give({ proven }, { client, role, redirect_uri, challenge }) {
      if (roleFor(proven, role) === null) {
        await denied(role, proven, 'not eligible', client)
        return null
      }
      const code = Buffer.from(random(32)).toString('base64url')
      await store.write({
        op: 'consent.ask',
        consent: {
          id: sha256(code),
          user_code: null,
          client,
          role,
          source: null,
          bound: { redirect_uri, challenge },
          interval_ms: POLL_MS,
          state: 'given',
          given_by: proven,
        },
        lifetime_ms: CODE_LIFE_MS,
      })
      return code
    },

    async refuse({ proven }, { role, client }) {
      await denied(role, proven, 'the person refused', client)
    },
  }
}
