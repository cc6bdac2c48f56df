import { jsonOf, fieldOf, isObject } from './ask.ts'
import type { Document } from './sources.ts'
import { refusalOf } from './vault-answer.ts'
import type { Ask } from './vault.ts'
import type { Token } from './vault-token.ts'

/** Credentials that Vault makes for us and takes back, by the document of the ref. */
export interface Leases {
  /** The lease that stands, renewed; or a new one where it cannot be, or `anew`. */
  fetch(document: string, path: string, anew: boolean): Promise<Document>
  /** Revokes all others. Never rejects. */
  keep(documents: ReadonlySet<string>): Promise<void>
  /** Revokes all, those being made too. Never rejects. */
  close(): Promise<void>
}

interface Lease {
  readonly id: string
  readonly fields: unknown
  readonly renewable: boolean
  /** Its whole life when it was made. */
  readonly first_ms: number
  /** Monotonic ms. */
  readonly ends_at: number
  /** Who asked for it: with that token it dies. */
  readonly token: Token
}

/** A renewal that brings less of its first life than this meets the end of all renewals (max_ttl). */
const WORTH = 1 / 3

export function openLeases(parts: {
  readonly ask: Ask
  readonly now: () => number
  readonly current: () => Promise<Token>
}): Leases {
  const { ask, now } = parts
  const leases = new Map<string, Lease>()
  /** In whose place another stands; calls may still be on their connections, so they end by themselves or with us. */
  const replaced = new Set<Lease>()
  const making = new Set<Promise<unknown>>()
  let closed = false

  const make = async (document: string, path: string): Promise<Lease> => {
    const asked_at = now()
    const { answer, token } = await ask('GET', path)
    if (answer.status !== 200) throw new Error(refusalOf(answer))
    const found = jsonOf(answer.text)
    const id = found?.['lease_id']
    const seconds = found?.['lease_duration']
    if (
      typeof id !== 'string' ||
      id === '' ||
      typeof seconds !== 'number' ||
      !(seconds > 0) ||
      !isObject(found?.['data'])
    ) {
      throw new Error('Vault answered with something that is no lease')
    }
    const lives_ms = seconds * 1000
    const renewable = found?.['renewable'] === true
    const lease = { id, fields: found['data'], renewable, first_ms: lives_ms, ends_at: asked_at + lives_ms, token }
    if (closed) {
      await revoke(lease)
      throw new Error('the gateway is stopping')
    }
    const before = leases.get(document)
    if (before !== undefined) replaced.add(before)
    leases.set(document, lease)
    for (const one of replaced) if (now() >= one.ends_at) replaced.delete(one)
    return lease
  }

  /** null: it is gone, or cannot be renewed any further. @throws Error while Vault cannot say */
  const renewed = async (lease: Lease): Promise<Lease | null> => {
    if (!lease.renewable || now() >= lease.ends_at || (await parts.current()).value !== lease.token.value) return null
    const asked_at = now()
    const { answer, token } = await ask('POST', 'sys/leases/renew', { lease_id: lease.id })
    if (answer.status === 400 || answer.status === 403 || answer.status === 404) return null
    if (answer.status !== 200) throw new Error(refusalOf(answer))
    const seconds = jsonOf(answer.text)?.['lease_duration']
    const lives_ms = typeof seconds === 'number' ? seconds * 1000 : 0
    if (lives_ms < lease.first_ms * WORTH || token.value !== lease.token.value) return null
    return { ...lease, token, ends_at: asked_at + lives_ms }
  }

  const revoke = async ({ id, ends_at }: Lease): Promise<void> => {
    if (now() >= ends_at) return
    // what cannot be revoked now ends by itself
    await ask('POST', 'sys/leases/revoke', { lease_id: id }).catch(() => {})
  }

  const documentOf = (lease: Lease, asked_at: number): Document => ({
    pick: (field) => fieldOf(lease.fields, field),
    lives_ms: Math.min(lease.ends_at, lease.token.ends_at) - asked_at,
  })

  return {
    async fetch(document, path, anew) {
      const asked_at = now()
      const work = async (): Promise<Document> => {
        const standing = leases.get(document)
        const next = standing === undefined || anew ? null : await renewed(standing)
        if (next === null) return documentOf(await make(document, path), asked_at)
        leases.set(document, next)
        return documentOf(next, asked_at)
      }
      const working = work()
      making.add(working)
      return working.finally(() => making.delete(working))
    },
    async keep(documents) {
      const over = [...leases].filter(([document]) => !documents.has(document))
      for (const [document] of over) leases.delete(document)
      await Promise.all(over.map(([, lease]) => revoke(lease)))
    },
    async close() {
      closed = true
      await Promise.allSettled(making)
      const all = [...leases.values(), ...replaced]
      leases.clear()
      replaced.clear()
      await Promise.all(all.map(revoke))
    },
  }
}
