import type { ProblemBody } from '../../gateway/core/problem.ts'
import type { Json } from '../../gateway/core/types.ts'

/** What an agent sent, so that it can be sent again. */
export interface Attempt {
  readonly input: Json
  readonly key: string | null
  /** Set: sent instead of the input's own JSON. */
  readonly body?: string | undefined
  readonly headers: { readonly [name: string]: string | readonly string[] }
  readonly query: string
}

/** What the body of an error tells a program to do next. */
export type Next =
  | { readonly kind: 'again'; readonly attempt: Attempt; readonly after_ms: number }
  | { readonly kind: 'sign in'; readonly attempt: Attempt }
  | { readonly kind: 'stop' }

type Errors = NonNullable<ProblemBody['errors']>
type Told = Errors[number]

/**
 * An agent without a model: it reads `code`, `retry`, `retry_after` and `errors`, knows no schema and no policy, and does
 * what they say. It never makes an amount smaller: who asked for too much has to be told so.
 *
 * @param newKey names another effect.
 */
export function next(attempt: Attempt, problem: ProblemBody, newKey: () => string): Next {
  const { code, retry, retry_after = 0, errors = [] } = problem
  if (code === 'token_missing' || code === 'token_invalid' || code === 'session_expired') {
    return { kind: 'sign in', attempt }
  }
  if (retry === 'same_key' || retry === 'after') return { kind: 'again', attempt, after_ms: retry_after * 1000 }
  if (retry !== 'fix_input') return { kind: 'stop' }
  if (code === 'key_reused') return { kind: 'again', attempt: { ...attempt, key: newKey() }, after_ms: 0 }
  let mended: Attempt | null = errors.length === 0 ? null : attempt
  for (const error of errors.filter(({ path }) => !isOfInput(path))) mended &&= mendOutside(mended, error, newKey)
  const inside = errors.filter(({ path }) => isOfInput(path))
  if (mended !== null && inside.length > 0) {
    const input = repaired(mended.input, inside)
    mended = input === undefined ? null : { ...mended, input, body: undefined }
  }
  return mended === null ? { kind: 'stop' } : { kind: 'again', attempt: mended, after_ms: 0 }
}

function isOfInput(path: string): boolean {
  return /^input(?:$|[.[])/.test(path)
}

function mendOutside(attempt: Attempt, { path, want, example }: Told, newKey: () => string): Attempt | null {
  if (path === 'request_key' || path === 'header.Idempotency-Key') return { ...attempt, key: newKey() }
  if (path.startsWith('query.')) return { ...attempt, query: '' }
  if (path.startsWith('header.')) {
    const { [path.slice(7)]: _wrong, ...headers } = attempt.headers
    if (want.startsWith('no such')) return { ...attempt, headers }
    return example === undefined ? null : { ...attempt, headers: { ...headers, [path.slice(7)]: String(example) } }
  }
  if (path !== 'body') return null
  // Text that cannot be read is written anew; one that is too long loses what is longest in it.
  const bytes = /^at most (\d+) bytes$/.exec(want)?.[1]
  return { ...attempt, body: undefined, input: bytes === undefined ? attempt.input : shortened(attempt.input) }
}

function shortened(value: Json): Json {
  if (typeof value === 'string') return value.slice(0, 16)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, inside]) => [name, shortened(inside)]))
}

