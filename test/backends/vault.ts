import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

/** One request as it came, for whoever compares it with Vault's published API. */
export interface VaultRequest {
  readonly method: string
  /** Without `/v1/`. */
  readonly path: string
  readonly body: { readonly [name: string]: unknown } | null
  readonly headers: IncomingHttpHeaders
}

export interface VaultLease {
  readonly id: string
  readonly username: string
  readonly password: string
  readonly role: string
  /** Of the token that asked for it, with which it dies. */
  readonly token: string
  renewals: number
  ends_at: number
  readonly last_at: number
}

interface Token {
  readonly value: string
  readonly lives_ms: number
  readonly last_at: number
  readonly renewable: boolean
  readonly accessor?: string
  /** With which it dies; null: with none. */
  readonly parent?: string | null
  readonly display_name?: string
  ends_at: number
}

/** What a test makes of the next requests; true: it has answered. */
type Lie = (request: VaultRequest, response: ServerResponse) => boolean

export interface FakeVault {
  readonly url: string
  readonly requests: readonly VaultRequest[]
  /** The leases that stand. */
  readonly leases: readonly VaultLease[]
  /** A new version of a KV secret; null deletes the newest. */
  put(path: string, fields: { readonly [name: string]: unknown } | null): void
  /** A token of the operator's. */
  issue(token: Partial<Token> & { readonly value: string }): void
  revoke(token: string): void
  readonly tokens: readonly string[]
  /** Until `honest()`. */
  lie(lie: Lie): void
  sealed(yes: boolean): void
  honest(): void
  close(): Promise<void>
  listen(): Promise<void>
}

export interface VaultOptions {
  /** ms; what is leased ends by it. */
  readonly now?: () => number
  readonly namespace?: string
  readonly tls?: { readonly cert: string; readonly key: string }
  /** Of the tokens that logins give, and the end of all their renewals. */
  readonly token_ms?: number
  readonly tokenLast_ms?: number
  readonly lease_ms?: number
  readonly leaseLast_ms?: number
  /** Who may sign in. */
  readonly approle?: { role_id: string; secret_id: string }
  readonly kubernetes?: { role: string; jwt: () => string }
  readonly password?: (number: number) => string
}

export const ROOT = 'hvs.fake-root-token-of-the-tests'

/**
 * A Vault of the tests: KV version 2 under any mount, `MOUNT/creds/ROLE` with leases, tokens, AppRole, Kubernetes and JWT
 * logins, leases renewed and revoked, sealed on demand. Statuses and bodies are those of Vault 1.15's documentation; a
 * foreign client reads it too (vault-witness.test.ts). As in Vault, a lease dies with the token that asked for it.
 */
