import type { Policy } from '../core/types.ts'
import type { Proven } from '../core/visit.ts'
import { allowance } from './allowance.ts'
import { devClaims } from './dev-issuer.ts'
import { sha256 } from './token.ts'
import type { Random } from './token.ts'

/** One-time sign-ins for accounts of a dev issuer; under --dev only. They live in this process and nowhere else. */
export interface OnceLinks {
  /** @returns a fresh code for the account, or null when there is no such account of people. */
  make(account: string): string | null
  /** @returns who it is for, once. */
  take(code: string): Proven | null
}

/** 30 bits are little: who asks for ones that are not there is slowed down, and these open a demo on loopback only. */
const MISSES = { burst: 20, refill_ms: 3_000 }
const SHUT_MS = 30_000
const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

export function onceLinks(parts: {
  readonly policy: () => Policy
  readonly random: Random
  readonly monotonic: () => number
}): OnceLinks {
  const links = new Map<string, string>()
  const mayMiss = allowance(MISSES, MISSES, parts.monotonic)
  let shut_until = -Infinity
  return {
    make(account) {
      if (provenFor(account, parts.policy()) === null) return null
      const letters = [...parts.random(6)].map((byte) => LETTERS.charAt(byte % 32)).join('')
      const code = `${letters.slice(0, 4)}-${letters.slice(4)}`
      links.set(code, account)
      return code
    },
    take(code) {
      if (parts.monotonic() < shut_until) return null
      const account = links.get(code)
      if (account === undefined) {
        // Nothing opens for a while, the right ones neither: else a search would go on.
        if (!mayMiss('all')) shut_until = parts.monotonic() + SHUT_MS
        return null
      }
      links.delete(code)
      return provenFor(account, parts.policy())
    },
  }

  function provenFor(account: string, { issuers }: Policy): Proven | null {
    for (const issuer of issuers.values()) {
      const claims = devClaims(issuer, account)
      if (claims === null || issuer.person === null) continue
      return { issuer: issuer.name, subject: account, claims, proof: `sha256:${sha256(JSON.stringify(claims))}` }
    }
    return null
  }
}
