import { Secret, SecretUnavailable } from '../../adapters/adapter.ts'
import type { Lender } from '../../adapters/adapter.ts'
import type { SecretRef } from '../core/types.ts'
import { keep } from './document.ts'
import type { Kept, SecretEvent } from './document.ts'
import { looksLive } from './live.ts'
import { createScrubber } from './scrub.ts'
import type { Scrubber } from './scrub.ts'
import type { Source } from './sources.ts'
import { lenderOf, placeOf, sourcesOf } from './spec.ts'

export type { SecretEvent } from './document.ts'

/** The credentials of this process. Values live in memory only. */
export interface Secrets extends Lender {
  /**
   * What is in memory within its lifetime, else from its source; one fetch in flight per document, however many ask.
   * Refs of one document that are asked in one turn are of one fetch. Rejects with SecretUnavailable, whose message holds
   * no value.
   */
  get(ref: SecretRef): Promise<Secret>
  /** A backend refused this one: it is fetched anew once for all who say so. @returns whether another is there now */
  refused(secret: Secret): Promise<boolean>
  /** Only these are needed from now on: the others are forgotten, and their leases revoked. Never rejects. */
  keep(refs: Iterable<SecretRef>): Promise<void>
  /** Knows every value that was handed out, and what signs us in at the sources. */
  readonly scrub: Scrubber
  /** Forgets the values and revokes leases; nothing can be had afterwards. Never rejects. */
  close(): Promise<void>
}

export interface SecretOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly onEvent: (event: SecretEvent) => void
  /** Refuse live-looking keys. */
  readonly dev?: boolean
  readonly environment?: NodeJS.ProcessEnv
  readonly lifetime_ms?: number
  /** How often what runs out by itself is looked at, ms; only tests are in a hurry. */
  readonly look_ms?: number
  /** How long a source over the network may take to answer, ms; 5 s unless a test says less. */
  readonly ask_ms?: number
}

const LIFETIME_MS = 300_000
const LOOK_MS = 1000

/**
 * Opens the sources that a spec names, comma-separated: `age:FILE`, `vault:URL`, `aws:REGION`, `file:` or
 * `file:DIRECTORY`, `env:`. A ref of another scheme is unavailable: the operator says where secrets may come from, the
 * policy only which of them.
 *
 * @throws Error for a spec that cannot be read, a source named twice, or a source that cannot be opened now
 */
export async function openSecrets(spec: string, options: SecretOptions): Promise<Secrets> {
  const scrub = createScrubber()
  const { now } = options
  const sources = sourcesOf(spec, {
    environment: options.environment ?? process.env,
    now,
    hide: (value) => void scrub.add(value),
    ask_ms: options.ask_ms,
  })
  const closeSources = async (): Promise<void> => {
    await Promise.allSettled([...sources.values()].map(async (source) => source.close?.()))
  }
  try {
    for (const source of sources.values()) await source.check?.()
  } catch (error) {
    await closeSources()
    throw error
  }
  const kept = new Map<string, Kept>()
  let closed = false

  const parts = {
    now,
    lifetime_ms: options.lifetime_ms ?? LIFETIME_MS,
    onEvent: options.onEvent,
    admit(value: string) {
      // first, so that whatever is said about it does not hold it
      scrub.add(value)
      if (closed) throw new Error('the gateway is stopping')
      if (options.dev === true && looksLive(value)) throw new Error('it looks like a live key, which --dev refuses')
    },
  }
  const place = (ref: SecretRef): { one: Kept; field: string } => {
    const { source, key, document, field } = placeOf(sources, ref)
    const one = kept.get(key) ?? keep(source, document, parts)
    kept.set(key, one)
    return { one, field }
  }
  const look = (): void => {
    for (const source of sources.values()) source.look?.()
    for (const one of kept.values()) one.look()
  }
  const timer = setInterval(look, options.look_ms ?? LOOK_MS).unref()

  return {
    async get(ref) {
      if (closed) throw new SecretUnavailable(ref, `${ref}: the gateway is stopping`)
      const { one, field } = place(ref)
      try {
        return await one.get(ref, field)
      } catch (error) {
        throw new SecretUnavailable(ref, `${ref}: ${scrub.text((error as Error).message)}`)
      }
    },
    async refused(secret) {
      if (closed) return false
      const { one, field } = place(secret.ref)
      return one.refused(secret.ref, field, secret)
    },
    async keep(refs) {
      const places = [...refs].map((ref) => placeOf(sources, ref))
      const keys = new Set(places.map(({ key }) => key))
      for (const [key, one] of kept) {
        if (keys.has(key)) continue
        one.forget()
        kept.delete(key)
      }
      const documents = (source: Source) =>
        new Set(places.filter((found) => found.source === source).map(({ document }) => document))
      await Promise.allSettled([...sources.values()].map(async (source) => source.keep?.(documents(source))))
    },
    async lend(ref, asked) {
      try {
        const { source, name } = lenderOf(sources, ref)
        if (closed) throw new Error('the gateway is stopping')
        return await source.lend(name, asked)
      } catch (error) {
        return {
          kind: 'not_sent',
          code: 'secret_unavailable',
          reason: `${ref}: ${scrub.text((error as Error).message)}`,
        }
      }
    },
    async takeBack(ref, handle) {
      const { source, name } = lenderOf(sources, ref)
      if (closed) throw new Error('the gateway is stopping')
      await source.takeBack(name, handle)
    },
    scrub,
    async close() {
      if (closed) return
      closed = true
      clearInterval(timer)
      for (const one of kept.values()) one.forget()
      kept.clear()
      await closeSources()
    },
  }
}
