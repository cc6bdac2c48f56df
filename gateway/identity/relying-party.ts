import * as oidc from 'openid-client'
import type { Issuer, Policy } from '../core/types.ts'
import type { Proven } from '../core/visit.ts'
import { boundedFetch } from './bounded-fetch.ts'
import type { KeyRing } from './key-set.ts'
import { sha256 } from './token.ts'
import type { Random } from './token.ts'
import { REASONS, verifyToken } from './verify.ts'

/** Signs people in at their own issuers: OpenID Connect by authorization code, always with PKCE, state and nonce. */
export interface RelyingParty {
  /** Where people can sign in with a browser, in the order of identity.yaml. */
  issuers(): readonly Issuer[]
  /**
   * @returns where to send the browser, and what it keeps until it is back.
   * @throws SignInFailed.
   */
  begin(issuer: Issuer, ask: Pick<Kept, 'next' | 'again' | 'replaces'>): Promise<{ url: string; kept: Kept }>
  /** @param search the query that the browser came back with. @throws SignInFailed. */
  finish(search: string, kept: Kept): Promise<Proven>
}

/** What only the browser that began has: state, nonce and PKCE's verifier all come from its secret. */
export interface Kept {
  readonly issuer: string
  /** 256 bits. */
  readonly secret: string
  /** When it began, ms. */
  readonly at: number
  /** Where the person was going: a path of ours. */
  readonly next: string
  /** The issuer must have asked for credentials anew. */
  readonly again: boolean
  /** The visit that ends with this sign-in: on the way back from another site the browser keeps a strict cookie to itself. */
  readonly replaces: string | null
}

