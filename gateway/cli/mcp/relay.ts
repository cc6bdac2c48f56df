import { addressOf } from '../ask.ts'
import { EXIT, Failure } from '../exit.ts'
import { errorLine, isAnswer, messagesOf } from './answer.ts'
import type { HeldSession } from './held-session.ts'
import { membersOf, readIncoming } from './message.ts'
import type { Incoming } from './message.ts'

export interface RelayParts {
  /** The gateway's listener for agents. */
  readonly gateway: string
  readonly session: HeldSession
  /** Writes one line of the protocol. */
  readonly write: (line: string) => void
  readonly say: (text: string) => void
  /** How long a request waits for a sign-in that a person must give. */
  readonly sign_in_ms?: number
  readonly silence_ms?: number
}

export interface Relay {
  /** Sends one line on, and writes what comes back. Never rejects: whatever goes wrong is an error of JSON-RPC. */
  take(line: Buffer | null): Promise<void>
  /** Requests on their way come back; the calls that they asked for go on. */
  abort(): void
}

/** Clients give a request a minute. */
const SIGN_IN_MS = 50_000
/** A gateway answers within 25 s, or sends something every ten. */
const SILENCE_MS = 60_000
const AT_ONCE_MAX = 64

/**
 * Between lines and `POST /mcp`. Messages of either revision go through as their bytes are: what they mean is the gateway's
 * to say, strictly and with its own words, whatever door they came by.
 */
export function relay(parts: RelayParts): Relay {
  const { gateway, session, write, say, sign_in_ms = SIGN_IN_MS, silence_ms = SILENCE_MS } = parts
  const url = addressOf(gateway, '/mcp')
  const under = new Map<string | number, AbortController>()
  const all = new Set<AbortController>()
  /** What `initialize` agreed on, in revisions that have it; later requests say so in a header. */
  let revision: string | null = null

  const post = (line: Buffer, token: string, { headers }: Incoming, signal: AbortSignal): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      redirect: 'manual',
      signal,
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...(revision === null ? {} : { 'mcp-protocol-version': revision }),
        ...headers,
        authorization: `Bearer ${token}`,
      },
      body: new Uint8Array(line),
    })

  const exchange = async (line: Buffer, incoming: Incoming, stop: AbortController): Promise<void> => {
    let timer: NodeJS.Timeout | undefined
    const heard = () => {
      clearTimeout(timer)
      timer = setTimeout(
        () => stop.abort(new Failure(EXIT.unreachable, `No answer from ${url.origin} for a minute.`)),
        silence_ms,
      )
      timer.unref()
    }
    try {
      let token = await within(session.token(), sign_in_ms)
      // From here on: the time that a person takes to sign in is no silence of the gateway's.
      heard()
      let response = await post(line, token, incoming, stop.signal)
      if (response.status === 401) {
        const text = await response.text()
        clearTimeout(timer)
        await within(session.refused(token, codeIn(text)), sign_in_ms)
        const before = token
        token = await within(session.token(), sign_in_ms)
        heard()
        response = token === before ? new Response(text, response) : await post(line, token, incoming, stop.signal)
      }
      let answered = false
      for await (const message of messagesOf(response, heard)) {
        answered ||= isAnswer(message)
        if (incoming.method === 'initialize') revision = agreed(message) ?? revision
        if (!stop.signal.aborted && incoming.asks) write(message)
      }
      if (!answered && incoming.asks && !stop.signal.aborted)
        write(errorLine(incoming.id ?? null, -32_000, noAnswer(url, response.status)))
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    async take(line) {
      if (line === null)
        return write(errorLine(null, -32_600, 'The message is longer than 1 MB; the gateway takes 64 KB.'))
      if (line.toString('latin1').trim() === '') return
      const incoming = readIncoming(line)
      if (incoming === null) return write(errorLine(null, -32_700, 'This line is no JSON.'))
      const { id, asks, cancels } = incoming
      if (cancels !== undefined) under.get(cancels)?.abort()
      if (all.size >= AT_ONCE_MAX)
        return write(
          errorLine(id ?? null, -32_000, `More than ${AT_ONCE_MAX} requests are on their way. Wait for their answers.`),
        )
      const stop = new AbortController()
      all.add(stop)
      if (id !== undefined) under.set(id, stop)
      try {
        await exchange(line, incoming, stop)
      } catch (error) {
        const { text, data } = told(error, stop.signal, url)
        // Whoever took a request back, or has left, waits for nothing.
        const gone = stop.signal.aborted && !(stop.signal.reason instanceof Failure)
        if (asks && !gone) write(errorLine(id ?? null, -32_000, text, data))
        if (!gone) say(text)
      } finally {
        all.delete(stop)
        if (id !== undefined && under.get(id) === stop) under.delete(id)
      }
    },
    abort() {
      for (const stop of all) stop.abort()
    },
  }
}

/** @throws Failure where it takes longer; it goes on, and the next request finds what became of it. */
async function within<Value>(work: Promise<Value>, ms: number): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const text = 'The sign-in waits for a person. Where to go and what to type stands in the log of this server.'
    timer = setTimeout(() => reject(new Failure(EXIT.denied, text)), ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

function agreed(message: string): string | null {
  const { protocolVersion } = membersOf(membersOf(JSON.parse(message))['result'])
  return typeof protocolVersion === 'string' && /^[\x21-\x7E]{1,64}$/.test(protocolVersion) ? protocolVersion : null
}

/** The code of the problem that an answer of 401 carries. */
function codeIn(text: string): string {
  try {
    const { error } = membersOf(JSON.parse(text))
    return String(membersOf(membersOf(error)['data'])['code'] ?? '')
  } catch {
    return ''
  }
}

function noAnswer(url: URL, status: number): string {
  return `${url.origin} gave no answer of MCP (status ${status}). Ask again; a write under the same request_key never acts twice.`
}

/** For whoever waits: one sentence, and what to do. */
function told(error: unknown, signal: AbortSignal, url: URL): { text: string; data: object } {
  const failure = signal.reason instanceof Failure ? signal.reason : error
  if (failure instanceof Failure)
    return { text: failure.message, data: { code: 'not_signed_in', ...problemOf(failure) } }
  const cause = ((error as Error).cause as { code?: string } | undefined)?.code ?? (error as Error).name
  const text = `No gateway answers at ${url.origin} (${cause}). Whether it arrived is not known: ask again under the same request_key, which never acts twice.`
  return { text, data: { code: 'unreachable', retry: 'same_key' } }
}

function problemOf({ exit, body }: Failure): object {
  if (exit === EXIT.unreachable) return { code: 'unreachable', retry: 'same_key' }
  const { error } = membersOf(membersOf(body)['problem'])
  return typeof error === 'string' ? { error } : {}
}
