import type { IncomingMessage } from 'node:http'
import type { Code, ProblemBody } from '../../core/problem.ts'
import type { Json } from '../../core/types.ts'
import type { Envelope } from '../../pipeline/gateway.ts'
import type { Answer } from '../send.ts'

/**
 * What one API's SDK sends and wants to hear, and nothing else: the frame (compat-app.ts) finds the action, makes its
 * input by the declaration in the policy, and asks. Another API is one more of these, and its name in core/endpoint.ts.
 */
export interface Shape {
  /** As `compat:` of an action calls it. */
  readonly name: string
  /** How parameters stand in a body. In a query they are a form always. */
  readonly body: 'form' | 'json'
  /** Headers by which a request would mean something that no action knows; a request with one is refused. */
  readonly refused: readonly string[]
  /**
   * How a request that acts names its effect. `unnamed`: nobody chose the key, or there is none: an equal call that is
   * open is joined (docs/decisions/009-the-door-of-stripes-shape.md).
   *
   * @throws Problem malformed, key_required.
   */
  keyOf(request: IncomingMessage): { readonly key: string | null; readonly unnamed: boolean }
  /** `input.note.text` of an error, as whoever sent the parameters calls it: `metadata[note]`. */
  paramOf(path: readonly string[]): string
  /** The action was done. `body`: the output, shaped as the policy says. */
  done(body: Json, envelope: Envelope, replayed: boolean): Answer
  /** Anything else. No status may make the SDK repeat the request by itself. */
  refusal(refused: Refused): Answer
}

/** Why a request was not done, or not yet. */
export interface Refused {
  /** Of a problem, or the state that the call is in. */
  readonly code: Code | 'held' | 'running' | 'unknown' | 'needs_human'
  /** In words, with what to do next. */
  readonly message: string
  readonly call?: string
  /** The parameter at fault, as `paramOf` calls it. */
  readonly param?: string
  readonly problem?: ProblemBody
  readonly envelope?: Envelope
}
