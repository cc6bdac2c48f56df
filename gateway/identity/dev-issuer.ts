import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { JSONWebKeySet } from 'jose'
import type { Issuer, JsonObject } from '../core/types.ts'
import type { Random } from './token.ts'

/** Signs for the accounts of `{ dev: true }` issuers, with a key that lives as long as the process. Under --dev only. */
export interface DevIssuer {
  /** Public half, for verify.ts. */
  readonly jwks: JSONWebKeySet
  /** @returns a JWT of ten minutes for an account of this issuer, or null when it has no such account. */
  sign(issuer: Issuer, account: string): Promise<string | null>
}

/** @param now ms since the epoch. */
export async function devIssuer({ now, random }: { now: () => number; random: Random }): Promise<DevIssuer> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const kid = `dev-${Buffer.from(random(8)).toString('hex')}`
  return {
    jwks: { keys: [{ ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' }] },
    async sign(issuer, account) {
      const claims = devClaims(issuer, account)
      if (claims === null) return null
      const iat = Math.floor(now() / 1000)
      const jti = Buffer.from(random(16)).toString('hex')
      return new SignJWT({ ...claims, iat, exp: iat + LIFE_S, jti })
        .setProtectedHeader({ alg: 'ES256', kid, typ: 'JWT' })
        .sign(privateKey)
    },
  }
}

/** Who can be asked for, in the order of identity.yaml. */
export function devAccounts(issuer: Issuer): readonly string[] {
  return issuer.keys.kind === 'dev' ? Object.keys(accountsOf(issuer)) : []
}

/** The claims that this account's tokens carry, or null. */
export function devClaims(issuer: Issuer, account: string): JsonObject | null {
  const accounts = accountsOf(issuer)
  if (issuer.keys.kind !== 'dev' || !Object.hasOwn(accounts, account)) return null
  return { sub: account, ...accounts[account], iss: issuer.issuer, aud: issuer.audience }
}

const LIFE_S = 600

const DEFAULT_ACCOUNTS: { readonly [account: string]: JsonObject } = {
  dana: { name: 'Dana', groups: ['finance'] },
  omar: { name: 'Omar', groups: ['finance'] },
  sam: { name: 'Sam', groups: ['security'] },
}

function accountsOf(issuer: Issuer): { readonly [account: string]: JsonObject } {
  return Object.keys(issuer.accounts).length === 0 ? DEFAULT_ACCOUNTS : issuer.accounts
}
