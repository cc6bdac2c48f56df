import { createHash } from 'node:crypto'
import { Secret, SecretUnavailable } from '../../adapters/adapter.ts'
import type { SecretRef } from '../core/types.ts'
import { looksLive } from './live.ts'
import { createScrubber } from './scrub.ts'
import type { Scrubber } from './scrub.ts'
import { ageSource, envSource, fileSource } from './sources.ts'
import type { Source } from './sources.ts'

/** The credentials of this process. Values live in memory only. */
export interface Secrets {
  /**
   * What is in memory within its lifetime, else from its source; one fetch in flight per ref, however many ask.
   * Rejects with SecretUnavailable, whose message holds no value.
   */
  get(ref: SecretRef): Promise<Secret>
  /** A backend said 401: the next `get` fetches anew, unless the value has just been fetched. */
  rotated(ref: SecretRef): void
  /** Knows every value that was handed out. */
  readonly scrub: Scrubber
  /** Forgets the values; nothing can be had afterwards. */
  close(): void
}

/** For the ledger; `ref` only, never a value. Failures of one ref are told once a minute. */
export interface SecretEvent {
  readonly kind: 'credential.fetched' | 'credential.rotated' | 'credential.failed'
  readonly ref: SecretRef
  readonly reason?: string
}

export interface SecretOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly onEvent: (event: SecretEvent) => void
  /** Refuse live-looking keys. */
  readonly dev?: boolean
  readonly environment?: NodeJS.ProcessEnv
  readonly lifetime_ms?: number
}

const LIFETIME_MS = 300_000
/** A backend that answers 401 to everything shall not make every call a fetch. */
const ROTATED_AT_MOST_EVERY_MS = 10_000
const FAILURE_TOLD_EVERY_MS = 60_000

interface Held {
  readonly secret: Secret
  readonly fetched_at: number
  readonly digest: string
  stale: boolean
}

/**
 * Opens the sources that a spec names, comma-separated: `age:FILE`, `env:`, `file:` or `file:DIRECTORY`. A ref of another
 * scheme is unavailable: the operator says where secrets may come from, the policy only which of them.
 *
 * @throws Error for a spec that cannot be read, a source named twice, or an age file that cannot be opened now
 */
export async function openSecrets(spec: string, options: SecretOptions): Promise<Secrets> {
  const sources = sourcesOf(spec, options.environment ?? process.env)
  for (const source of sources.values()) await source.check?.()
  const lifetime_ms = options.lifetime_ms ?? LIFETIME_MS
  const scrub = createScrubber()
  const held = new Map<SecretRef, Held>()
  const digests = new Map<SecretRef, string>()
  const fetching = new Map<SecretRef, Promise<Secret>>()
  const told = new Map<SecretRef, number>()
  let closed = false

  const fetchSecret = async (ref: SecretRef): Promise<Secret> => {
    try {
      const value = await fromSource(sources, ref)
      if (options.dev === true && looksLive(value)) throw new Error('it looks like a live key, which --dev refuses')
      scrub.add(value)
      if (closed) throw new Error('the gateway is stopping')
      const digest = createHash('sha256').update(value).digest('hex')
      const before = digests.get(ref)
      const secret = new Secret(ref, value)
      held.set(ref, { secret, fetched_at: options.now(), digest, stale: false })
      digests.set(ref, digest)
      told.delete(ref)
      const kind = before === undefined || before === digest ? 'credential.fetched' : 'credential.rotated'
      options.onEvent({ kind, ref })
      return secret
    } catch (error) {
      // sources answer for their messages; of anything else only the kind is told
      const reason = error instanceof Error && error.name === 'Error' ? error.message : 'the source failed'
      const last = told.get(ref)
      if (last === undefined || options.now() - last >= FAILURE_TOLD_EVERY_MS) {
        told.set(ref, options.now())
        options.onEvent({ kind: 'credential.failed', ref, reason })
      }
      throw new SecretUnavailable(ref, `${ref}: ${reason}`)
    }
  }

  return {
    async get(ref) {
      if (closed) throw new SecretUnavailable(ref, `${ref}: the gateway is stopping`)
      const one = held.get(ref)
      if (one && !one.stale && options.now() - one.fetched_at < lifetime_ms) return one.secret
      held.delete(ref)
      let fetch = fetching.get(ref)
      if (!fetch) {
        fetch = fetchSecret(ref).finally(() => fetching.delete(ref))
        fetching.set(ref, fetch)
      }
      return fetch
    },
    rotated(ref) {
      const one = held.get(ref)
      if (one && options.now() - one.fetched_at >= ROTATED_AT_MOST_EVERY_MS) one.stale = true
    },
    scrub,
    close() {
      closed = true
      held.clear()
      digests.clear()
    },
  }
}

async function fromSource(sources: ReadonlyMap<string, Source>, ref: SecretRef): Promise<string> {
  const [, scheme = '', name = ''] = /^([a-z][a-z0-9]*):\/\/(.+)$/s.exec(ref) ?? []
  if (name === '') throw new Error('that is no secret ref (age://NAME, env://VAR, file:///PATH)')
  const source = sources.get(scheme)
  if (!source) throw new Error(`no ${scheme}: source is open (--secrets)`)
  const value = await source.get(name)
  if (value === '') throw new Error('the value is empty')
  return value
}

function sourcesOf(spec: string, environment: NodeJS.ProcessEnv): ReadonlyMap<string, Source> {
  const sources = new Map<string, Source>()
  for (const part of spec.split(',').map((one) => one.trim())) {
    const [, scheme = '', where = ''] = /^([a-z]+):(.*)$/.exec(part) ?? []
    if (sources.has(scheme)) throw new Error(`--secrets names ${scheme}: twice`)
    if (scheme === 'age' && where !== '') sources.set('age', ageSource(where, environment))
    else if (scheme === 'env' && where === '') sources.set('env', envSource(environment))
    else if (scheme === 'file') sources.set('file', fileSource(where === '' ? null : where))
    else throw new Error(`--secrets: ${JSON.stringify(part)} is none of age:FILE, env:, file:, file:DIRECTORY`)
  }
  return sources
}