export async function startVault(options: VaultOptions = {}): Promise<FakeVault> {
  const now = options.now ?? Date.now
  const requests: VaultRequest[] = []
  const kv = new Map<string, ({ readonly [name: string]: unknown } | null)[]>()
  const tokens = new Map<string, Token>()
  const leases = new Map<string, VaultLease>()
  let made = 0
  let lie: Lie = () => false
  let sealed = false

  const issue = (token: Partial<Token> & { readonly value: string }): Token => {
    const lives_ms = token.lives_ms ?? Infinity
    const one = { lives_ms, last_at: Infinity, renewable: false, ends_at: now() + lives_ms, ...token }
    tokens.set(one.value, one)
    return one
  }
  issue({ value: ROOT })
  const living = (value: unknown): Token | null => {
    const token = typeof value === 'string' ? tokens.get(value) : undefined
    if (token === undefined || now() >= token.ends_at) return null
    return token.parent == null || living(token.parent) !== null ? token : null
  }
  const standing = (): VaultLease[] =>
    [...leases.values()].filter((lease) => now() < lease.ends_at && living(lease.token) !== null)
  const extended = (one: { ends_at: number; readonly last_at: number }, by_ms: number): number => {
    one.ends_at = Math.min(now() + by_ms, one.last_at)
    return seconds(one.ends_at - now())
  }
  const login = (): Reply => {
    const lives_ms = options.token_ms ?? 3_600_000
    const last_at = now() + (options.tokenLast_ms ?? Infinity)
    const token = issue({ value: `hvs.fake-login-token-${++made}-of-the-tests`, lives_ms, last_at, renewable: true })
    return authOf(token, seconds(lives_ms))
  }

  const answer = (request: VaultRequest): Reply => {
    const { method, path, body, headers } = request
    const [first, second, third, ...rest] = path.split('/')
    if (path === 'sys/health' || path === 'sys/seal-status') {
      return {
        status: path === 'sys/health' && sealed ? 503 : 200,
        body: { initialized: true, sealed, standby: false },
      }
    }
    if (sealed) return errors(503, 'Vault is sealed')
    if (options.namespace !== undefined && headers['x-vault-namespace'] !== options.namespace) {
      return errors(404, 'no handler for route')
    }
    const isWrite = method === 'POST' || method === 'PUT'
    if (first === 'auth' && third === 'login' && isWrite) {
      const { approle, kubernetes } = options
      const byRole = approle && body?.['role_id'] === approle.role_id && body['secret_id'] === approle.secret_id
      const byProof = kubernetes && body?.['role'] === kubernetes.role && body['jwt'] === kubernetes.jwt()
      if ((second === 'approle' && byRole) || (second !== 'approle' && byProof)) return login()
      return second === 'approle' ? errors(400, 'invalid role or secret ID') : errors(403, 'permission denied')
    }
    const token = living(headers['x-vault-token'])
    if (token === null) return errors(403, 'permission denied', 'invalid token')
    if (path === 'auth/token/lookup-self') {
      const ttl = token.ends_at === Infinity ? 0 : seconds(token.ends_at - now())
      return {
        status: 200,
        body: { data: { id: token.value, ttl, renewable: token.renewable, policies: ['default'] } },
      }
    }
    if (path === 'auth/token/renew-self' && isWrite) {
      return token.renewable ? authOf(token, extended(token, token.lives_ms)) : errors(400, 'lease is not renewable')
    }
    if (/^auth\/token\/create(\/[^/]+)?$/.test(path) && isWrite) {
      const lives_ms = Number(/^(\d+)s$/.exec(String(body?.['ttl']))?.[1] ?? NaN) * 1000
      const number = ++made
      const child = issue({
        value: `hvs.fake-child-token-${number}-of-the-tests`,
        accessor: `accessor-${number}`,
        // A token role makes orphans, which outlive who asked for them.
        parent: path === 'auth/token/create' ? token.value : null,
        lives_ms,
        display_name: String(body?.['display_name']),
      })
      return authOf(child, seconds(lives_ms))
    }
    if (path === 'auth/token/revoke-accessor' && isWrite) {
      const found = [...tokens.values()].find(({ accessor }) => accessor === body?.['accessor'])
      if (found === undefined) return errors(400, '1 error occurred:\n\t* invalid accessor\n\n')
      tokens.delete(found.value)
      return { status: 204, body: null }
    }
    if (path === 'auth/token/revoke-self' && isWrite) {
      tokens.delete(token.value)
      return { status: 204, body: null }
    }
    const lease = standing().find(({ id }) => id === body?.['lease_id'])
    if (path === 'sys/leases/renew' && isWrite) {
      if (lease === undefined) return errors(400, 'lease not found')
      lease.renewals++
      const lease_duration = extended(lease, options.lease_ms ?? 3_600_000)
      return { status: 200, body: { lease_id: lease.id, lease_duration, renewable: true, data: null } }
    }
    if (path === 'sys/leases/revoke' && isWrite) {
      if (lease !== undefined) leases.delete(lease.id)
      return { status: 204, body: null }
    }
    if (second === 'creds' && third !== undefined && rest.length === 0 && method === 'GET') {
      if (third === 'forbidden') return errors(403, '1 error occurred:\n\t* permission denied\n\n')
      return leaseOf(third, token.value)
    }
    const at = path.indexOf('/data/')
    if (at > 0) return secret(`${path.slice(0, at)}/${path.slice(at + 6)}`, method, body)
    return errors(404)
  }
  const leaseOf = (role: string, token: string): Reply => {
    const number = ++made
    const lives_ms = options.lease_ms ?? 3_600_000
    const username = `v-approle-${role}-${number}`
    const password = options.password?.(number) ?? `A1a-fake-${number}-password-of-the-tests`
    const last_at = now() + (options.leaseLast_ms ?? Infinity)
    const ends_at = now() + lives_ms
    const one = {
      id: `database/creds/${role}/lease${number}`,
      username,
      password,
      role,
      token,
      renewals: 0,
      ends_at,
      last_at,
    }
    leases.set(one.id, one)
    const data = { username, password }
    return { status: 200, body: { lease_id: one.id, lease_duration: seconds(lives_ms), renewable: true, data } }
  }
  const secret = (path: string, method: string, body: VaultRequest['body']): Reply => {
    const versions = kv.get(path) ?? []
    if (method === 'POST' || method === 'PUT') {
      kv.set(path, [...versions, body?.['data'] as { readonly [name: string]: unknown }])
      return { status: 200, body: { data: { version: versions.length + 1 } } }
    }
    const newest = versions.at(-1)
    if (newest === undefined) return errors(404)
    const deletion_time = newest === null ? '2026-11-22T10:00:00.000000000Z' : ''
    const metadata = { version: versions.length, deletion_time, destroyed: false }
    return { status: newest === null ? 404 : 200, body: { lease_id: '', data: { data: newest, metadata } } }
  }

  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    let text = ''
    for await (const piece of incoming) text += String(piece)
    const path = (incoming.url ?? '').replace(/^\/v1\//, '')
    const body = text === '' ? null : (JSON.parse(text) as VaultRequest['body'])
    const request = { method: incoming.method ?? '', path, body, headers: incoming.headers }
    requests.push(request)
    if (lie(request, response)) return
    const reply = answer(request)
    response.writeHead(reply.status, { 'content-type': 'application/json' })
    response.end(reply.body === null ? undefined : JSON.stringify(reply.body))
  }
  const { tls } = options
  const server = tls ? createTlsServer(tls, serve) : createServer(serve)
  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  return {
    url: tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`,
    requests,
    get leases() {
      return standing()
    },
    get tokens() {
      return [...tokens.values()].filter(({ value }) => living(value) !== null).map(({ value }) => value)
    },
    put: (path, fields) => void kv.set(path, [...(kv.get(path) ?? []), fields]),
    issue: (token) => void issue(token),
    revoke: (token) => void tokens.delete(token),
    lie: (how) => void (lie = how),
    sealed: (yes) => void (sealed = yes),
    honest() {
      lie = () => false
      sealed = false
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
    listen: () => listen(port),
  }
}

interface Reply {
  readonly status: number
  readonly body: unknown
}

function errors(status: number, ...messages: readonly string[]): Reply {
  return { status, body: { errors: messages } }
}

function authOf(token: Token, lease_duration: number): Reply {
  const { value: client_token, renewable, accessor = 'accessor-of-a-login' } = token
  return { status: 200, body: { auth: { client_token, accessor, lease_duration, renewable, policies: ['default'] } } }
}

function seconds(ms: number): number {
  return Math.max(0, Math.floor(ms / 1000))
}
