import { readFile, stat } from 'node:fs/promises'
import { CST, isScalar, Lexer, parseDocument, visit } from 'yaml'
import { didYouMean } from '../../core/policy/finding.ts'
import type { Json, JsonObject } from '../../core/types.ts'
import { refuse } from './refused.ts'

/** An OpenAPI document as it was read. */
export interface OpenApi {
  readonly file: string
  readonly root: JsonObject
}

/** Somebody else's file: it is bounded before it is parsed. A parser of YAML is not linear in all it is given. */
const BYTES_MOST = 10_000_000
const YAML_BYTES_MOST = 2_000_000
const TOKENS_MOST = 400_000
const DEPTH_MOST = 64

/** @throws Refused: not there, too large, not OpenAPI 3.0 or 3.1, or YAML that grows when it is read. */
export async function readOpenApi(file: string): Promise<OpenApi> {
  const size = await stat(file).then(
    (stats) => (stats.isFile() ? stats.size : refuse(file, 'this is no file')),
    (error: NodeJS.ErrnoException) => refuse(file, `it cannot be read (${error.code})`),
  )
  if (size >= BYTES_MOST) {
    refuse(file, `it has ${size} bytes`, `A document has less than ${BYTES_MOST} bytes. Cut the operation out of it.`)
  }
  const bytes = await readFile(file)
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return refuse(file, 'it is not UTF-8')
  }
  const root = /^\s*\{/.test(text) ? fromJson(file, text) : fromYaml(file, text)
  if (!isObject(root)) return refuse(file, 'an OpenAPI document is a map')
  const { openapi, swagger } = root
  if (typeof openapi !== 'string' || !/^3\.[01](?:\.[0-9]+)?$/.test(openapi)) {
    const what = swagger === undefined ? 'this is no OpenAPI 3.0 or 3.1' : `this is Swagger ${String(swagger)}`
    return refuse(file, what, 'Convert it to OpenAPI 3.1 first.')
  }
  return { file, root }
}

function fromJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return refuse(file, 'it begins as JSON and cannot be read as JSON')
  }
}

function fromYaml(file: string, text: string): unknown {
  if (text.length > YAML_BYTES_MOST) {
    refuse(file, `YAML of ${text.length} characters`, `Above ${YAML_BYTES_MOST} characters, convert it to JSON first.`)
  }
  judgeTokens(file, text)
  const document = parseDocument(text, { uniqueKeys: false, merge: false, strict: true, logLevel: 'silent' })
  const [error] = document.errors
  if (error !== undefined) refuse(file, `it cannot be read as YAML: ${error.message.split('\n')[0]}`)
  visit(document, {
    Map(_key, { items }) {
      const keys = new Set<string>()
      for (const { key } of items) {
        const name = isScalar(key) ? String(key.value) : '?'
        if (keys.has(name)) refuse(file, `the key \`${name}\` stands twice in one map`, 'Keep one of the two.')
        keys.add(name)
      }
    },
  })
  return document.toJS({ maxAliasCount: 0 })
}

/** Before anything recursive sees the text: what multiplies itself, names a type to build, or is nested beyond reason. */
function judgeTokens(file: string, text: string): void {
  let tokens = 0
  let depth = 0
  for (const token of new Lexer().lex(text)) {
    const type = CST.tokenType(token)
    if (type === 'anchor' || type === 'alias')
      refuse(file, 'it has anchors or aliases', 'Write the values out, or use $ref.')
    if (type === 'tag') refuse(file, 'it has YAML tags', 'Take them out.')
    if (type === 'flow-map-start' || type === 'flow-seq-start') depth++
    if (type === 'flow-map-end' || type === 'flow-seq-end') depth--
    if (++tokens > TOKENS_MOST || depth > DEPTH_MOST) refuse(file, 'it is too large or nested too deeply for YAML')
  }
}

/** One operation with its place, and what its path says for all of its operations. */
export interface Operation {
  readonly method: string
  readonly path: string
  readonly operation: JsonObject
  readonly parameters: readonly Json[]
}

const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'options', 'head', 'trace']

/** @throws Refused when no operation, or more than one, has this id. */
export function operationOf(api: OpenApi, id: string): Operation {
  const found: Operation[] = []
  const known: string[] = []
  let nameless = 0
  for (const [path, item] of Object.entries(objectAt(api.root, 'paths'))) {
    const whole = resolved(api, item, `paths.${path}`)
    for (const method of METHODS.filter((name) => Object.hasOwn(whole, name))) {
      const operation = whole[method]
      if (!isObject(operation)) continue
      const { operationId } = operation
      if (typeof operationId === 'string') known.push(operationId)
      else nameless++
      if (operationId === id) found.push({ method, path, operation, parameters: listAt(whole, 'parameters') })
    }
  }
  const [first, second] = found
  if (second !== undefined) refuse(api.file, `${found.length} operations are called ${id}`, 'An operationId names one.')
  if (first !== undefined) return first
  if (known.length === 0)
    refuse(
      api.file,
      `none of its ${nameless} operations has an operationId`,
      'Give the one that you mean an operationId.',
    )
  return refuse(
    api.file,
    `no operation is called ${id}`,
    sentence(didYouMean(id, known, `There are: ${known.slice(0, 20).join(', ')}`)),
  )
}

/** What a `$ref` of this document leads to. @throws Refused for one that leads out of it, to nothing, or in a circle. */
export function resolved(
  api: OpenApi,
  value: Json | undefined,
  where: string,
  chain: readonly string[] = [],
): JsonObject {
  if (!isObject(value)) return refuse(where, 'there is no map')
  const { $ref: ref } = value
  if (ref === undefined) return value
  if (typeof ref !== 'string' || !ref.startsWith('#/')) {
    return refuse(
      where,
      `$ref leads out of the document: ${String(ref).slice(0, 100)}`,
      'Bundle the document into one file first.',
    )
  }
  if (chain.includes(ref) || chain.length > DEPTH_MOST) {
    return refuse(
      where,
      `${ref} contains itself`,
      'The policy language has no recursion. Leave the member out: --without MEMBER',
    )
  }
  const steps = ref
    .slice(2)
    .split('/')
    .map((step) => unescaped(step))
  const target = steps.reduce<Json | undefined>(
    (at, step) => (isObject(at) && Object.hasOwn(at, step) ? at[step] : undefined),
    api.root,
  )
  if (target === undefined) return refuse(where, `$ref leads to nothing: ${ref.slice(0, 100)}`)
  return resolved(api, target, where, [...chain, ref])
}

/** RFC 6901, section 4, in a URI fragment. */
function unescaped(step: string): string {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')
  } catch {
    return step
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function objectAt(value: JsonObject, name: string): JsonObject {
  const inside = Object.hasOwn(value, name) ? value[name] : undefined
  return isObject(inside) ? inside : {}
}

export function listAt(value: JsonObject, name: string): readonly Json[] {
  const inside = Object.hasOwn(value, name) ? value[name] : undefined
  return Array.isArray(inside) ? (inside as readonly Json[]) : []
}

function sentence(hint: string | undefined): string | undefined {
  return hint === undefined ? undefined : hint.charAt(0).toUpperCase() + hint.slice(1)
}
