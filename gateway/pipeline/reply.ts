import { viewOf } from '../core/admit.ts'
import { isOwed } from '../core/join.ts'
import { keep } from '../core/redact.ts'
import { PROBLEMS, problemBody } from '../core/problem.ts'
import type { Code, ProblemBody, ProblemMembers } from '../core/problem.ts'
import type { Call, CallState, CallStatus, Json, JsonObject, LimitView, Want } from '../core/types.ts'
import type { Envelope, Reply } from './gateway.ts'
import type { House } from './house.ts'

/** @returns what the outside calls this state. */
export function statusOf(state: CallState): CallStatus {
  return state === 'intent' || state === 'executing' ? 'running' : state
}

/** @returns the stored states that the outside calls this status. */
export function statesOf(status: CallStatus): readonly CallState[] {
  return status === 'running' ? ['intent', 'executing'] : [status]
}

/** Nothing further happens by itself and no answer will change. */
export function isSettled(call: Call): boolean {
  const open: readonly CallState[] = ['held', 'intent', 'executing', 'unknown', 'needs_human']
  return !open.includes(call.state)
}

/**
 * The one envelope of a call, as it stands now, for whoever holds this session.
 *
 * @param kept the answer that was kept with this state, JSON, where it is at hand; else it is read.
 */
export async function replyFor(
  house: House,
  call: Call,
  session: { readonly expires_at: number },
  replayed: boolean,
  extra: ProblemMembers = {},
  kept: string | null = null,
): Promise<Reply> {
  const now = house.clock.now()
  const problem = problemOf(call, now, extra)
  const envelope: Envelope = {
    call: call.id,
    action: call.action,
    status: statusOf(call.state),
    ...(await outputOf(house, call, now, kept)),
    ...(call.state === 'done' || call.state === 'refused' ? { evidence: evidenceOf(call) } : {}),
    limits: await limitsOf(house, call.reserve, now),
    session: { expires_in: Math.max(0, Math.floor((session.expires_at - now) / 1000)) },
    entry: call.entry,
    ...(call.state === 'held'
      ? {
          need: call.need.map(({ count, of, have }) => ({ count, of, have })),
          expires_at: new Date(call.expires_at ?? now).toISOString(),
          approve_at: `${house.adminUrl()}/admin/v1/calls/${call.id}`,
        }
      : {}),
    ...(Object.hasOwn(DOUBT, call.state) ? { detail: DOUBT[call.state] } : {}),
    ...(problem === null ? {} : { problem }),
  }
  return { replayed, envelope, problem, ...(isOwed(call) ? { owed: { to: call.telling?.by ?? null } } : {}) }
}

const HOLD_ON = 'Do not send it again under another key: it could happen twice.'
/** What whoever asked must know while nobody knows what became of it. */
const DOUBT: { readonly [state in CallState]?: string } = {
  unknown: `Whether it happened is not known yet; the gateway finds out. ${HOLD_ON}`,
  needs_human: `Whether it happened is not known; people find out. ${HOLD_ON}`,
}

/** The link into the backend's own log, and who let it go. */
function evidenceOf({ evidence, approvals }: Call): JsonObject {
  return approvals.length === 0 ? evidence : { ...evidence, approved_by: approvals.map(({ name }) => name) }
}

async function outputOf(
  house: House,
  call: Call,
  now: number,
  kept: string | null,
): Promise<{ output?: Json; output_gone?: true }> {
  if (call.state !== 'done' && !(call.state === 'refused' && call.streamed === true)) return {}
  if (call.replay_until !== null && call.replay_until <= now) return { output_gone: true }
  const output = kept ?? (await house.store.bodies(call.id))?.output ?? null
  // Found done by a recheck or by people: there never was an answer to keep.
  if (output === null) return { output_gone: true }
  const whole = JSON.parse(output) as Json
  return { output: call.streamed === true ? withoutBodies(whole) : whole }
}

/** What was recorded of a stream is for people: its agent has had it, and a repeat is told how much and which. */
function withoutBodies(output: Json): Json {
  return keep(output, [
    'outcome',
    'status',
    'reason',
    ...['request', 'response'].flatMap((at) => [`${at}.bytes`, `${at}.digest`]),
  ])
}

/** What is left of each limit that has a maximum. */
export async function limitsOf(house: House, wants: readonly Want[], now: number): Promise<LimitView[]> {
  const shown = wants.filter(({ kind }) => kind === 'budget' || kind === 'rate')
  const states = await house.store.limits(shown.map(({ limit }) => limit))
  return shown.flatMap((want) => viewOf(want, states.get(want.limit) ?? { held: 0, buckets: new Map() }, now) ?? [])
}

const GIVEN =
  'The login was answered once, to the request that made it, and is kept nowhere. Ask for another under a new key.'

/** When to come back to something that ends when other calls do. Seconds. */
const RETRY_S = 5
/** A read that failed harms nobody when it is asked again; whoever is told to come back is told when. */
const AGAIN = { retry: 'after', retry_after: RETRY_S } as const
/** People freeze for minutes at least. */
const FROZEN_S = 60

/** What a POST says instead of the envelope; null for what goes on or went well. */
export function problemOf(call: Call, now: number, extra: ProblemMembers = {}): ProblemBody | null {
  const common: ProblemMembers = { call: call.id, entry: call.entry, ...extra }
  const detail = call.detail ?? ''
  const soon = call.code === 'rate_limited' ? { retry_after: RETRY_S } : {}
  const wait = call.retry_at === null ? soon : { retry_after: Math.max(1, Math.ceil((call.retry_at - now) / 1000)) }
  switch (call.state) {
    case 'denied': {
      const lines = call.because.length > 0 ? { because: call.because } : {}
      const next = call.next.length > 0 ? { next: call.next } : {}
      const resets = call.retry_at === null ? {} : { resets_at: new Date(call.retry_at).toISOString() }
      const later: ProblemMembers = 'retry_after' in wait ? { retry: 'after', ...wait, ...resets } : {}
      const read: ProblemMembers = PROBLEMS[call.code as Code].status === 503 && call.effect === 'read' ? AGAIN : {}
      const frozen = call.code === 'frozen' ? { retry_after: FROZEN_S } : {}
      return problemBody(call.code as Code, detail, { ...common, ...lines, ...next, ...frozen, ...read, ...later })
    }
    case 'refused':
      return problemBody('backend_refused', detail, {
        ...common,
        ...(call.effect === 'read' ? AGAIN : {}),
        ...wait,
      })
    case 'not_sent':
      return problemBody(call.code as Code, `${detail}. Nothing was sent and the key is free.`, {
        ...common,
        ...(call.effect === 'read' ? AGAIN : {}),
      })
    case 'rejected':
    case 'expired':
    case 'cancelled':
      return problemBody(call.state, detail, common)
    case 'held':
    case 'intent':
    case 'executing':
    case 'unknown':
    case 'needs_human':
      return null
    case 'done':
      if (call.effect === 'lease') return problemBody('lease_already_given', GIVEN, common)
      if (call.evidence['broken'] === undefined) return null
      if (call.evidence['too_large'] === true)
        return problemBody('too_large', `${detail}; it was cut off there.`, common)
      return problemBody('exchange_broken', `${detail}. Whether it had an effect is not known.`, {
        ...common,
        ...(call.effect === 'read' ? AGAIN : {}),
      })
  }
}