/** `away`: the issuer cannot be reached. `refused`: its answer is none that a sign-in can stand on. `said_no`: it says no. */
export class SignInFailed extends Error {
  override readonly name = 'SignInFailed'
  readonly why: 'away' | 'refused' | 'said_no'
  constructor(why: SignInFailed['why'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.why = why
  }
}

export interface PartyParts {
  readonly policy: () => Policy
  readonly keys: KeyRing
  /** ms since the epoch. */
  readonly now: () => number
  /** ms since any moment. */
  readonly monotonic: () => number
  readonly random: Random
  readonly callback: () => string
  /** How this gateway proves itself to the issuer; of public clients not at all. */
  readonly clientAuth: (issuer: Issuer) => Promise<oidc.ClientAuth>
}

/** From the issuer's page back to ours. */
export const BEGUN_MS = 10 * 60_000
const TOLERANCE_MS = 30_000
const DISCOVERED_MS = 10 * 60_000
const AWAY_MS = 2_000
export const SCOPE = 'openid profile email'

export function relyingParty(parts: PartyParts): RelyingParty {
  const { policy, now, random, callback } = parts
  const discovered = new Map<string, { readonly metadata: Promise<oidc.ServerMetadata>; readonly until: number }>()

  const metadataOf = (url: string): Promise<oidc.ServerMetadata> => {
    const known = discovered.get(url)
    if (known !== undefined && parts.monotonic() < known.until) return known.metadata
    const metadata = discoverIssuer(url)
    discovered.set(url, { metadata, until: parts.monotonic() + DISCOVERED_MS })
    // Whoever opens the page asks: an issuer that is away is not asked by each of them.
    metadata.catch(() => discovered.set(url, { metadata, until: parts.monotonic() + AWAY_MS }))
    return metadata
  }
  const configOf = async (issuer: Issuer): Promise<oidc.Configuration> => {
    const url = issuer.keys.kind === 'oidc' ? issuer.keys.issuer : ''
    const config = new oidc.Configuration(
      await metadataOf(url),
      issuer.client_id ?? '',
      { [oidc.clockTolerance]: TOLERANCE_MS / 1000 },
      await parts.clientAuth(issuer),
    )
    return bounded(config, url)
  }

  return {
    issuers: () => [...policy().issuers.values()].filter(signsPeopleIn),
    async begin(issuer, { next, again, replaces }) {
      const secret = Buffer.from(random(32)).toString('base64url')
      const config = await configOf(issuer).catch(failed)
      const url = oidc.buildAuthorizationUrl(config, {
        redirect_uri: callback(),
        scope: issuer.scope ?? SCOPE,
        state: derived('state', secret),
        nonce: derived('nonce', secret),
        code_challenge: await oidc.calculatePKCECodeChallenge(derived('verifier', secret)),
        code_challenge_method: 'S256',
        ...(again ? { prompt: 'login', max_age: '0' } : {}),
      })
      return { url: url.href, kept: { issuer: issuer.name, secret, at: now(), next, again, replaces } }
    },
    async finish(search, { issuer: name, secret, at, again }) {
      if (now() - at > BEGUN_MS) throw new SignInFailed('refused', 'It took longer than ten minutes.')
      const { issuers } = policy()
      const issuer = issuers.get(name)
      if (issuer === undefined || !signsPeopleIn(issuer))
        throw new SignInFailed('refused', 'Nobody signs in there any more.')
      const config = await configOf(issuer).catch(failed)
      const checks = {
        expectedState: derived('state', secret),
        expectedNonce: derived('nonce', secret),
        pkceCodeVerifier: derived('verifier', secret),
        idTokenExpected: true,
      }
      const tokens = await oidc.authorizationCodeGrant(config, new URL(`${callback()}${search}`), checks).catch(failed)
      // That it answers this sign-in (state, nonce, verifier) is known now. What it says counts as the one verifier of every
      // token reads it, signature and algorithm included.
      const verified = await verifyToken(tokens.id_token ?? '', new Map([[name, issuer]]), {
        now: now(),
        keys: parts.keys,
      })
      if (!verified.ok && verified.reason === 'keys_unavailable')
        throw new SignInFailed('away', 'Its keys cannot be fetched.')
      if (!verified.ok) throw new SignInFailed('refused', `Its token is refused: ${REASONS[verified.reason]}.`)
      const { claims, subject, proof } = verified
      if (again && !(authAt(claims['auth_time']) >= at - TOLERANCE_MS))
        throw new SignInFailed('refused', 'It did not ask for your credentials again.')
      return { issuer: name, subject, claims, proof }
    },
  }
}

/** People come to it with a browser: it is an OpenID issuer of people at which this gateway is a client. */
export function signsPeopleIn({ person, keys, client_id }: Issuer): boolean {
  return person !== null && keys.kind === 'oidc' && client_id != null
}

/** `auth_time` in ms; NaN where the token does not say. */
export function authAt(claim: unknown): number {
  return typeof claim === 'number' ? claim * 1000 : Number.NaN
}

async function discoverIssuer(url: string): Promise<oidc.ServerMetadata> {
  const insecure = isPlain(url) ? [oidc.allowInsecureRequests] : []
  const config = await oidc.discovery(new URL(url), 'discovery', undefined, oidc.None(), {
    execute: insecure,
    [oidc.customFetch]: boundedFetch,
  })
  return config.serverMetadata()
}

/** identity.yaml lets plain http: be for loopback only. */
function isPlain(url: string): boolean {
  return url.startsWith('http:')
}

function bounded(config: oidc.Configuration, url: string): oidc.Configuration {
  config[oidc.customFetch] = boundedFetch
  if (isPlain(url)) oidc.allowInsecureRequests(config)
  return config
}

/** One way only: none of the three tells another, or the secret. */
function derived(what: 'state' | 'nonce' | 'verifier', secret: string): string {
  return Buffer.from(sha256(`${what} ${secret}`), 'hex').toString('base64url')
}

/** Of what went wrong the person hears a sentence of ours; the issuer's own words stay inside. */
function failed(cause: unknown): never {
  if (cause instanceof SignInFailed) throw cause
  if (cause instanceof oidc.AuthorizationResponseError)
    throw new SignInFailed('said_no', 'It did not sign you in.', { cause })
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const ours = cause instanceof oidc.ResponseBodyError || /^OAUTH_(?!.*TIMEOUT)/.test(code)
  if (ours) throw new SignInFailed('refused', 'Its answer does not fit what this browser began.', { cause })
  throw new SignInFailed('away', 'It cannot be reached now.', { cause })
}
