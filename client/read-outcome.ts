import type { ProblemBody } from '../gateway/core/problem.ts'
import type { Answer } from './send.ts'
import type { Failed, Outcome, WaitOptions } from './outcome.ts'

/** What an open call can still be asked. */
export interface Follow {
  /** @param from how it stood when it was last looked at. */
  wait(call: string, from: string, options?: WaitOptions): Promise<Outcome>
  cancel(call: string): Promise<Outcome>
}

/**
 * The outcome that an answer tells: an envelope (with `problem` where one looked at the call), or the problem itself.
 *
 * @returns null for a problem of which only the call's own state says whether it is `denied` or `not_sent`.
 */
export function outcomeOf({ status, body, replayed, retry_after_ms }: Answer, follow: Follow): Outcome | null {
  const said = (typeof body === 'object' && body !== null ? body : {}) as Said
  if (said.problem !== undefined) return refused(said.status as Settled, said.problem, replayed)
  if (typeof said.call === 'string' && typeof said.status === 'string') return envelope(said, replayed, follow)
  if (said.code === undefined || said.detail === undefined) return failed('unreachable', NO_GATEWAY(status), {})
  const problem = said as unknown as ProblemBody
  const more = retry_after_ms === null ? {} : { retry_after: Math.ceil(retry_after_ms / 1000) }
  if (problem.call === undefined) return { ...told(problem), ...more, status: 'error', code: problem.code }
  if (problem.status === 503) return null
  const state = problem.code === 'backend_refused' ? 'refused' : problem.code
  return refused(OWN_CODES.has(state) ? (state as Settled) : 'denied', problem, replayed)
}

export function failed(code: Failed['code'], detail: string, more: Partial<Failed>): Failed {
  return { status: 'error', code, detail, retry: 'same_key', ...more }
}

type Settled = 'denied' | 'refused' | 'rejected' | 'expired' | 'cancelled' | 'not_sent'
type Said = { readonly [member: string]: unknown } & { readonly problem?: ProblemBody }

const OWN_CODES: ReadonlySet<string> = new Set(['refused', 'rejected', 'expired', 'cancelled'])
const NO_GATEWAY = (status: number) =>
  `What answers there is no Keystay gateway (status ${status}). Whether anything arrived at one is not known: ask again under the same key.`

function envelope(said: Said, replayed: boolean, follow: Follow): Outcome {
  const { status, call, action, limits, entry, output, output_gone, evidence } = said
  const common = { status, call, action, limits, entry, replayed }
  const id = String(call)
  const wait = (options?: WaitOptions) => follow.wait(id, String(status), options)
  if (status === 'done') {
    const answer = output_gone === true ? { output: null, output_gone: true } : { output, output_gone: false }
    return { ...common, evidence: evidence ?? {}, ...answer } as Outcome
  }
  if (status === 'held') {
    const { need, expires_at, approve_at } = said
    return { ...common, need, expires_at, approve_at, wait, cancel: () => follow.cancel(id) } as Outcome
  }
  if (said['dry_run'] !== undefined) {
    const detail = 'A dry run: nothing was sent.'
    return { ...common, code: 'denied', detail, retry: 'never', dry_run: said['dry_run'] } as unknown as Outcome
  }
  return { ...common, wait } as Outcome
}

/** @param status which the problem stands for. */
export function refused(status: Settled, problem: ProblemBody, replayed: boolean): Outcome {
  const { call = '', entry = '', code } = problem
  return { ...told(problem), status, code, call, entry, replayed } as Outcome
}

function told({ detail, retry, retry_after, because, errors, next, resets_at }: ProblemBody) {
  const all = { detail, retry, retry_after, because, errors, next, resets_at }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as typeof all
}
