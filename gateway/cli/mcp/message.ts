/** What the bridge needs to know of a JSON-RPC message; the message itself is sent on as its bytes came. */
export interface Incoming {
  /** undefined in a notification, and in what is no message: whatever answers such a thing has the id null. */
  readonly id: string | number | undefined
  /** Whether somebody waits for an answer. */
  readonly asks: boolean
  readonly method: string
  /** What `notifications/cancelled` takes back. */
  readonly cancels: string | number | undefined
  /** Headers that mirror the message (2026-07-28, transports); none for the revisions before. */
  readonly headers: { readonly [name: string]: string }
}

/** @returns null for what is no JSON. */
export function readIncoming(line: Buffer): Incoming | null {
  let value: unknown
  try {
    value = JSON.parse(line.toString('utf8'))
  } catch {
    return null
  }
  const { id, method, params } = membersOf(value)
  const notifies = typeof method === 'string' && id === undefined
  return {
    id: isId(id) ? id : undefined,
    // A list, or an object that is no message, is the gateway's to refuse.
    asks: !notifies,
    method: typeof method === 'string' ? method : '',
    cancels: method === 'notifications/cancelled' ? cancelledBy(params) : undefined,
    headers: typeof method === 'string' ? mirrored(method, membersOf(params)) : {},
  }
}

const REVISION = 'io.modelcontextprotocol/protocolVersion'
const NAMED_BY: { readonly [method: string]: string } = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
}

function mirrored(method: string, params: Members): Incoming['headers'] {
  const revision = membersOf(params['_meta'])[REVISION]
  if (typeof revision !== 'string') return {}
  const name = Object.hasOwn(NAMED_BY, method) ? params[NAMED_BY[method] ?? ''] : undefined
  return {
    'mcp-protocol-version': fieldOf(revision),
    'mcp-method': fieldOf(method),
    ...(typeof name === 'string' ? { 'mcp-name': fieldOf(name) } : {}),
  }
}

/** What no header can carry as it stands is carried in base 64 (SEP-2243, value encoding). */
function fieldOf(text: string): string {
  const plain = /^[\x20-\x7E\t]+$/.test(text) && text === text.trim() && !/^=\?base64\?.*\?=$/s.test(text)
  return plain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`
}

interface Members {
  readonly [member: string]: unknown
}

export function membersOf(value: unknown): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {}
}

function cancelledBy(params: unknown): string | number | undefined {
  const { requestId } = membersOf(params)
  return isId(requestId) ? requestId : undefined
}

function isId(id: unknown): id is string | number {
  return typeof id === 'string' || typeof id === 'number'
}
