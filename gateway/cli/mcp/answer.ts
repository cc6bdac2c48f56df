import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { membersOf } from './message.ts'

/**
 * The messages of an answer, as they came, each on a line: one of JSON, or those of a stream of events.
 *
 * @param heard is told whenever anything came, so that silence can be told from work.
 */
export async function* messagesOf(response: Response, heard: () => void): AsyncGenerator<string> {
  if (response.body === null) return
  const type = response.headers.get('content-type') ?? ''
  if (!type.startsWith('text/event-stream')) {
    const line = messageOf(await response.text())
    if (line !== null) yield line
    return
  }
  let data: string[] = []
  for await (const line of createInterface({ input: Readable.fromWeb(response.body as ReadableStream) })) {
    heard()
    // Server-sent events: `data:` lines until an empty one; comments keep the connection alive.
    if (line.startsWith('data:')) data.push(line.slice(line.startsWith('data: ') ? 6 : 5))
    if (line !== '' || data.length === 0) continue
    const message = messageOf(data.join('\n'))
    data = []
    if (message !== null) yield message
  }
}

/** @returns null for what is no JSON-RPC: standard output carries the protocol and nothing else. */
function messageOf(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text)
    if (membersOf(value)['jsonrpc'] !== '2.0') return null
    // Written as it came where that is one line.
    return /[\r\n]/.test(text) ? JSON.stringify(value) : text
  } catch {
    return null
  }
}

/** An error of JSON-RPC that the bridge says itself. Codes from -32000 on are for whoever implements (JSON-RPC 2.0, section 5.1). */
export function errorLine(id: string | number | null, code: number, message: string, data?: object): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code, message, ...(data === undefined ? {} : { data }) } })
}

/** Whether a message is the answer to a request, and not word of its progress. */
export function isAnswer(line: string): boolean {
  return membersOf(JSON.parse(line))['method'] === undefined
}
