import { Problem } from '../../core/problem.ts'
import type { InputError, Json, JsonObject } from '../../core/types.ts'

/** One JSON-RPC 2.0 request or notification, as it was sent. What it means is for the protocol's own library to say. */
export interface Message {
  /** Absent in a notification. */
  readonly id?: string | number
  readonly method: string
  readonly params: JsonObject
  readonly body: JsonObject
}

/**
 * Tells a message from what is none, with all errors at once: MCP takes one message a request (no batches since
 * 2025-06-18), an id that is a text or an integer and never null, and parameters by name.
 *
 * @throws Problem malformed.
 */
export function readMessage(value: Json): Message {
  if (Array.isArray(value)) {
    const errors = [{ path: '', got: `a list of ${value.length}`, want: 'one message: an object' }]
    throw new Problem('malformed', 'Send one JSON-RPC message a request, not a list of them.', { errors })
  }
  if (!isObject(value)) throw notOne([{ path: '', got: kindOf(value), want: 'an object' }])
  const { jsonrpc, id, method, params } = value
  const errors: InputError[] = []
  const wrong = (path: string, got: Json | undefined, want: string, example: Json) =>
    errors.push({ path, got: kindOf(got), want, example })
  if (jsonrpc !== '2.0') wrong('jsonrpc', jsonrpc, '"2.0"', '2.0')
  if (method === undefined && ('result' in value || 'error' in value)) {
    throw new Problem('malformed', 'This is an answer, and the gateway asks clients nothing.')
  }
  if (typeof method !== 'string' || method === '' || method.length > 200) {
    wrong('method', method, 'the name of a method', 'tools/list')
  }
  if (id !== undefined && !isId(id)) wrong('id', id, 'a text of at most 200 characters or an integer', 1)
  if (params !== undefined && !isObject(params)) wrong('params', params, 'an object', {})
  const meta = isObject(params) ? params['_meta'] : undefined
  if (meta !== undefined && !isObject(meta)) wrong('params._meta', meta, 'an object', {})
  if (method === 'tools/call' && isObject(params) && typeof params['name'] !== 'string') {
    wrong('params.name', params['name'], 'the name of a tool', 'session_info')
  }
  for (const name of Object.keys(value).filter((one) => !MEMBERS.includes(one))) {
    errors.push({ path: name.slice(0, 100), got: 'a member', want: `only ${MEMBERS.join(', ')}` })
  }
  if (errors.length > 0) throw notOne(errors.slice(0, 20))
  return {
    ...(isId(id) ? { id } : {}),
    method: String(method),
    params: isObject(params) ? params : {},
    body: value,
  }
}

const MEMBERS = ['jsonrpc', 'id', 'method', 'params']

/** The id to answer under, of whatever was sent; null where it cannot be told (JSON-RPC 2.0, section 5). */
export function idOf(value: Json): string | number | null {
  return isObject(value) && typeof value['method'] === 'string' && isId(value['id']) ? value['id'] : null
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isId(id: Json | undefined): id is string | number {
  return typeof id === 'string' ? id.length <= 200 : Number.isInteger(id)
}

function notOne(errors: readonly InputError[]): Problem {
  return new Problem('malformed', 'This is no JSON-RPC message: see errors.', { errors })
}

function kindOf(value: Json | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value)
}
