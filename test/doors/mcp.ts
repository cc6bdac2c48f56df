/** What a client of MCP sends, by hand: each header and member where a test can change it. */
export interface McpAnswer {
  readonly status: number
  readonly headers: Headers
  /** The last message of the answer; null where there is none. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
  /** Messages before it, on a stream. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly before: readonly any[]
  readonly text: string
}

export interface McpOptions {
  readonly headers?: { readonly [name: string]: string | undefined }
  readonly meta?: { readonly [key: string]: unknown }
  readonly capabilities?: object
  readonly signal?: AbortSignal
  readonly id?: string | number
}

export const TASKS = { extensions: { 'io.modelcontextprotocol/tasks': {} } }

/** A request of revision 2026-07-28. */
export function modern(
  url: string,
  bearer: string,
  method: string,
  params: { readonly [name: string]: unknown } = {},
  { headers = {}, meta = {}, capabilities = {}, id = 1, signal }: McpOptions = {},
): Promise<McpAnswer> {
  const name = params['name'] ?? params['taskId']
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': capabilities,
    ...meta,
  }
  return post(
    url,
    {
      authorization: bearer,
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
      ...headers,
    },
    JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta } }),
    signal,
  )
}

/** A request of revision 2025-11-25, which knows no handshake here: each request stands for itself. */
export function legacy(
  url: string,
  bearer: string,
  method: string,
  params: object = {},
  headers: { readonly [name: string]: string | undefined } = {},
  signal?: AbortSignal,
): Promise<McpAnswer> {
  const own = {
    authorization: bearer,
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2025-11-25',
  }
  return post(url, { ...own, ...headers }, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }), signal)
}

export async function post(
  url: string,
  headers: { readonly [name: string]: string | undefined },
  body: string | Uint8Array<ArrayBuffer>,
  signal?: AbortSignal,
): Promise<McpAnswer> {
  const sent = Object.entries({ 'content-type': 'application/json', ...headers }).filter(
    ([, value]) => value !== undefined,
  )
  const response = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: sent as [string, string][],
    body,
    ...(signal === undefined ? {} : { signal }),
  })
  const text = await response.text()
  const streams = response.headers.get('content-type')?.startsWith('text/event-stream') === true
  const lines = streams ? [...text.matchAll(/^data: (.+)$/gm)].map(([, data]) => data ?? '') : text === '' ? [] : [text]
  const messages = lines.map((line) => JSON.parse(line) as unknown)
  return {
    status: response.status,
    headers: response.headers,
    body: messages.at(-1) ?? null,
    before: messages.slice(0, -1),
    text,
  }
}
