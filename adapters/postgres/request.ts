import type { Json, JsonObject } from '../../gateway/core/types.ts'

/** One statement with its values, as it goes to the server. */
export interface Asked {
  readonly mode: 'read' | 'write'
  readonly text: string
  /** Each in PostgreSQL's text form; the server gives it the type of its place. */
  readonly values: readonly (string | null)[]
  /** How many rows must come of it; null where the policy does not say. */
  readonly rows: { readonly min: number; readonly max: number } | null
}

/** The rendered request cannot be sent as it is. Nothing was sent. The message names members, never values. */
export class Unsendable extends Error {
  override readonly name = 'Unsendable'
}

const MEMBERS = new Set(['read', 'write', 'params', 'rows'])

/**
 * Reads a rendered request. The policy was checked at load; it is verified again here, because this is the last place
 * before the wire and a value may come from an agent.
 *
 * @throws Unsendable
 */
export function askedOf(request: Json): Asked {
  if (!isObject(request)) throw new Unsendable('the request is not an object')
  if (Object.keys(request).some((member) => !MEMBERS.has(member))) {
    throw new Unsendable('the request has a member that no statement has')
  }
  const { read, write, params = [] } = request
  const mode = write === undefined ? 'read' : 'write'
  const text = write ?? read
  if (typeof text !== 'string' || (read !== undefined && write !== undefined)) {
    throw new Unsendable('the request needs one statement, `read` or `write`')
  }
  if (!text.isWellFormed() || text.includes('\0')) throw new Unsendable('the statement holds what is no text')
  if (!Array.isArray(params)) throw new Unsendable('params is not a list')
  const rows = rowsOf(request['rows'])
  if (mode === 'write' && rows === null) throw new Unsendable('a write needs `rows`')
  return { mode, text, values: (params as readonly Json[]).map(valueOf), rows }
}

function rowsOf(rows: Json | undefined): Asked['rows'] {
  if (rows === undefined) return null
  const [, from, to] = /^(\d{1,4})(?:\.\.(\d{1,4}))?$/.exec(String(rows)) ?? []
  if (from === undefined) throw new Unsendable('rows is neither a number nor a range')
  const [min, max] = [Number(from), Number(to ?? from)]
  if (min > max) throw new Unsendable('rows begins above its end')
  return { min, max }
}

/** Text as it is, numbers in digits, lists as PostgreSQL's arrays, objects as JSON. */
function valueOf(value: Json): string | null {
  if (value === null) return null
  if (typeof value === 'string') return checked(value)
  if (typeof value === 'number' || typeof value === 'boolean') return scalar(value)
  if (Array.isArray(value)) return arrayOf(value as readonly Json[], 1)
  return checked(JSON.stringify(value, (_member, inside: Json) => exact(inside)))
}

/** `{1,2}`, `{"a","b"}`: text in quotes always, so that NULL and commas in it are text. */
function arrayOf(items: readonly Json[], depth: number): string {
  // PostgreSQL's own bound (MAXDIM)
  if (depth > 6) throw new Unsendable('params holds a list that is too deep')
  const written = items.map((item) => {
    if (item === null) return 'NULL'
    if (Array.isArray(item)) return arrayOf(item as readonly Json[], depth + 1)
    const text = valueOf(item) ?? ''
    return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  })
  return `{${written.join(',')}}`
}

function scalar(value: number | boolean): string {
  exact(value)
  return String(value)
}

/** 2^53+1 would not be the number that was decided about. */
function exact(value: Json): Json {
  if (
    typeof value === 'number' &&
    (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
  )
    throw new Unsendable('params holds a number that cannot be written exactly')
  if (typeof value === 'string') checked(value)
  return value
}

function checked(text: string): string {
  if (!text.isWellFormed()) throw new Unsendable('params holds half a character')
  if (text.includes('\0')) throw new Unsendable('params holds a NUL, which no text of the database may')
  return text
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
