import type { Policy } from '../core/types.ts'
import { consents } from './consents.ts'
import type { Consents } from './consents.ts'
import { keyRing } from './key-set.ts'
import { onceLinks } from './once-links.ts'
import type { OnceLinks } from './once-links.ts'
import { relyingParty, signsPeopleIn } from './relying-party.ts'
import type { PartyParts, RelyingParty } from './relying-party.ts'
import type { DevIssuer } from './dev-issuer.ts'
import type { SignInStore } from './session-store.ts'
import type { Random } from './token.ts'
import { unprovenEntries } from './unproven.ts'
import { visits } from './visits.ts'
import { passkeyPlace } from './webauthn.ts'
import type { Visits } from './visits.ts'

/** People in browsers, and what they let programs do. */
export interface SignIn {
  readonly party: RelyingParty
  readonly visits: Visits
  readonly consents: Consents
  /** null outside --dev. */
  readonly links: OnceLinks | null
  /** Whether there is anybody who could come: what nobody can decide is not offered. */
  offered(): boolean
}

export interface SignInParts {
  readonly store: SignInStore
  readonly policy: () => Policy
  readonly now: () => number
  readonly monotonic: () => number
  readonly random: Random
  readonly newSessionId: () => string
  /** null unless under --dev. */
  readonly dev: DevIssuer | null
  readonly agentUrl: () => string
  readonly adminUrl: () => string
  readonly clientAuth: PartyParts['clientAuth']
}

export function signIn(parts: SignInParts): SignIn {
  const { policy, monotonic, dev, adminUrl } = parts
  const keys = keyRing({ dev: dev?.jwks ?? null, monotonic })
  return {
    party: relyingParty({ ...parts, keys, callback: () => `${adminUrl().replace(/\/+$/, '')}/login/callback` }),
    visits: visits({ ...parts, dev: dev !== null }),
    consents: consents({ ...parts, unprovenEntry: unprovenEntries(monotonic) }),
    links: dev === null ? null : onceLinks({ ...parts, place: () => passkeyPlace(adminUrl(), true) }),
    offered: () =>
      [...policy().issuers.values()].some((issuer) => {
        return signsPeopleIn(issuer) || (dev !== null && issuer.keys.kind === 'dev' && issuer.person !== null)
      }),
  }
}
