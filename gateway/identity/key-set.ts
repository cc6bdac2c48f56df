import { createLocalJWKSet } from 'jose'
import type { CompactVerifyGetKey, JSONWebKeySet } from 'jose'
import type { Issuer } from '../core/types.ts'
import { fetchKeys, KeysUnavailable, usableKeys } from './fetch-keys.ts'
import { remoteKeys } from './remote-keys.ts'

/** The keys of every issuer. One for the life of a gateway: a reload of the policy neither forgets nor fetches keys. */
export interface KeyRing {
  /** False: `{ dev: true }` issuers verify nothing. */
  readonly dev: boolean
  /**
   * The resolver of an issuer's key for a token's header. jose selects by `kid`, `alg`, key type, curve, `use` and
   * `key_ops`, and refuses when not exactly one fits.
   *
   * @throws (the resolver) KeysUnavailable; jose's errors.
   */
  of(keys: Issuer['keys']): CompactVerifyGetKey
}

/**
 * @param dev the public keys of this run's dev issuer; null unless under --dev.
 * @param monotonic ms since any moment; never goes back.
 */
export function keyRing({
  dev,
  monotonic,
}: {
  readonly dev: JSONWebKeySet | null
  readonly monotonic: () => number
}): KeyRing {
  const local = new WeakMap<Issuer['keys'], CompactVerifyGetKey>()
  // By address, not by the policy's object: an issuer that is down must not lose its keys to an edit of a role.
  const remote = new Map<string, CompactVerifyGetKey>()
  return {
    dev: dev !== null,
    of(keys) {
      if (keys.kind === 'dev' || keys.kind === 'jwks') {
        const known = local.get(keys) ?? createLocalJWKSet(keys.kind === 'dev' ? devKeys(dev) : usableKeys(keys.keys))
        local.set(keys, known)
        return known
      }
      const address = `${keys.kind} ${keys.kind === 'oidc' ? keys.issuer : keys.uri}`
      const known = remote.get(address) ?? remoteKeys(() => fetchKeys(keys), monotonic)
      remote.set(address, known)
      return known
    },
  }
}

function devKeys(dev: JSONWebKeySet | null): JSONWebKeySet {
  if (dev === null) throw new KeysUnavailable('a dev issuer signs only under --dev')
  return dev
}
