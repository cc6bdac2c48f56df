import type { ClientRequest, IncomingMessage } from 'node:http'
import { pipeline, Transform } from 'node:stream'
import type { BackendSpec, Json, JsonObject, Outcome } from '../../gateway/core/types.ts'
import type { Attempt } from '../adapter.ts'
import { evidenceOf } from '../http/answer.ts'
import { connectReason, refusal } from '../http/exchange.ts'
import type { HttpExchange } from './http-exchange.ts'
import { answerHeaders } from './headers.ts'
import type { HeaderLine } from './headers.ts'
import { StreamScrub } from './scrub.ts'
import { Tally } from './tally.ts'

export interface Leg {
  readonly backend: BackendSpec
  readonly base: URL
  readonly target: string
  /** As they go to the backend, the credential among them. */
  readonly headers: readonly HeaderLine[]
  /** The credential in the forms in which it is shown: never passed back. */
  readonly hidden: readonly string[]
  readonly idle_ms: number
  readonly longest_ms: number
  /** The backend refused the credential itself. */
  readonly denied: () => void
}

type By = Extract<Outcome, { kind: 'broken' }>['by']

/** Answers about the gateway's own credential: no agent's business, and easily taken for a word about its token. */
const ABOUT_OURSELVES: ReadonlySet<number> = new Set([401, 407])

/**
 * One exchange on its way: what has gone by, how long it has stood still, and how it ended. It settles once. Until the
 * first byte left nothing of the agent's body was read and nothing of the answer written; from then on a stream that does
 * not come to its end is broken, whoever ended it.
 */
export class Passage {
  readonly outcome: Promise<Outcome>
  readonly #leg: Leg
  readonly #attempt: Attempt
  readonly #exchange: HttpExchange
  readonly #sent: Tally
  readonly #received: Tally
  #settle: (outcome: Outcome) => void = () => {}
  #settled = false
  #began = false
  #outgoing: ClientRequest | null = null
  #head: IncomingMessage | null = null
  #moved = performance.now()
  #timer: NodeJS.Timeout | null = null
  readonly #since = performance.now()

