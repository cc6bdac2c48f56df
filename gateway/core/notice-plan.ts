import { createHash } from 'node:crypto'
import { idFrom, timeOf } from './id.ts'
import { isReady } from './lease.ts'
import type { About, Decided, Notice, NoticeKind, Notify, Wait } from './notice.ts'
import type { Call, Policy } from './types.ts'

/** Names of people come from their issuer and may be anything. */
const NAME_MAX = 100

/**
 * Who is told of a call that waits for people, and when: at once, at half and at 80 % of the hold's life.
 *
 * @param at when it began to wait, ms. @param now times before it are left out.
 * @returns null where it does not wait, or there is nobody to tell.
 */
export function planOf(
  policy: Policy,
  call: Call,
  at: number,
  now: number,
): { readonly wait: Wait; readonly notices: readonly Notice[] } | null {
  const { notify } = policy
  if (notify === undefined || !waits(call)) return null
  const wait = waitOf(call)
  const whom = call.state === 'held' ? toldOf(policy, notify, call) : { first: inDoubt(policy, notify), later: [] }
  const first = whom.first.filter((channel) => notify.channels.has(channel))
  const later = [...new Set([...first, ...whom.later])].filter((channel) => notify.channels.has(channel))
  if (later.length === 0) return null
  const until = call.state === 'held' ? call.expires_at : null
  const say = (kind: NoticeKind, channels: readonly string[], due_at: number) =>
    channels.map((channel) => noticeOf(wait, kind, channel, { made_at: now, due_at, until }))
  if (until === null) return { wait, notices: say('call.needs_human', first, now) }
  const left = (share: number): number => Math.round(at + (until - at) * share)
  const notices = [
    ...say('call.held', first, now),
    ...(left(0.5) > now ? say('call.held.reminder', first, left(0.5)) : []),
    ...(left(0.8) > now ? say('call.held.escalated', later, left(0.8)) : []),
  ]
  return { wait, notices }
}

/** It waits for people now: one that they have let go waits for its agent. */
export function waits(call: Call): boolean {
  return call.state === 'needs_human' || (call.state === 'held' && !isReady(call))
}

/** The one that this call is in; it is another after each card. */
export function waitOf(call: Call): Wait {
  const { id, action, role, cost, need, state, card, expires_at } = call
  const held = state === 'held'
  const about = {
    call: id,
    action,
    role,
    amount: cost,
    need: held ? asked(need) : [],
    expires_at: held ? expires_at : null,
  }
  const name = held ? (card ?? '') : 'needs_human'
  return {
    id: derived('wait', id, [name]),
    call: id,
    state: held ? 'held' : 'needs_human',
    card: held ? card : null,
    about,
    over: null,
  }
}

/** One yes counts in every line that it fits, so of each group the largest count is asked. */
function asked(need: Call['need']): About['need'] {
  const most = new Map<string, number>()
  for (const { count, of } of need) most.set(of, Math.max(count, most.get(of) ?? 0))
  return [...most].map(([of, count]) => ({ count, of }))
}

/** How a wait ended, or null while it goes on. */
export function decidedOf(wait: Wait, call: Call): Decided | null {
  const { state, approvals, settles, detail } = call
  if (wait.state === 'needs_human') {
    if (state === 'needs_human') return null
    return { outcome: 'settled', by: settles.filter(({ outcome }) => outcome === state).map(({ person }) => person) }
  }
  if (state === 'held' && call.card !== wait.card) return { outcome: 'voided', by: [] }
  if (state === 'held' && !isReady(call)) return null
  if (state === 'expired' || state === 'denied') return { outcome: state, by: [] }
  if (state === 'cancelled' && call.need.some(({ have, count }) => have < count)) return { outcome: state, by: [] }
  if (state === 'rejected') {
    // fold/people.ts writes `Rejected by NAME: REASON`; the reason is not for everybody
    const name = /^Rejected by (.*?): /s.exec(detail ?? '')?.[1]
    return { outcome: state, by: name === undefined ? [] : [name.slice(0, NAME_MAX)] }
  }
  return { outcome: 'approved', by: approvals.map(({ name }) => name.slice(0, NAME_MAX)) }
}

/** One for each wait, kind and channel: who makes it a second time makes the same. */
export function noticeOf(
  { id, call, about }: Wait,
  kind: NoticeKind,
  channel: string,
  times: Pick<Notice, 'made_at' | 'due_at' | 'until'>,
  decided: Decided | null = null,
): Notice {
  return {
    id: noticeId(id, call, kind, channel),
    wait: id,
    call,
    channel,
    kind,
    state: 'waiting',
    ...times,
    tries: 0,
    tries_before: 0,
    owner: null,
    said: null,
    about,
    decided,
  }
}

export function noticeId(wait: string, call: string, kind: NoticeKind, channel: string): string {
  return derived('msg', call, [wait, kind, channel])
}

/** The lines that wait still, each with its own channels, its group's, or everybody's. */
function toldOf(
  { roles, groups }: Policy,
  notify: Notify,
  call: Call,
): { readonly first: readonly string[]; readonly later: readonly string[] } {
  const lines = roles.get(call.role)?.grants.get(call.action)?.approval ?? []
  const open = call.need.filter(({ have, count }) => have < count)
  const each = open.map((need) => {
    const [line, group] = [lines.find(({ because }) => because === need.line), groups.get(need.of)]
    return {
      first: line?.notify ?? group?.notify ?? notify.default,
      later: line?.escalate ?? group?.escalate ?? notify.escalate,
    }
  })
  return { first: once(each.flatMap(({ first }) => first)), later: once(each.flatMap(({ later }) => later)) }
}

/** Those who settle are told of calls in doubt. */
function inDoubt({ groups, people }: Policy, notify: Notify): readonly string[] {
  if (notify.needs_human !== null) return notify.needs_human
  return once(people.settle.flatMap((group) => groups.get(group)?.notify ?? notify.default))
}

function once(names: readonly string[]): readonly string[] {
  return [...new Set(names)]
}

function derived(prefix: string, call: string, parts: readonly string[]): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([call, ...parts]), 'utf8')
    .digest()
  return idFrom(prefix, timeOf(call) ?? 0, digest.subarray(0, 10))
}
