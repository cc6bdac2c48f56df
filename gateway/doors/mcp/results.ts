import type { ProblemBody } from '../../core/problem.ts'
import type { CallStatus, JsonObject } from '../../core/types.ts'
import type { Envelope, Reply } from '../../pipeline/gateway.ts'
import type { Scrub } from '../send.ts'

/** The result of a tool: the same twice, as text for models and as structured content for programs. */
export interface ToolResult {
  readonly content: readonly { readonly type: 'text'; readonly text: string }[]
  readonly structuredContent: JsonObject
  readonly isError?: true
}

/** Scrubbed here too: what is text inside JSON is escaped once more on its way out. */
export function resultOf(body: object, scrub: Scrub): ToolResult {
  const text = scrub(JSON.stringify(body))
  return { content: [{ type: 'text', text }], structuredContent: JSON.parse(text) as JsonObject }
}

/** What a model can read and mend: the problem, as a result that is an error; never a fault of the protocol. */
export function problemResult(problem: ProblemBody, scrub: Scrub): ToolResult {
  return { ...resultOf(problem, scrub), isError: true }
}

/** What whoever asked for a call is told: its envelope, and what to do while it goes on; or the problem. */
export function callResult({ envelope, problem, replayed }: Reply, scrub: Scrub): ToolResult {
  // Nothing new happened: the key named this call already.
  const again = replayed ? { replayed } : {}
  return problem === null
    ? resultOf({ ...withAdvice(envelope), ...again }, scrub)
    : problemResult({ ...problem, ...again }, scrub)
}

/** What whoever looks at a call is told: its state, whatever it is, with what the call itself was answered inside. */
export function stateResult({ envelope, problem }: Reply, scrub: Scrub): ToolResult {
  return resultOf(problem === null ? withAdvice(envelope) : { ...envelope, problem }, scrub)
}

function withAdvice(envelope: Envelope): object {
  const advice = ADVICE[envelope.status]
  if (advice === undefined) return envelope
  const look = `Ask call_status with ${JSON.stringify({ call: envelope.call, wait: 20 })}`
  return { ...envelope, do_next: advice.replace('LOOK', () => look).replace('STATE', () => stateInWords(envelope)) }
}

/** In one line, for progress and for the advice. */
export function stateInWords({ status, need = [], expires_at }: Envelope): string {
  if (status !== 'held') return WORDS[status] ?? status
  if (need.length > 0 && need.every(({ have, count }) => have >= count))
    return 'Approved: it is made when you ask again.'
  const who = need.map(({ count, of, have }) => `${count} of ${of} must approve (${have} so far)`).join(', ')
  return `Held: ${who || 'people must approve'}${expires_at === undefined ? '' : `, until ${expires_at}`}.`
}

const WORDS: { readonly [status in CallStatus]?: string } = {
  running: 'It runs.',
  unknown: 'Nobody knows yet whether it happened; the gateway finds out.',
  needs_human: 'Nobody knows whether it happened; people must find out.',
}

const SAME = 'Asking again with the same request_key is safe; another key would be another effect.'
const ADVICE: { readonly [status in CallStatus]?: string } = {
  held: `STATE LOOK, or go on with other work; it runs by itself once approved. ${SAME} call_cancel takes it back.`,
  running: `STATE LOOK. ${SAME}`,
  unknown: `STATE LOOK. ${SAME}`,
  needs_human: `STATE Tell whoever you work for. LOOK later. ${SAME}`,
}