  constructor(leg: Leg, attempt: Attempt, exchange: HttpExchange) {
    this.#leg = leg
    this.#attempt = attempt
    this.#exchange = exchange
    const { record } = exchange.route
    this.#sent = new Tally(record.request)
    this.#received = new Tally(record.response)
    this.outcome = new Promise((resolve) => (this.#settle = resolve))
    exchange.response.once('close', this.#left)
    attempt.signal.addEventListener('abort', this.#stopped)
    this.#watch()
  }

  /** The last look (R3); a refusal settles: nothing was sent. */
  refused(): Error | null {
    if (this.#settled || this.#exchange.response.destroyed) return new Error('over already')
    const why = refusal(this.#attempt)
    if (why === null) return null
    this.#end(why)
    return new Error('refused')
  }

  /** The request has its connection: the head leaves now, in the turn of the last look, and the body as it comes. */
  begins(outgoing: ClientRequest): void {
    this.#outgoing = outgoing
    if (this.#settled) return void outgoing.destroy()
    for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name)
    for (const [name, value] of this.#leg.headers) outgoing.setHeader(name, value)
    this.#began = true
    this.#moved = performance.now()
    outgoing.flushHeaders()
    this.#exchange.request.on('data', this.#onSent)
  }

  answered(answer: IncomingMessage): void {
    if (this.#settled) return void answer.destroy()
    this.#head = answer
    this.#moved = performance.now()
    const status = answer.statusCode ?? 0
    const encoding = answer.headers['content-encoding'] ?? 'identity'
    if (ABOUT_OURSELVES.has(status)) {
      if (status === 401) this.#leg.denied()
      answer.destroy()
      return this.#whole()
    }
    if (status < 200 || status > 599) return this.#break('backend', `its answer has the status ${status}`)
    if (encoding !== 'identity') return this.#break('backend', 'the answer is compressed, which was not asked for')
    const { base, target, hidden } = this.#leg
    const { response, name } = this.#exchange
    const scrub = new StreamScrub(hidden)
    const about = { below: base, asked: target, route: name, clean: (text: string) => scrub.whole(text) }
    this.#exchange.begin(this.#attempt.id, status, answerHeaders(answer.headers, about))
    pipeline(answer, this.#cleaning(scrub), response, (error) => {
      if (error === undefined || error === null) return this.#whole()
      const late = response.writableFinished
      if (late) this.#whole()
      else if (answer.complete || response.errored === null) this.#break('agent', LEFT)
      else this.#break('backend', 'the connection was lost before the answer was complete')
    })
  }

  failed(error: Error): void {
    if (this.#began) return this.#break('backend', 'the connection was lost before the answer was complete')
    this.#end({ kind: 'not_sent', code: 'backend_unavailable', reason: connectReason(error) })
  }

  #cleaning(scrub: StreamScrub): Transform {
    const leaves = (piece: Buffer): Buffer | null => {
      if (piece.length === 0) return null
      this.#received.count(piece)
      return piece
    }
    const pass = (piece: Buffer | null, into: Transform): void => void (piece === null || into.push(piece))
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        this.#moved = performance.now()
        done(null, leaves(scrub.push(chunk)) ?? undefined)
      },
      flush(done) {
        pass(leaves(scrub.flush()), this)
        done()
      },
    })
  }

  readonly #onSent = (chunk: Buffer): void => {
    this.#moved = performance.now()
    this.#sent.count(chunk)
    const { request_max } = this.#exchange.route
    if (this.#sent.bytes <= request_max) return
    this.#break('agent', `the body has more than ${request_max} bytes`, { too_large: true })
  }

  readonly #left = (): void => {
    if (this.#exchange.response.writableFinished) return
    if (this.#began) this.#break('agent', LEFT)
    else this.#end({ kind: 'not_sent', code: 'left', reason: LEFT })
  }

  readonly #stopped = (): void => {
    if (!this.#began) this.#end({ kind: 'not_sent', reason: 'the attempt was stopped, before anything was sent' })
  }

  /** One timer for all bounds: before the head the backend's `timeout`, after it `idle`; over all of it `longest`. */
  #watch(): void {
    const now = performance.now()
    const { backend, idle_ms, longest_ms } = this.#leg
    const silence = this.#moved + (this.#head === null ? backend.timeout_ms : idle_ms)
    const due = this.#began
      ? Math.min(silence, this.#since + longest_ms)
      : Math.min(this.#since + backend.timeout_ms, this.#attempt.notAfter)
    if (now < due) {
      this.#timer = setTimeout(() => this.#watch(), Math.ceil(due - now))
      return
    }
    if (!this.#began) {
      const reason = 'the backend could not be reached in time, before anything was sent'
      return this.#end({ kind: 'not_sent', code: 'backend_unavailable', reason })
    }
    if (now >= this.#since + longest_ms) return this.#break('gateway', `it took longer than ${longest_ms} ms`)
    // Whose turn it was: what is full waits for whoever reads from it.
    const { request, response } = this.#exchange
    const agent =
      this.#head === null ? !request.complete && this.#outgoing?.writableNeedDrain !== true : response.writableNeedDrain
    this.#break(
      agent ? 'agent' : 'backend',
      agent ? 'the agent stood still for too long' : 'the backend did not answer in time',
    )
  }

  /** The answer is over: what it says settles, or does not. */
  #whole(): void {
    if (this.#settled) return
    const { backend } = this.#leg
    const status = this.#head?.statusCode ?? 0
    if ((status >= 200 && status < 300) || status === 304) {
      const { evidence, output } = this.#kept('done')
      return this.#end({ kind: 'done', output, evidence })
    }
    const message = `the backend answered ${status}`
    if (backend.final.includes(status)) {
      const { evidence, output } = this.#kept('refused')
      return this.#end({ kind: 'refused', status, message, evidence, output })
    }
    const { evidence, output } = this.#kept('broken', message)
    this.#end({ kind: 'broken', by: 'backend', answered: true, reason: message, evidence, output })
  }

  #break(by: By, reason: string, more: JsonObject = {}): void {
    if (this.#settled) return
    const { evidence, output } = this.#kept('broken', reason)
    this.#end({ kind: 'broken', by, answered: false, reason, evidence: { ...evidence, ...more }, output })
    this.#outgoing?.destroy()
    this.#head?.destroy()
    // What was begun and is not whole must not look whole.
    if (this.#exchange.response.headersSent) this.#exchange.response.destroy()
  }

  #kept(outcome: string, reason?: string): { evidence: JsonObject; output: Json } {
    const { backend, hidden } = this.#leg
    const response = this.#received.summary()
    // The digest of a part would tell an honest repeat that its body is another.
    const { digest, ...counted } = this.#sent.summary()
    const request = this.#exchange.request.readableEnded && digest !== undefined ? { digest, ...counted } : counted
    const status = this.#head?.statusCode
    const known = evidenceOf(backend, status, this.#head?.headers ?? {}, hidden)
    return {
      evidence: { ...known, sent: this.#sent.bytes, received: this.#received.bytes },
      output: {
        outcome,
        ...(status === undefined ? {} : { status }),
        request,
        response,
        ...(reason === undefined ? {} : { reason }),
      },
    }
  }

  #end(outcome: Outcome): void {
    if (this.#settled) return
    this.#settled = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#exchange.request.off('data', this.#onSent)
    this.#exchange.response.off('close', this.#left)
    this.#attempt.signal.removeEventListener('abort', this.#stopped)
    if (!this.#began) this.#outgoing?.destroy()
    this.#settle(outcome)
  }
}

const LEFT = 'the agent left before the end'
