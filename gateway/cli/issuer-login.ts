import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Configuration } from 'openid-client'
import { addressOf, askFor } from './ask.ts'
import { EXIT, Failure } from './exit.ts'
import { screen } from './print.ts'
import { visible } from './visible.ts'

/** Where and how to sign in. */
export interface IssuerOptions {
  readonly adminUrl: string
  /** Its name in identity.yaml, where there are several. */
  readonly issuer?: string
  /** On another screen than this one (RFC 8628). */
  readonly device?: boolean
}

interface PeopleIssuer {
  readonly name: string
  readonly issuer: string
  readonly client_id: string
  readonly scope: string
  readonly public: boolean
}

/** As long as most issuers leave a sign-in open. */
const PATIENCE_MS = 10 * 60_000

/**
 * Signs a person in at their company's own issuer: in a browser, by authorization code with PKCE and an address on loopback
 * (RFC 8252), or with `--device` on whatever screen they have.
 *
 * @returns their ID token, which the gateway takes as a bearer.
 * @throws Failure.
 */
export async function issuerToken(options: IssuerOptions): Promise<string> {
  const issuer = await chosen(options)
  // Only this verb needs it; the others start faster without.
  const oidc = await import('openid-client')
  const url = addressOf(issuer.issuer, '')
  const insecure = url.protocol === 'http:' ? [oidc.allowInsecureRequests] : []
  const fault = (error: unknown): never => {
    if (error instanceof Failure) throw error
    const code = (error as { error?: string; code?: string } | null)?.error ?? (error as { code?: string } | null)?.code
    const why = error instanceof Error ? visible(error.message) : 'it failed'
    const denied = code === 'access_denied' || code === 'expired_token'
    throw new Failure(denied ? EXIT.denied : EXIT.unreachable, `${issuer.issuer} did not sign you in: ${why}.`)
  }
  const config = await oidc
    .discovery(new URL(issuer.issuer), issuer.client_id, undefined, oidc.None(), { execute: insecure })
    .catch(fault)
  const token = await (options.device ? byDevice(config, issuer) : byBrowser(config, issuer)).catch(fault)
  if (token === undefined)
    throw new Failure(
      EXIT.check_failed,
      `${issuer.issuer} gave no ID token. Ask for the scope openid in identity.yaml.`,
    )
  return token
}

async function chosen({ adminUrl, issuer }: IssuerOptions): Promise<PeopleIssuer> {
  const { issuers } = await askFor<{ issuers: PeopleIssuer[] }>(adminUrl, '/login/issuers')
  const open = issuers.filter((one) => one.public)
  const found =
    issuer === undefined ? (open.length === 1 ? open[0] : undefined) : open.find(({ name }) => name === issuer)
  if (found !== undefined) return found
  const names = open.map(({ name }) => visible(name)).join(', ')
  const how =
    'Say who you are: --token-file FILE or KEYSTAY_PERSON_TOKEN; with a gateway in --dev also --as ACCOUNT, for example --as dana.'
  throw new Failure(
    EXIT.usage,
    open.length === 0
      ? `No issuer of this gateway signs people in at a terminal. ${how}`
      : `Say at which issuer: --issuer NAME, one of ${names}.`,
  )
}

async function byDevice(config: Configuration, { scope }: PeopleIssuer): Promise<string | undefined> {
  const oidc = await import('openid-client')
  const asked = await oidc.initiateDeviceAuthorization(config, { scope })
  screen.err(`Open ${visible(asked.verification_uri)} and type ${visible(asked.user_code)}\n`)
  const signal = AbortSignal.timeout(PATIENCE_MS)
  return (await oidc.pollDeviceAuthorizationGrant(config, asked, undefined, { signal })).id_token
}

async function byBrowser(config: Configuration, { scope }: PeopleIssuer): Promise<string | undefined> {
  const oidc = await import('openid-client')
  const [state, nonce, verifier] = [oidc.randomState(), oidc.randomNonce(), oidc.randomPKCECodeVerifier()]
  const back = await listen()
  try {
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri: back.url,
      scope,
      state,
      nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    })
    screen.err(`Open this address in your browser:\n${url.href}\n`)
    const { came, say } = await back.until((search) => search.get('state') === state)
    const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true }
    try {
      const { id_token } = await oidc.authorizationCodeGrant(config, came, checks)
      say('You are signed in. You can close this page and go back to the terminal.')
      return id_token
    } catch (error) {
      say('You are not signed in. The terminal says why.')
      throw error
    }
  } finally {
    back.close()
  }
}

/** An address on this machine that hears one answer. Whatever does not fit goes by: others may knock too. */
async function listen() {
  const hears: { fits: (search: URLSearchParams) => boolean; tell: (came: URL, response: ServerResponse) => void }[] =
    []
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const came = URL.parse(request.url ?? '', `http://127.0.0.1:${port}`)
    const hear = hears[0]
    if (request.method !== 'GET' || came?.pathname !== '/callback' || !hear?.fits(came.searchParams))
      return answer(response, 404, 'Nothing is here.')
    hears.shift()
    hear.tell(came, response)
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/callback`,
    until: (fits: (search: URLSearchParams) => boolean) =>
      new Promise<{ came: URL; say: (text: string) => void }>((resolve, reject) => {
        const late = setTimeout(
          () => reject(new Failure(EXIT.denied, 'Nobody signed in within ten minutes.')),
          PATIENCE_MS,
        )
        hears.push({
          fits,
          tell(came, response) {
            clearTimeout(late)
            resolve({ came, say: (text) => answer(response, 200, text) })
          },
        })
      }),
    close() {
      server.close()
      server.closeIdleConnections()
    },
  }
}

function answer(response: ServerResponse, status: number, text: string): void {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', connection: 'close' }
  response.writeHead(status, { ...headers, 'x-content-type-options': 'nosniff' }).end(`${text}\n`)
}
