import { pathParameters } from '../../core/endpoint.ts'
import type { Served } from '../../core/endpoint.ts'
import type { InputError, Json, JsonObject } from '../../core/types.ts'

export interface Made {
  readonly input: JsonObject
  /** Parameters that mean nothing here, by their own names; empty: every one was taken. */
  readonly unknown: readonly InputError[]
}

/**
 * A request's parameters as the input of an action, by the declaration in the policy: each member takes its parameter,
 * what is to be ignored is dropped, and anything left over is an error. Whether the input is valid the pipeline says.
 *
 * @param values of the path. @param texts parameters are texts, as in a form: each is read as what the schema asks for.
 */
export function inputOf(
  { action, endpoint }: Served,
  values: ReadonlyMap<string, string>,
  parameters: JsonObject,
  texts: boolean,
): Made {
  const left = branchOf(parameters)
  const unknown: InputError[] = pathParameters(endpoint)
    .filter((name) => left.has(name))
    .map((name) => ({ path: name, got: 'a parameter', want: `only the one in the path, ${endpoint.path}` }))
  for (const [name, value] of values) left.set(name, value)

  const members: [string, Json][] = []
  for (const [member, schema] of Object.entries((action.input['properties'] ?? {}) as { [name: string]: JsonObject })) {
    const source = Object.hasOwn(endpoint.input, member) ? endpoint.input[member] : undefined
    if (source !== undefined && 'always' in source) {
      members.push([member, source.always])
      continue
    }
    const { from, otherwise } = source ?? { from: member }
    const path = from.split('.')
    const taken = take(left, path)
    const isText = texts || (path.length === 1 && values.has(from))
    const value = taken === undefined ? otherwise : isText ? typed(taken, schema) : taken
    if (value !== undefined) members.push([member, value])
  }
  for (const path of endpoint.ignore) take(left, path.split('.'))
  return { input: Object.fromEntries(members), unknown: [...unknown, ...rest(left, [])] }
}

/** The parameter that an error of the input is about, step by step. */
export function sourceOf({ endpoint }: Served, path: string): string[] {
  const [root, member = '', ...below] = path.replaceAll(/\[(\d+)\]/g, '.$1').split('.')
  if (root !== 'input') return path.split('.')
  const source = Object.hasOwn(endpoint.input, member) ? endpoint.input[member] : undefined
  const from = source !== undefined && 'from' in source ? source.from : member
  return [...from.split('.'), ...below]
}

type Branch = Map<string, Json | Branch>

function branchOf(value: JsonObject): Branch {
  return new Map(Object.entries(value).map(([name, below]) => [name, isObject(below) ? branchOf(below) : below]))
}

/** Takes out what stands at the path, and what became empty by it. */
function take(branch: Branch, [step = '', ...further]: readonly string[]): Json | undefined {
  const below = branch.get(step)
  if (below === undefined || (further.length > 0 && !(below instanceof Map))) return undefined
  if (further.length === 0 || !(below instanceof Map)) {
    branch.delete(step)
    return jsonOf(below)
  }
  const taken = take(below, further)
  if (taken !== undefined && below.size === 0) branch.delete(step)
  return taken
}

function jsonOf(below: Json | Branch): Json {
  if (!(below instanceof Map)) return below
  return Object.fromEntries([...below].map(([name, inside]) => [name, jsonOf(inside)]))
}

const REST_MAX = 50

function rest(branch: Branch, above: readonly string[]): InputError[] {
  const found = [...branch].flatMap(([name, below]): InputError[] => {
    const path = [...above, name]
    if (below instanceof Map && below.size > 0) return rest(below, path)
    return [{ path: path.join('.'), got: 'a parameter', want: 'none of this name: it means nothing here' }]
  })
  return found.slice(0, REST_MAX)
}

/** A text as what the schema asks for, where it can be read as exactly that; else it stays, and the schema refuses it. */
function typed(value: Json, schema: JsonObject): Json {
  if (Array.isArray(value)) {
    const items = schema['items']
    return isObject(items) ? (value as readonly Json[]).map((item) => typed(item, items)) : value
  }
  if (isObject(value)) {
    const properties = isObject(schema['properties']) ? schema['properties'] : {}
    return Object.fromEntries(
      Object.entries(value).map(([name, below]) => {
        const inside = Object.hasOwn(properties, name) ? properties[name] : undefined
        return [name, isObject(inside) ? typed(below, inside) : below]
      }),
    )
  }
  if (typeof value !== 'string') return value
  switch (schema['type']) {
    case 'integer':
      return /^(?:0|-?[1-9][0-9]{0,15})$/.test(value) && Number.isSafeInteger(Number(value)) ? Number(value) : value
    case 'number':
      // A double keeps fifteen digits, whatever they are.
      return /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$/.test(value) && value.replace(/\D/g, '').length <= 15
        ? Number(value)
        : value
    case 'boolean':
      return value === 'true' ? true : value === 'false' ? false : value
    default:
      return value
  }
}

function isObject(value: Json | Branch | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Map)
}
