import type { Json, JsonObject } from '../../core/types.ts'
import { isObject, listAt, objectAt, resolved } from './document.ts'
import type { OpenApi, Operation } from './document.ts'
import { isName, memberOf, membersOf, objectOf, oneLine } from './member.ts'
import type { Narrowing } from './member.ts'
import { refuse } from './refused.ts'

export interface Wanted {
  /** Of the action; made of backend and operationId unless said. */
  readonly name: string
  readonly backend: string
  /** Optional members that are wanted; null: all that can be said. */
  readonly only: ReadonlySet<string> | null
}

/** An action as the policy writes it, and what is to be said about it. */
export interface Imported {
  readonly action: JsonObject
  readonly notes: readonly string[]
}

/** Framing, credential and chain of custody are the adapter's. */
const OURS =
  /^(?:host|connection|keep-alive|content-length|transfer-encoding|te|trailer|upgrade|expect|authorization|proxy-.*|cookie|user-agent|accept.*|range|content-type|idempotency-key|keystay-.*)$/i

/** One operation as a narrow action. @throws Refused. */
export function actionOf(operation: Operation, wanted: Wanted, narrowing: Narrowing): Imported {
  const { method, path } = operation
  if (!['get', 'post', 'put', 'patch', 'delete'].includes(method))
    refuse(`${method.toUpperCase()} ${path}`, 'this method is none of an action')
  const parts = partsOf(operation, narrowing)
  const request: { [key: string]: Json } = { [method.toUpperCase()]: parts.path }
  const input: { [name: string]: JsonObject } = { ...parts.input }
  if (Object.keys(parts.query).length > 0) request['query'] = parts.query
  const body = bodyOf(operation, wanted, narrowing, (name) => ours(name, input))
  Object.assign(input, body.input)
  if (body.kind !== null && Object.keys(body.tree).length > 0) request[body.kind] = body.tree
  if (Object.keys(parts.headers).length > 0) request['headers'] = parts.headers
  if (wanted.only !== null) {
    for (const name of wanted.only) {
      if (!(name in input) && !(`${name}?` in input) && !body.known.has(name) && !parts.known.has(name))
        refuse(`--only ${name}`, 'the operation has no such member')
    }
  }
  const { operation: said } = operation
  const describe = [oneLine(said['summary']), oneLine(said['description'])].filter((text) => text !== null).join(' ')
  const action: JsonObject = {
    action: wanted.name,
    describe: (describe || `${method.toUpperCase()} ${path}`).slice(0, 400),
    effect: method === 'get' ? 'read' : 'write',
    ...(Object.keys(input).length > 0 ? { input } : {}),
    backend: wanted.backend,
    request,
    output: { keep: keepOf(operation, narrowing) },
    ...(method === 'get' ? {} : { undo: 'none' }),
  }
  return { action, notes: narrowing.notes }
}

interface Parts {
  readonly path: string
  readonly query: JsonObject
  readonly headers: JsonObject
  readonly input: { readonly [name: string]: JsonObject }
  /** As the document names them. */
  readonly known: ReadonlySet<string>
}

function partsOf({ operation, path, parameters }: Operation, narrowing: Narrowing): Parts {
  const { api, notes, without } = narrowing
  const input: { [name: string]: JsonObject } = {}
  const query: { [name: string]: Json } = {}
  const headers: { [name: string]: Json } = {}
  const all = [...parameters, ...listAt(operation, 'parameters')].map((one) => resolved(api, one, 'parameters'))
  // What an operation says of a parameter replaces what its path says.
  const byPlace = new Map(all.map((one) => [`${String(one['in'])} ${String(one['name'])}`, one]))
  let target = path
  for (const parameter of byPlace.values()) {
    const { name, in: place, required, schema } = parameter
    if (typeof name !== 'string') continue
    const must = required === true || place === 'path'
    if (without.has(name) && !must) continue
    if (place === 'header' && OURS.test(name)) {
      notes.push(`${name}: the header is the gateway’s own`)
      continue
    }
    const asked = place === 'cookie' || schema === undefined ? null : member(parameter, name, narrowing, must)
    if (asked === null) {
      if (must) refuse(name, `it comes by ${String(place)} in a way that no action has`)
      notes.push(`${name}: left out`)
      continue
    }
    if (place !== 'path' && ['array', 'object'].includes(String(asked['type']))) {
      if (must) refuse(name, 'a list or a map in a query', 'Write this action by hand.')
      notes.push(`${name}: left out, a list or a map in a ${String(place)}`)
      continue
    }
    const own = ours(name, input)
    if (own === null) refuse(name, 'its name cannot be made one of the policy language')
    input[`${own}${must ? '' : '?'}`] = asked
    const hole = `\${input.${own}${must ? '' : '?'}}`
    if (place === 'path') target = target.replaceAll(`{${name}}`, hole)
    else if (place === 'query') query[name] = hole
    else if (place === 'header') headers[name] = hole
  }
  const open = /(?<!\$)\{([^{}]*)\}/.exec(target)
  if (open !== null) refuse(path, `nothing says what {${open[1]}} is`)
  if (!/^\/[!-~]*$/.test(target)) refuse(path, 'its path holds characters that no request has')
  return { path: target, query, headers, input, known: new Set([...byPlace.values()].map(({ name }) => String(name))) }
}

