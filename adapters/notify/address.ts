import { isLoopback } from '../../gateway/core/policy/backends.ts'
import { SecretUnavailable } from '../adapter.ts'
import type { Secret } from '../adapter.ts'

/** https: anywhere; http: to this very machine, under --dev. */
export function isPlainAllowed(url: URL, dev: boolean): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && dev && isLoopback(url.hostname))
}

/**
 * The address that is a secret itself. What is wrong with it is said without it.
 *
 * @throws SecretUnavailable
 */
export function secretAddress(secret: Secret, dev: boolean): URL {
  const url = URL.parse(secret.open().trim())
  const bare = url !== null && url.username === '' && url.password === '' && url.hash === ''
  if (!bare || !isPlainAllowed(url, dev))
    throw new SecretUnavailable(secret.ref, `${secret.ref}: it is not an https: address`)
  return url
}
