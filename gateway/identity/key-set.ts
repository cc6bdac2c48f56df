import { createLocalJWKSet, createRemoteJWKSet, customFetch } from 'jose'
import type { CompactVerifyGetKey, JSONWebKeySet } from 'jose'
import type { Issuer } from '../core/types.ts'

/** The issuer's keys cannot be had now; nothing is known about the token. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable'
}

/**
 * The key resolver of an issuer, made once per issuer of a policy; remote keys are fetched when first asked for and kept
 * ten minutes. jose selects by `kid`, `alg`, key type, curve, `use` and `key_ops`, and refuses when not exactly one fits.
 *
 * @param dev the public keys of this run's dev issuer; null unless under --dev.
 * @throws KeysUnavailable when discovery or the key set cannot be fetched or read; the resolver throws it too.
 */
export function keySet(keys: Issuer['keys'], dev: JSONWebKeySet | null): Promise<CompactVerifyGetKey> {
  const known = made.get(keys)
  if (known !== undefined && keys.kind !== 'dev') return known
  const making = make(keys, dev)
  made.set(keys, making)
  // A failure is not kept: the next token asks again.
  making.catch(() => made.delete(keys))
  return making
}

const made = new WeakMap<Issuer['keys'], Promise<CompactVerifyGetKey>>()
const FETCH_MS = 5_000
const ANSWER_MAX = 256 * 1024

async function make(keys: Issuer['keys'], dev: JSONWebKeySet | null): Promise<CompactVerifyGetKey> {
  switch (keys.kind) {
    case 'dev':
      if (dev === null) throw new KeysUnavailable('a dev issuer signs only under --dev')
      return createLocalJWKSet(dev)
    case 'jwks':
      return createLocalJWKSet(usable(keys.keys))
    case 'jwks_uri':
      return remote(keys.uri)
    case 'oidc':
      return remote(await discovered(keys.issuer))
  }
}

function remote(uri: string): CompactVerifyGetKey {
  return createRemoteJWKSet(new URL(uri), {
    timeoutDuration: FETCH_MS,
    [customFetch]: async (url, { signal, headers }) => Response.json(usable(await fetchJson(url, signal, headers))),
  })
}

/** SPIFFE marks its keys `use: jwt-svid` (SPIFFE Trust Domain and Bundle, section 4.2.2); jose only takes `sig`. */
function usable(set: unknown): JSONWebKeySet {
  const keys: unknown = isObject(set) ? set['keys'] : null
  if (!Array.isArray(keys)) throw new KeysUnavailable('the key set has no list of keys')
  const plain = keys.filter(isObject).map((key) => {
    const { use, ...rest } = key
    return use === undefined || use === 'jwt-svid' ? rest : { ...rest, use }
  })
  return { keys: plain } as JSONWebKeySet
}

/** OpenID Connect Discovery 1.0, section 4.3: the document must name the issuer that it was asked of. */
async function discovered(issuer: string): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const document = await fetchJson(url, AbortSignal.timeout(FETCH_MS))
  if (!isObject(document) || document['issuer'] !== issuer) throw new KeysUnavailable(`${url} is of another issuer`)
  const uri = document['jwks_uri']
  const keys = typeof uri === 'string' && URL.canParse(uri) ? new URL(uri) : null
  // Plain http only where the issuer itself is plain http: a sandbox.
  const allowed = url.startsWith('https:') ? ['https:'] : ['https:', 'http:']
  if (keys === null || !allowed.includes(keys.protocol)) throw new KeysUnavailable(`${url} names no usable jwks_uri`)
  return keys.href
}

async function fetchJson(url: string, signal: AbortSignal, headers?: Headers): Promise<unknown> {
  try {
    const answer = await fetch(url, { redirect: 'error', signal, headers: headers ?? { accept: 'application/json' } })
    if (answer.status !== 200) throw new Error(`status ${answer.status}`)
    let text = ''
    const decoder = new TextDecoder('utf-8', { fatal: true })
    for await (const piece of answer.body ?? []) {
      text += decoder.decode(piece, { stream: true })
      if (text.length > ANSWER_MAX) throw new Error('the answer is too large')
    }
    return JSON.parse(text)
  } catch (cause) {
    throw new KeysUnavailable(`${url} cannot be fetched`, { cause })
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
