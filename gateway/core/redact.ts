import type { Json, JsonObject, Keep, KeepType } from './types.ts'

/**
 * The part of a backend's answer that may leave: an allow-list of paths (`id`, `data.*.id`, `*.id` at the top of a
 * list answer), where `*` is any list item. Missing members are left out; an object of which nothing is named stays, empty.
 */
export function keep(output: Json, paths: readonly string[]): Json {
  const root: Wanted = { whole: false, members: new Map() }
  for (const path of paths) {
    let at = root
    for (const step of path.split('.')) {
      const next = at.members.get(step) ?? { whole: false, members: new Map() }
      at.members.set(step, next)
      at = next
    }
    at.whole = true
  }
  return project(output, root) ?? (Array.isArray(output) ? [] : null)
}

interface Wanted {
  whole: boolean
  readonly members: Map<string, Wanted>
}

function project(value: Json, wanted: Wanted): Json | undefined {
  if (wanted.whole) return copy(value, 0)
  if (Array.isArray(value)) {
    const item = wanted.members.get('*')
    if (item === undefined) return undefined
    return (value as readonly Json[]).map((each) => project(each, item)).filter((each) => each !== undefined)
  }
  if (!isObject(value)) return undefined
  const kept: [string, Json][] = []
  for (const [member, inside] of wanted.members) {
    const found = member === '*' ? undefined : own(value, member)
    const part = found === undefined ? undefined : project(found, inside)
    if (part !== undefined) kept.push([member, part])
  }
  return Object.fromEntries(kept)
}

/** Deeper answers are refused at the door; here the depth only must not exhaust the stack. */
const DEPTH_MAX = 64

function copy(value: Json, depth: number): Json {
  if (typeof value !== 'object' || value === null) return value
  if (depth >= DEPTH_MAX) return null
  if (Array.isArray(value)) return (value as readonly Json[]).map((item) => copy(item, depth + 1))
  return Object.fromEntries(
    Object.entries(value)
      .filter(([member]) => !PROTOTYPE_KEYS.has(member))
      .map(([member, inside]) => [member, copy(inside, depth + 1)]),
  )
}

/**
 * The typed members of a fact. A missing or null member is null; a member of another type is an error that names the
 * path and both types, never the value. An integer beyond 2^53−1 is an error: it was not read exactly.
 */
export function keepTyped(
  output: Json,
  shape: Keep,
  path: string,
): { readonly ok: true; readonly value: JsonObject } | { readonly ok: false; readonly message: string } {
  try {
    return { ok: true, value: keepObject(output, shape, path) }
  } catch (error) {
    if (error instanceof WrongType) return { ok: false, message: error.message }
    throw error
  }
}

class WrongType extends Error {}

function keepObject(value: Json, shape: Keep, path: string): JsonObject {
  if (!isObject(value)) throw new WrongType(`${path} should be an object, and is ${typeName(value)}`)
  return Object.fromEntries(
    Object.entries(shape).map(([member, type]) => [
      member,
      keepValue(own(value, member) ?? null, type, `${path}.${member}`),
    ]),
  )
}

function keepValue(value: Json, type: KeepType, path: string): Json {
  if (value === null) return null
  if (typeof type === 'object') {
    if ('object' in type) return keepObject(value, type.object, path)
    if (!Array.isArray(value)) throw new WrongType(`${path} should be a list, and is ${typeName(value)}`)
    return (value as readonly Json[]).map((item, index) => keepValue(item, type.list, `${path}[${index}]`))
  }
  if (type === 'integer' || type === 'number') {
    if (typeof value !== 'number' || !Number.isFinite(value) || (type === 'integer' && !Number.isInteger(value))) {
      throw new WrongType(`${path} should be ${WANTED[type]}, and is ${typeName(value)}`)
    }
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      throw new WrongType(`${path} should be ${WANTED[type]}, and is beyond 2^53−1, where integers are not exact`)
    }
    return value === 0 ? 0 : value
  }
  if (typeof value !== type) throw new WrongType(`${path} should be ${WANTED[type]}, and is ${typeName(value)}`)
  return value
}

const WANTED = { string: 'a string', integer: 'an integer', number: 'a number', boolean: 'a boolean' } as const

function typeName(value: Json): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a number with decimals'
  return typeof value === 'object' ? 'an object' : WANTED[typeof value as 'string' | 'boolean']
}

/** The value with its sensitive members unreadable; which members there are stays visible. */
export function mask(value: JsonObject, members: readonly string[]): JsonObject {
  return Object.fromEntries(
    Object.entries(value).map(([member, inside]) => [member, members.includes(member) ? '•••' : inside]),
  )
}

/** Names that turn into something else when another library merges what we hand on. */
const PROTOTYPE_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

function own(value: JsonObject, member: string): Json | undefined {
  return Object.hasOwn(value, member) && !PROTOTYPE_KEYS.has(member) ? value[member] : undefined
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
