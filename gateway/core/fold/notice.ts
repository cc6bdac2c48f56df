import { decidedOf, noticeOf, waitOf, waits } from '../notice-plan.ts'
import type {
  BeginWaits,
  ClaimNotices,
  Decided,
  EndWaits,
  Notice,
  ResultOfNotice,
  RetryNotice,
  SettleNotice,
  Wait,
} from '../notice.ts'
import type { Working } from '../working.ts'

/** How long a follow-up is worth telling. */
const FOLLOW_UP_MS = 24 * 3_600_000

/**
 * Each wait once, whichever process saw it first and whatever its policy was. A call that was held afresh waits no longer
 * for what was asked before.
 */
export function waitsBegin(working: Working, operation: BeginWaits): ResultOfNotice<BeginWaits> {
  let begun = 0
  const dead: Notice[] = []
  for (const { wait, notices } of operation.waits) {
    const call = working.calls.get(wait.call)
    if (call === undefined || !waits(call) || waitOf(call).id !== wait.id || working.waits.has(wait.id)) continue
    dead.push(...endsOf(working, wait.call).dead)
    putWait(working, wait)
    for (const notice of notices) putNotice(working, notice)
    begun++
  }
  return { begun, dead }
}

export function waitsEnd(working: Working, operation: EndWaits): ResultOfNotice<EndWaits> {
  const ended = operation.calls.map((call) => endsOf(working, call))
  return { over: ended.reduce((sum, { over }) => sum + over, 0), dead: ended.flatMap(({ dead }) => dead) }
}

/** From here until `for_ms` are over nobody else tries it. */
export function noticesAreClaimed(working: Working, operation: ClaimNotices): ResultOfNotice<ClaimNotices> {
  const { now, owner } = working
  const dead: Notice[] = []
  const claimed = operation.notices.flatMap(({ id }): Notice[] => {
    const notice = working.notices.get(id)
    if (notice?.state !== 'waiting') return []
    const leftBehind = operation.alone && notice.owner !== null && notice.owner !== owner
    if (notice.due_at > now && !leftBehind) return []
    if (isLate(working, notice)) {
      const wait = working.waits.get(notice.wait)
      if (mayHaveCome(notice) && wait !== undefined) {
        // It stays until it is known how its wait ends, to tell that.
        if (wait.over === null) return []
        followUp(working, wait, wait.over, notice.channel)
      }
      dead.push(...misses(working, notice))
      return []
    }
    const unsure = mayHaveCome(notice) ? ({ unsure: true } as const) : {}
    const claim = { due_at: now + operation.for_ms, owner, tries: notice.tries + 1 }
    return [putNotice(working, { ...notice, ...unsure, ...claim })]
  })
  return { claimed, dead }
}

export function noticeIsSettled(working: Working, operation: SettleNotice): ResultOfNotice<SettleNotice> {
  const notice = working.notices.get(operation.id)
  const mine = notice?.state === 'waiting' && notice.owner === working.owner && notice.tries === operation.tries
  if (!mine) return { notice: null }
  const { outcome, said } = operation
  const tried: Notice = { ...notice, owner: null, said }
  const wait = working.waits.get(notice.wait)
  // It ended while this was under way: who was told just now, or may have been before, is told that too.
  const isTold = outcome.kind === 'delivered' || notice.unsure === true
  if (isTold && wait?.over != null && notice.kind !== 'call.decided') followUp(working, wait, wait.over, notice.channel)
  if (outcome.kind === 'delivered') {
    return { notice: putNotice(working, { ...tried, state: 'delivered', due_at: working.now }) }
  }
  const due_at = working.now + (outcome.again_ms ?? 0)
  const again = outcome.again_ms !== null && (notice.until === null || due_at < notice.until)
  if (again && !isLate(working, notice)) return { notice: putNotice(working, { ...tried, due_at }) }
  return { notice: putNotice(working, { ...tried, state: 'dead', due_at: working.now }) }
}

/** By a person, while it says anything still. */
export function noticeIsRetried(working: Working, operation: RetryNotice): ResultOfNotice<RetryNotice> {
  const notice = working.notices.get(operation.id)
  if (notice === undefined) return { retried: 'none', notice: null }
  if (notice.state !== 'dead') return { retried: 'not_dead', notice }
  const until = notice.kind === 'call.decided' ? working.now + FOLLOW_UP_MS : notice.until
  if (isLate(working, { ...notice, until })) return { retried: 'too_late', notice }
  const again: Notice = { ...notice, state: 'waiting', due_at: working.now, until, tries_before: notice.tries }
  return { retried: 'retried', notice: putNotice(working, again) }
}

/** @returns how many waits of this call ended, and what of them was tried in vain. */
function endsOf(working: Working, id: string): { readonly over: number; readonly dead: readonly Notice[] } {
  const call = working.calls.get(id)
  const dead: Notice[] = []
  let over = 0
  for (const wait of working.waits.values()) {
    if (call === undefined || wait.call !== id || wait.over !== null) continue
    const decided = decidedOf(wait, call)
    if (decided === null) continue
    putWait(working, { ...wait, over: { ...decided, at: working.now } })
    over++
    for (const notice of working.notices.values()) {
      if (notice.wait !== wait.id || notice.kind === 'call.decided') continue
      const isUnderWay = notice.state === 'waiting' && notice.owner !== null
      if (notice.state === 'delivered' || (notice.unsure === true && !isUnderWay))
        followUp(working, wait, decided, notice.channel)
      // What is under way says itself what became of it.
      if (notice.state === 'waiting' && !isUnderWay) dead.push(...misses(working, notice))
    }
  }
  return { over, dead }
}

function followUp(working: Working, wait: Wait, decided: Decided, channel: string): void {
  const { now } = working
  const { outcome, by } = decided
  const times = { made_at: now, due_at: now, until: now + FOLLOW_UP_MS }
  const notice = noticeOf(wait, 'call.decided', channel, times, { outcome, by })
  if (!working.notices.has(notice.id)) putNotice(working, notice)
}

/** Whoever claimed it may have sent it, and is gone. */
function mayHaveCome({ owner, unsure }: Notice): boolean {
  return owner !== null || unsure === true
}

/** The hold is over, or its time is: it says nothing any more. */
function isLate({ waits: all, now }: Working, { wait, kind, until }: Notice): boolean {
  return (until !== null && until <= now) || (kind !== 'call.decided' && all.get(wait)?.over != null)
}

/** Nobody was told in time. What was tried in vain is a dead letter; what was not due yet was never needed. */
function misses(working: Working, notice: Notice): Notice[] {
  const state = notice.tries > notice.tries_before ? 'dead' : 'over'
  const over = putNotice(working, { ...notice, owner: null, state, due_at: working.now })
  return state === 'dead' ? [over] : []
}

function putWait(working: Working, wait: Wait): void {
  working.waits.set(wait.id, wait)
  working.changed.waits.add(wait.id)
}

function putNotice(working: Working, notice: Notice): Notice {
  working.notices.set(notice.id, notice)
  working.changed.notices.add(notice.id)
  return notice
}
