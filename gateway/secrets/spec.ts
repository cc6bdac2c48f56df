import type { SecretRef } from '../core/types.ts'
import { awsSource } from './aws.ts'
import { ageSource, envSource, fileSource } from './sources.ts'
import type { Source } from './sources.ts'
import { vaultSource } from './vault.ts'

interface SourceParts {
  readonly environment: NodeJS.ProcessEnv
  readonly now: () => number
  readonly hide: (value: string) => void
  readonly ask_ms: number | undefined
}

/** What `--secrets` names, by scheme. @throws Error for what cannot be read, a source named twice, settings that are missing */
export function sourcesOf(spec: string, parts: SourceParts): ReadonlyMap<string, Source> {
  const sources = new Map<string, Source>()
  for (const part of spec.split(',').map((one) => one.trim())) {
    const [, scheme = '', where = ''] = /^([a-z]+):(.*)$/.exec(part) ?? []
    if (sources.has(scheme)) throw new Error(`--secrets names ${scheme}: twice`)
    const source = sourceOf(scheme, where, parts)
    if (source === null) {
      const forms = 'age:FILE, vault:URL, aws:REGION, file:, file:DIRECTORY, env:'
      throw new Error(`--secrets: ${JSON.stringify(part)} is none of ${forms}`)
    }
    sources.set(scheme, source)
  }
  return sources
}

function sourceOf(scheme: string, where: string, parts: SourceParts): Source | null {
  if (scheme === 'age' && where !== '') return ageSource(where, parts.environment)
  if (scheme === 'env' && where === '') return envSource(parts.environment)
  if (scheme === 'file') return fileSource(where === '' ? null : where)
  if (scheme === 'vault' && where !== '') return vaultSource(where, parts)
  if (scheme === 'aws' && where !== '') return awsSource(where, parts)
  return null
}

/** Where a ref leads. */
interface Place {
  readonly source: Source
  /** Which document of which source. */
  readonly key: string
  readonly document: string
  readonly field: string
}

/** Whoever makes logins under this ref, which names no field. @throws Error */
export function lenderOf(
  sources: ReadonlyMap<string, Source>,
  ref: SecretRef,
): { readonly source: Required<Pick<Source, 'lend' | 'takeBack'>>; readonly name: string } {
  const [, scheme = '', name = ''] = /^([a-z][a-z0-9]*):\/\/(.+)$/s.exec(ref) ?? []
  const source = sources.get(scheme)
  if (source === undefined) throw new Error(`no ${scheme}: source is open (--secrets)`)
  const { lend, takeBack } = source
  if (lend === undefined || takeBack === undefined) throw new Error(`${scheme}: makes no logins`)
  return { source: { lend, takeBack }, name }
}

/** A ref that cannot be followed is a place too: whoever asks there hears why, and it is told like any failure. */
export function placeOf(sources: ReadonlyMap<string, Source>, ref: SecretRef): Place {
  try {
    const [, scheme = '', name = ''] = /^([a-z][a-z0-9]*):\/\/(.+)$/s.exec(ref) ?? []
    if (name === '') throw new Error('that is no secret ref (age://NAME, vault://MOUNT/PATH#FIELD, file:///PATH, …)')
    const source = sources.get(scheme)
    if (!source) throw new Error(`no ${scheme}: source is open (--secrets)`)
    const { document, field } = source.split?.(name) ?? { document: name, field: '' }
    return { source, key: `${scheme}://${document}`, document, field }
  } catch (error) {
    const source: Source = { fetch: () => Promise.reject(error as Error) }
    // no scheme has a space: what is no ref is never taken for a document
    return { source, key: `no ref: ${ref}`, document: ref, field: '' }
  }
}