/** An optional parameter that cannot be said is left out; one that is unclear refuses all the same. */
function member(parameter: JsonObject, name: string, narrowing: Narrowing, must: boolean): JsonObject | null {
  const asked = memberOf(parameter['schema'], name, narrowing)
  const words = oneLine(parameter['description'])
  const said: JsonObject =
    asked['description'] === undefined && words !== null ? { description: words.slice(0, 300) } : {}
  return must || asked['type'] !== undefined || asked['enum'] !== undefined || asked['const'] !== undefined
    ? { ...asked, ...said }
    : null
}

const KINDS: readonly (readonly [string, 'json' | 'form'])[] = [
  ['application/json', 'json'],
  ['application/x-www-form-urlencoded', 'form'],
]

function bodyOf(
  { operation }: Operation,
  { only }: Wanted,
  narrowing: Narrowing,
  named: (name: string) => string | null,
): {
  kind: 'json' | 'form' | null
  tree: JsonObject
  input: { [name: string]: JsonObject }
  known: ReadonlySet<string>
} {
  const { requestBody } = operation
  const none = { kind: null, tree: {}, input: {}, known: new Set<string>() }
  if (requestBody === undefined) return none
  const body = resolved(narrowing.api, requestBody, 'requestBody')
  const content = objectAt(body, 'content')
  const kind = KINDS.find(([type]) => Object.keys(content).some((said) => said.split(';')[0] === type))
  if (kind === undefined) {
    const said = Object.keys(content).join(', ').slice(0, 100)
    if (body['required'] === true)
      refuse('requestBody', `it is ${said}`, 'An action sends JSON or a form. Files go through a route.')
    narrowing.notes.push(`the body is left out: ${said}`)
    return none
  }
  const media = Object.entries(content).find(([said]) => said.split(';')[0] === kind[0])?.[1]
  const schema = isObject(media) ? media['schema'] : undefined
  const whole = wholeOf(schema, narrowing)
  const renamed = new Map<string, string>()
  const input = membersOf(whole, '', narrowing, [], only, (name) => {
    const own = named(name)
    if (own !== null) renamed.set(name, own)
    return own
  })
  const tree: { [name: string]: Json } = {}
  for (const [name, own] of renamed) tree[name] = own in input ? `\${input.${own}}` : `\${input.${own}?}`
  return { kind: kind[1], tree, input, known: new Set(Object.keys(objectAt(whole, 'properties'))) }
}

/** The body's own schema, with its refs, parts and choices settled; its members are narrowed one by one. */
function wholeOf(schema: Json | undefined, narrowing: Narrowing): JsonObject {
  const shape = objectOf(schema, 'body', narrowing)
  if (Object.keys(objectAt(shape, 'properties')).length === 0)
    refuse('body', 'it names no members', 'An action has a closed list of them.')
  return shape
}

/** A name of ours for one of theirs: `chargeId` is `charge_id`. null: there is none, or it is taken. */
function ours(name: string, taken: { readonly [name: string]: unknown }): string | null {
  const plain = name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '')
    .toLowerCase()
  if (!isName(plain)) return null
  for (const one of [plain, `body_${plain}`]) if (!(one in taken) && !(`${one}?` in taken) && isName(one)) return one
  return null
}

const KEPT_MOST = 20
/** What an agent has no use for and nobody wants in a log. */
const SECRET = /secret|token|password|credential|private|api_?key|authorization|cvc|cvv|iban|ssn/i

/** Scalars of the answer, by name; whatever is nested stays with the backend until somebody asks for it. */
function keepOf({ operation }: Operation, { api, notes }: Narrowing): string[] {
  const responses = objectAt(operation, 'responses')
  const ok = Object.keys(responses).find((status) => /^2(?:[0-9]{2}|XX)$/.test(status))
  if (ok === undefined) return []
  const content = objectAt(resolved(api, responses[ok], `responses.${ok}`), 'content')
  const media = Object.entries(content).find(([type]) => type.split(';')[0] === 'application/json')?.[1]
  if (!isObject(media)) return []
  const top = shallow(api, media['schema'])
  const isList = top['type'] === 'array'
  const properties = objectAt(isList ? shallow(api, top['items']) : top, 'properties')
  const names = Object.keys(properties).filter((name) => /^[A-Za-z_][A-Za-z0-9_-]*$/.test(name))
  const scalar = names.filter(
    (name) => !/^(?:object|array)$/.test(String(shallow(api, properties[name])['type'] ?? 'object')),
  )
  const kept = scalar.filter((name) => !SECRET.test(name)).slice(0, KEPT_MOST)
  if (kept.length < names.length)
    notes.push(`of the answer only ${kept.length} of ${names.length} members are kept: add what the agent needs`)
  return kept.map((name) => (isList ? `*.${name}` : name))
}

/** One level of a schema of an answer, whatever is wrong below: nothing is sent by it. */
function shallow(api: OpenApi, schema: Json | undefined): JsonObject {
  try {
    const whole = resolved(api, schema, 'the answer')
    const parts = [...listAt(whole, 'allOf')].map((part) => shallow(api, part))
    const properties = Object.assign(
      {},
      ...parts.map((part) => objectAt(part, 'properties')),
      objectAt(whole, 'properties'),
    ) as JsonObject
    return { ...parts[0], ...whole, properties }
  } catch {
    return {}
  }
}
