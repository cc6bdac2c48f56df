import { isIPv4 } from 'node:net'
import type { JSONWebKeySet } from 'jose'
import type { Issuer } from '../core/types.ts'

/** The issuer's keys cannot be had now; nothing is known about the token. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable'
}

/** For discovery and keys together. */
const FETCH_MS = 3_000
/** Of each answer, after decompression. */
const ANSWER_BYTES_MAX = 256 * 1024
const KEYS_MAX = 100

/**
 * The keys of an issuer, asked of it now: at most two GETs without credentials, no redirect followed, TLS verified.
 * Discovery is asked each time, so that an issuer may move its keys.
 *
 * @throws KeysUnavailable when the answers cannot be had, are too large or too late, or are not what they must be.
 */
export async function fetchKeys(keys: Extract<Issuer['keys'], { kind: 'oidc' | 'jwks_uri' }>): Promise<JSONWebKeySet> {
  const signal = AbortSignal.timeout(FETCH_MS)
  const uri = keys.kind === 'oidc' ? await discovered(keys.issuer, signal) : keys.uri
  return usableKeys(await fetchJson(uri, signal))
}

/** SPIFFE marks its keys `use: jwt-svid` (SPIFFE Trust Domain and Bundle, section 4.2.2); jose only takes `sig`. */
export function usableKeys(set: unknown): JSONWebKeySet {
  const keys: unknown = isObject(set) ? set['keys'] : null
  if (!Array.isArray(keys)) throw new KeysUnavailable('the key set has no list of keys')
  if (keys.length > KEYS_MAX) throw new KeysUnavailable(`the key set has more than ${KEYS_MAX} keys`)
  const plain = keys.filter(isObject).map((key) => {
    const { use, ...rest } = key
    return use === undefined || use === 'jwt-svid' ? rest : { ...rest, use }
  })
  return { keys: plain } as JSONWebKeySet
}

/**
 * OpenID Connect Discovery 1.0, section 4.3: the document must name the issuer that it was asked of, to the letter. Its
 * keys may be at another host (they often are), but come over TLS too.
 */
async function discovered(issuer: string, signal: AbortSignal): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const document = await fetchJson(url, signal)
  if (!isObject(document) || document['issuer'] !== issuer) throw new KeysUnavailable(`${url} is of another issuer`)
  const uri = document['jwks_uri']
  if (typeof uri !== 'string') throw new KeysUnavailable(`${url} names no jwks_uri`)
  return uri
}

async function fetchJson(url: string, signal: AbortSignal): Promise<unknown> {
  if (!mayFetch(url)) throw new KeysUnavailable(`${url} is not an https: address`)
  try {
    const answer = await fetch(url, { redirect: 'error', signal, headers: { accept: 'application/json' } })
    if (answer.status !== 200) throw new Error(`status ${answer.status}`)
    const pieces: Uint8Array[] = []
    let bytes = 0
    for await (const piece of answer.body ?? []) {
      bytes += piece.byteLength
      if (bytes > ANSWER_BYTES_MAX) throw new Error('the answer is too large')
      pieces.push(piece)
    }
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces)))
  } catch (cause) {
    throw new KeysUnavailable(`${url} cannot be fetched`, { cause })
  }
}

/** Whoever can change the answer could sign as the issuer: TLS, but for this machine itself. */
function mayFetch(url: string): boolean {
  const { protocol, hostname } = URL.parse(url) ?? {}
  if (protocol === 'https:') return true
  if (protocol !== 'http:' || hostname === undefined) return false
  return hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
