import { Pool } from 'undici'
import type { Dispatcher } from 'undici'
import { originProblem } from './address.ts'

export interface Question {
  readonly method: 'GET' | 'POST'
  /** Begins with a slash. */
  readonly path: string
  readonly headers: { readonly [name: string]: string }
  readonly body?: string
}
export interface Answer {
  readonly status: number
  readonly text: string
}
export interface LineOptions {
  /** PEM, in place of the machine's authorities. */
  readonly ca?: string | undefined
  readonly ask_ms?: number | undefined
}
/** One origin that secrets come from. */
export interface Line {
  /** @throws Error in words of ours: no answer's text, no header, no cause */
  ask(question: Question): Promise<Answer>
  close(): Promise<void>
}

/** For connection, request and whole answer together. */
const ASK_MS = 5000
/** The most that is read of an answer; Vault itself keeps no larger secrets. */
const ANSWER_MAX = 1024 * 1024
/** Both sources answer in milliseconds; a few connections are plenty, and few are asked for at once. */
const CONNECTIONS = 4

/**
 * HTTP/1.1 to one origin: TLS verified whatever the environment says, no redirect followed, nothing sent twice, answers
 * bounded in size and time.
 *
 * @param whom what it is called in messages
 * @throws Error for an address that is none
 */
export function openLine(whom: string, origin: string, { ca, ask_ms = ASK_MS }: LineOptions): Line {
  const problem = originProblem(origin)
  if (problem !== null) throw new Error(`the address of ${whom} ${problem}`)
  const pool = new Pool(new URL(origin).origin, {
    connections: CONNECTIONS,
    pipelining: 1,
    maxHeaderSize: 16_384,
    connect: { allowH2: false, rejectUnauthorized: true, timeout: ask_ms, ...(ca === undefined ? {} : { ca }) },
  })
  return {
    async ask({ method, path, headers, body }) {
      const signal = AbortSignal.timeout(ask_ms)
      const asking = pool.request({ method, path, headers, body: body ?? null, signal })
      const answer = await asking.catch((error: unknown) => {
        throw new Error(`${whom} cannot be reached: ${signal.aborted ? 'it did not answer in time' : reasonOf(error)}`)
      })
      const text = await readAll(answer).catch((why: unknown) => (why instanceof TooMuch ? why.message : null))
      if (typeof text === 'string') throw new Error(`${whom} cannot be understood: ${text}`)
      if (text === null) throw new Error(`${whom} cannot be reached: the answer ended early`)
      if (answer.statusCode >= 300 && answer.statusCode < 400) {
        throw new Error(`${whom} answered ${answer.statusCode}, a redirect, which is not followed`)
      }
      return { status: answer.statusCode, text: text.text }
    },
    close: () => pool.close(),
  }
}

class TooMuch extends Error {}

async function readAll({ headers, body }: Dispatcher.ResponseData): Promise<{ text: string }> {
  const encoding = headers['content-encoding']
  const pieces: Buffer[] = []
  let bytes = 0
  // one that is left in the middle says so once more, when nobody reads it any longer
  body.on('error', () => {})
  if (encoding !== undefined && encoding !== 'identity') {
    body.destroy()
    throw new TooMuch('the answer is compressed, which was not asked for')
  }
  for await (const piece of body) {
    bytes += (piece as Buffer).length
    if (bytes > ANSWER_MAX) {
      body.destroy()
      throw new TooMuch('the answer is too large')
    }
    pieces.push(piece as Buffer)
  }
  return { text: Buffer.concat(pieces).toString('utf8') }
}

/** The system's or TLS's code; never the text, which may quote what was read. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'ECONNREFUSED') return 'it refuses connections'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'its name is not found'
  if (/TLS|SSL|CERT|SIGNED|ISSUER|SIGNATURE/.test(code)) return `the TLS handshake failed (${code})`
  return /^[A-Z0-9_]{1,64}$/.test(code) ? code : 'the connection failed'
}

/** An answer as JSON; null for what is none. The parser's error would quote it. */
export function jsonOf(text: string): { readonly [name: string]: unknown } | null {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

export function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A text member of a secret's own fields; never one that every object has. @throws Error without the value */
export function fieldOf(fields: unknown, field: string): string {
  const value = isObject(fields) && Object.hasOwn(fields, field) ? fields[field] : undefined
  if (value === undefined) throw new Error('the secret has no such field')
  if (typeof value !== 'string') throw new Error('the field is not a text')
  return value
}
