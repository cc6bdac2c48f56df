import { celList, celMap, type CelInput, type CelValue, isCelList, isCelMap } from '@bufbuild/cel'
import { itemOf, memberOf, type Type, type TypeScope } from './expression-types.ts'
import type { Json, JsonObject, Scope } from './types.ts'

/** A tree of the members that an expression reads; an empty node means the whole value. */
export interface Reads {
  readonly [member: string]: Reads
}

const ITEMS_MAX = 10_000
const VALUES_MAX = 200_000
const DEPTH_MAX = 64

/**
 * What the expression reads of the scope, as CEL values: integers become int (BigInt), or double where the policy says
 * `number`; nothing that is not read is touched. Own properties only, and maps without a prototype.
 * Throws for lists over 10,000 items, integers beyond 2^53−1, and anything that is not JSON.
 */
export function toCel(scope: Scope, types: TypeScope, reads: Reads): Record<string, CelInput> {
  const count = { values: 0 }
  const variables: Record<string, CelInput> = Object.create(null)
  for (const [name, inside] of Object.entries(reads)) {
    const value = Object.hasOwn(scope, name) ? scope[name] : undefined
    if (value !== undefined) variables[name] = convert(value, types[name] ?? 'any', inside, name, 0, count)
  }
  return variables
}

function convert(
  value: Json,
  type: Type,
  reads: Reads | null,
  path: string,
  depth: number,
  count: { values: number },
): CelValue {
  count.values += 1
  if (count.values > VALUES_MAX || depth > DEPTH_MAX) throw new Error(`${path} is too large or too deep to be judged`)
  switch (typeof value) {
    case 'number':
      return toNumber(value, type, path)
    case 'string':
    case 'boolean':
      return value
    case 'object':
      break
    default:
      throw new Error(`${path} is not JSON`)
  }
  if (value === null) return null
  if (Array.isArray(value)) {
    if (value.length > ITEMS_MAX) throw new Error(`${path} has more than ${ITEMS_MAX} items`)
    const item = itemOf(type) ?? 'any'
    return celList((value as readonly Json[]).map((each) => convert(each, item, null, path, depth + 1, count)))
  }
  const object = value as JsonObject
  const wanted = reads === null || Object.keys(reads).length === 0 ? null : reads
  const members = new Map<string, CelValue>()
  for (const name of wanted === null ? Object.keys(object) : Object.keys(wanted)) {
    const member = Object.hasOwn(object, name) ? object[name] : undefined
    if (member === undefined) continue
    members.set(
      name,
      convert(member, memberOf(type, name) ?? 'any', wanted?.[name] ?? null, `${path}.${name}`, depth + 1, count),
    )
  }
  return celMap(members)
}

function toNumber(value: number, type: Type, path: string): bigint | number {
  if (!Number.isFinite(value)) throw new Error(`${path} is not a finite number`)
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new Error(`${path} is beyond 2^53−1`)
  const isDouble = type === 'double' || (typeof type === 'object' && 'optional' in type && type.optional === 'double')
  return Number.isInteger(value) && !isDouble ? BigInt(value) : value
}

/** A CEL value as JSON. Throws for what JSON cannot say exactly: integers beyond 2^53−1, infinite doubles, other types. */
export function toJson(value: CelValue): Json {
  switch (typeof value) {
    case 'bigint':
      if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER)) {
        throw new Error('the result is beyond 2^53−1')
      }
      return Number(value)
    case 'number':
      if (!Number.isFinite(value)) throw new Error('the result is not a finite number')
      return value === 0 ? 0 : value
    case 'string':
    case 'boolean':
      return value
    default:
      break
  }
  if (value === null) return null
  if (isCelList(value)) return Array.from(value, toJson)
  if (isCelMap(value)) return Object.fromEntries(Array.from(value, ([name, member]) => [String(name), toJson(member)]))
  throw new Error('the result is not a JSON value')
}

/** `['facts.charge.amount', 'facts']` → `{facts: {}}`: the widest of overlapping reads wins. */
export function readTree(paths: Iterable<string>): Reads {
  const root: Record<string, Reads> = Object.create(null)
  const byLength = [...paths].map((path) => path.split('.')).sort((a, b) => a.length - b.length)
  for (const steps of byLength) {
    let at = root
    let covered = false
    steps.forEach((step, index) => {
      if (covered) return
      const last = index === steps.length - 1
      const next = at[step] as Record<string, Reads> | undefined
      if (next === undefined) {
        at[step] = Object.create(null) as Reads
      } else if (Object.keys(next).length === 0) covered = true
      if (!last) at = at[step] as Record<string, Reads>
    })
  }
  return root
}
