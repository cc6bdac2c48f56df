import { randomBytes, createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'
import type { Adapter, AdapterPayload, JWK } from 'oidc-provider'

/** A certified OpenID provider on loopback: signs people in by authorization code and PKCE, workloads by their secret. */
export interface RealIssuer {
  readonly url: string
  /** Paths asked for, in order. */
  readonly asked: string[]
  /** The id token of a person, from a whole sign-in. */
  person(account: string): Promise<string>
  /** The access token (RFC 9068) of a workload, for `audience`. */
  workload(client: string, audience?: string): Promise<string>
  /** New keys; the old ones are gone, unless `keep`. */
  rotate(keep?: 'keep'): Promise<void>
  /** Who signs in from now on where the program that asks does not say. */
  as(account: string): void
  /** Connections are refused from now on. */
  stop(): Promise<void>
  /** It answers at its address again. */
  start(): Promise<void>
}

export interface Population {
  /** Claims by `sub`. */
  readonly people: { readonly [account: string]: { readonly [claim: string]: unknown } }
  /** Extra claims by client id. */
  readonly workloads: { readonly [client: string]: { readonly [claim: string]: string } }
}

const CONSOLE = 'keystay-console'
/** The same with a secret. */
export const CONFIDENTIAL = 'keystay-confidential'
const CALLBACK = 'http://127.0.0.1/callback'
/** Of the gateway itself; a native client's loopback redirects have any port (RFC 8252, section 7.3). */
const LOGIN = 'http://127.0.0.1/login/callback'

export async function realIssuer(population: Population): Promise<RealIssuer> {
  const asked: string[] = []
  let keys: JWK[] = [await newKey()]
  let provider: Provider
  let account = ''
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    // Nobody is left with half a connection when it stops.
    response.setHeader('connection', 'close')
    const uid = /^\/interaction\/(.+)$/.exec(request.url ?? '')?.[1]
    if (uid === undefined) return provider.callback()(request, response)
    interact(provider, account, request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
  })
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const begin = () => (provider = newProvider(url, keys, population))
  begin()

  return {
    url,
    asked,
    async person(account) {
      const verifier = randomBytes(32).toString('base64url')
      const query = new URLSearchParams({
        client_id: CONSOLE,
        response_type: 'code',
        redirect_uri: CALLBACK,
        scope: 'openid profile',
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        login_hint: account,
      })
      const code = await follow(`${url}/auth?${query.toString()}`)
      const form = { client_id: CONSOLE, redirect_uri: CALLBACK, code, code_verifier: verifier }
      return (await token(url, { grant_type: 'authorization_code', ...form })).id_token ?? ''
    },
    async workload(client, audience = 'keystay') {
      const form = { client_id: client, client_secret: secretOf(client), resource: `urn:audience:${audience}` }
      return (await token(url, { grant_type: 'client_credentials', ...form })).access_token ?? ''
    },
    as: (who) => void (account = who),
    async rotate(keep) {
      keys = [await newKey(), ...(keep === undefined ? [] : keys)]
      begin()
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
    start: () => listen(port),
  }
}

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { ...(await exportJWK(privateKey)), kid: randomBytes(6).toString('hex'), alg: 'ES256', use: 'sig' } as JWK
}

function newProvider(url: string, keys: JWK[], { people, workloads }: Population): Provider {
  return new Provider(url, {
    jwks: { keys },
    adapter: memory(),
    cookies: { keys: [randomBytes(16).toString('hex')] },
    clients: [
      {
        client_id: CONSOLE,
        application_type: 'native',
        redirect_uris: [CALLBACK, LOGIN],
        grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
        token_endpoint_auth_method: 'none',
        id_token_signed_response_alg: 'ES256',
      },
      {
        client_id: CONFIDENTIAL,
        client_secret: secretOf(CONFIDENTIAL),
        application_type: 'native',
        redirect_uris: [LOGIN],
        token_endpoint_auth_method: 'client_secret_basic',
        id_token_signed_response_alg: 'ES256',
      },
      ...Object.keys(workloads).map((client_id) => ({
        client_id,
        client_secret: secretOf(client_id),
        token_endpoint_auth_method: 'client_secret_post' as const,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: 'ES256' as const,
      })),
    ],
    claims: { openid: ['sub'], profile: ['name', 'groups'] },
    // Groups belong into the id token: it is all that a bearer of it brings.
    conformIdTokenClaims: false,
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub, ...people[sub] }) }),
    extraTokenClaims: (_context, { clientId }) => workloads[clientId ?? ''],
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      deviceFlow: {
        enabled: true,
        userCodeConfirmSource: (context, form) => void (context.body = form),
        successSource: (context) => void (context.body = 'done'),
      },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => ({
          scope: '',
          audience: resource.replace('urn:audience:', ''),
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    ttl: {
      AccessToken: 600,
      ClientCredentials: 600,
      IdToken: 600,
      Session: 600,
      Grant: 600,
      Interaction: 600,
      DeviceCode: 600,
    },
  })
}

/** The person says yes to everything, as whoever `login_hint` says. */
async function interact(
  provider: Provider,
  account: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { prompt, params, session } = await provider.interactionDetails(request, response)
  if (prompt.name === 'login') {
    const login = { accountId: String(params['login_hint'] ?? account) }
    return provider.interactionFinished(request, response, { login })
  }
  const grant = new provider.Grant({ accountId: session?.accountId ?? '', clientId: String(params['client_id']) })
  grant.addOIDCScope('openid profile')
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } })
}

/** What a browser does, until it is sent back with a code. */
async function follow(start: string): Promise<string> {
  const jar = new Map<string, string>()
  for (let at = start, hops = 0; hops < 10; hops++) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(at, { redirect: 'manual', headers: { cookie } })
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      jar.set(name, value)
    }
    const location = answer.headers.get('location')
    if (location === null) throw new Error(`${answer.status} ${await answer.text()}`)
    const next = new URL(location, at)
    const code = next.searchParams.get('code')
    if (code !== null) return code
    at = next.href
  }
  throw new Error('no code')
}

async function token(url: string, form: { [name: string]: string }): Promise<{ [name: string]: string | undefined }> {
  const answer = await fetch(`${url}/token`, { method: 'POST', body: new URLSearchParams(form) })
  if (answer.status !== 200) throw new Error(await answer.text())
  return (await answer.json()) as { [name: string]: string }
}

/** What the provider keeps, by model and id; nothing expires in the time of a test. */
function memory(): (model: string) => Adapter {
  const kept = new Map<string, AdapterPayload>()
  return (model) => {
    const find = (fits: (payload: AdapterPayload) => boolean) =>
      [...kept].find(([key, payload]) => key.startsWith(`${model} `) && fits(payload))?.[1]
    return {
      upsert: async (id, payload) => void kept.set(`${model} ${id}`, payload),
      find: async (id) => kept.get(`${model} ${id}`),
      findByUid: async (uid) => find((payload) => payload.uid === uid),
      findByUserCode: async (code) => find((payload) => payload.userCode === code),
      consume: async (id) => void kept.set(`${model} ${id}`, { ...kept.get(`${model} ${id}`), consumed: true }),
      destroy: async (id) => void kept.delete(`${model} ${id}`),
      revokeByGrantId: async () => {},
    }
  }
}

export function secretOf(client: string): string {
  return `not-a-secret-of-${client}`
}