/** @returns undefined where something cannot be mended. */
export function repaired(root: Json, errors: Errors, base = 'input'): Json | undefined {
  // No arguments at all are an empty object to a client of MCP.
  const holder: { [name: string]: Json } = { root: structuredClone(root ?? {}) }
  // What is too much first: then nothing of it is sent.
  if (errors.some(({ got, want, example }) => example === undefined && !isMember(want) && got !== '')) return undefined
  const renamed = new Set<string>()
  for (const { path, want } of errors.filter((error) => isMember(error.want))) {
    const found = locate(holder, path.slice(base.length))
    if (found === null) continue
    const near = /did you mean `([^`]+)`/.exec(want)?.[1]
    const { [found.key]: value = null } = found.parent
    Reflect.deleteProperty(found.parent, found.key)
    if (near === undefined || Object.hasOwn(found.parent, near)) continue
    set(found.parent, near, value)
    renamed.add(`${path.slice(0, path.length - found.shown.length)}${near}`)
  }
  for (const error of errors.filter(({ want }) => !isMember(want))) {
    // What was misspelt has its value already; whether that fits, only the next answer says.
    if (renamed.has(error.path) && error.got === 'nothing') continue
    const found = locate(holder, error.path.slice(base.length), error.got === 'nothing')
    if (found === null) return undefined
    const value = mended(found.parent[found.key], error)
    if (value === undefined) return undefined
    set(found.parent, found.key, value)
  }
  return holder['root']
}

/** A number that was written as text stays the number; all else becomes the example. */
function mended(value: Json | undefined, { want, example }: Told): Json | undefined {
  if (typeof value !== 'string' || typeof example !== 'number' || !/^-?\d+(?:\.\d+)?$/.test(value)) return example
  const number = Number(value)
  const bound = (words: string) => Number(new RegExp(`${words} (-?[\\d.]+)`).exec(want)?.[1] ?? Number.NaN)
  if (number > bound('at most') || number >= bound('less than')) return undefined
  const fits = !(number < bound('at least') || number <= bound('more than') || number % bound('a multiple of') > 0)
  const whole = !want.startsWith('a whole number') || Number.isSafeInteger(number)
  return fits && whole && !want.startsWith('one of') ? number : example
}

const isMember = (want: string) => /^(?:only:? |no such member|no members)/.test(want)

interface Found {
  readonly parent: { [name: string]: Json }
  readonly key: string
  /** As the path spells it. */
  readonly shown: string
}

/** Where a path of an error leads. Names may hold dots: of several readings the one that is there is meant. */
function locate(holder: { [name: string]: Json }, path: string, missing = false): Found | null {
  if (path === '') return { parent: holder, key: 'root', shown: '' }
  const exact = readings(holder['root'], unescaped(path), unescaped)
  if (missing) return exact[0] ?? null
  const all = [...exact, ...readings(holder['root'], seen(path), seen)]
  return all.find(({ parent, key }) => Object.hasOwn(parent, key)) ?? all[0] ?? null
}

function readings(at: Json | undefined, rest: string, spelt: (name: string) => string): Found[] {
  if (typeof at !== 'object' || at === null) return []
  const parent = at as { [name: string]: Json }
  const [item, index] = /^\[(\d+)\]/.exec(rest) ?? []
  if (item !== undefined && index !== undefined && Array.isArray(at)) {
    const below = rest.slice(item.length)
    return below === '' ? [{ parent, key: index, shown: item }] : readings(parent[index], below, spelt)
  }
  if (!rest.startsWith('.')) return []
  const name = rest.slice(1)
  const there = Object.keys(parent).flatMap((key): Found[] => {
    const shown = spelt(key.slice(0, 64))
    if (name === shown) return [{ parent, key, shown }]
    return name.startsWith(shown) ? readings(parent[key], name.slice(shown.length), spelt) : []
  })
  return /[.[]/.test(name) ? there : [...there, { parent, key: name, shown: name }]
}

/** As the gateway writes what cannot be seen: `\t`, `\u{202e}`. */
const ESCAPE = /\\u\{([0-9a-f]+)\}|\\([nrt])/g

function unescaped(text: string): string {
  return text.replaceAll(ESCAPE, (_escape, hex: string | undefined, short: string) =>
    hex === undefined ? ({ n: '\n', r: '\r', t: '\t' }[short] ?? '') : String.fromCodePoint(Number.parseInt(hex, 16)),
  )
}

/** Without what cannot be seen, and without the escapes that stand for it. */
function seen(text: string): string {
  return text.replaceAll(ESCAPE, '').replaceAll(/[\p{C}\p{Z}\s]/gu, '')
}

function set(parent: { [name: string]: Json }, name: string, value: Json): void {
  Object.defineProperty(parent, name, { value, writable: true, enumerable: true, configurable: true })
}
