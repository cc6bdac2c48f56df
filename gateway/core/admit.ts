import { formatAmount } from './money.ts'
import type {
  Amount,
  Approval,
  Because,
  Decision,
  LimitState,
  LimitView,
  Need,
  NeedState,
  Plan,
  Want,
} from './types.ts'
import { resetsAt, usedAt } from './window.ts'

/** What use and people have come to, where the rows are locked. */
export interface Use {
  readonly now: number
  readonly limit: (id: string) => LimitState
  /** Given to the card that stands now. */
  readonly approvals: readonly Approval[]
  /** What this very call has reserved already: it does not count against itself (R13). */
  readonly own: readonly Want[]
}

/**
 * The decision over a weighed plan: integer arithmetic and set membership only. Every line is judged; a deny lists them
 * all in file order.
 */
export function admit(plan: Plan, use: Use): Decision {
  const spent = plan.want.filter((want) => !want.report && exceeds(want, use))
  if (plan.deny.length > 0 || spent.length > 0) {
    const because = together(plan.deny, spent)
    const code = plan.deny.length === 0 && spent.every((want) => want.kind !== 'budget') ? 'rate_limited' : 'denied'
    return { verdict: 'deny', code, because, retry_at: plan.deny.length > 0 ? null : retryAt(spent, use) }
  }

  const reserve = once(plan.want)
  const applying = plan.need.filter((need) => !need.report && applies(need, plan, use))
  const need: NeedState[] = applying.map(({ line, count, of, passkey }) => {
    return { line, count, of, passkey, have: have(of, use.approvals, plan.barred, passkey) }
  })
  if (need.every(({ have, count }) => have >= count)) return { verdict: 'allow', reserve, need }

  // A call that is held already has its place among the open holds, whatever the maximum is today.
  const holds = use.own.some(({ limit }) => limit === plan.holds.limit)
  if (!holds && exceeds(plan.holds, use)) {
    return { verdict: 'deny', code: 'rate_limited', because: [spentLine(plan.holds)], retry_at: null }
  }
  const expires_ms = Math.min(...applying.map((line) => line.expires_ms))
  return { verdict: 'hold', reserve: once([...reserve, plan.holds]), need, expires_ms }
}

/** What was decided without use, and what use decided, as they stand in the file. */
function together(deny: readonly Because[], spent: readonly Want[]): Because[] {
  const left = new Set(spent)
  const because: Because[] = []
  for (const { after = [], ...line } of deny) {
    const before = [...left].filter((want) => after.includes(want.because))
    for (const want of before) left.delete(want)
    because.push(...before.map(spentLine), line)
  }
  return [...because, ...[...left].map(spentLine)]
}

/** Lines in report mode that would have refused, or asked people. */
export function reportedBy(plan: Plan, use: Use): string[] {
  const wants = plan.want.filter((want) => want.report && exceeds(want, use)).map((want) => want.because)
  const needs = plan.need.filter((need) => need.report && applies(need, plan, use)).map(({ line }) => line)
  return [...plan.reported, ...wants, ...needs]
}

function applies(need: Need, plan: Plan, use: Use): boolean {
  return need.when === null || reaches(need.when, plan, use)
}

/** What one limit looks like now: settled use in its window, what is held, what is left. */
export function viewOf(want: Want, state: LimitState, now: number): LimitView | null {
  if (want.max === null || want.kind === 'attempts' || want.kind === 'holds' || want.kind === 'serialize') return null
  const used = usedAt(want.window, state.buckets, now)
  const resets = resetsAt(want.window, state.buckets, now)
  return {
    name: want.name,
    kind: want.kind,
    unit: want.unit,
    per: want.per,
    by: want.by,
    max: want.max,
    used,
    held: state.held,
    left: Math.max(0, want.max - used - state.held),
    resets_at: resets === null ? null : new Date(resets).toISOString(),
  }
}

/**
 * One person fills one place in a line, however many groups they are in; one yes counts in every line it fits. Where the line
 * asks for a passkey, only a yes that one signed does.
 */
function have(group: string, approvals: readonly Approval[], barred: Plan['barred'], passkey: boolean): number {
  const persons = new Set<string>()
  for (const { person, groups, passkey: signed } of approvals) {
    if (passkey && signed === undefined) continue
    if (groups.includes(group) && !isBarred(person, groups, barred)) persons.add(person)
  }
  return persons.size
}

/** @returns whether this person requested, owns or acts in the call, and so may not decide about it. */
export function isBarred(person: string, groups: readonly string[], barred: Plan['barred']): boolean {
  return barred.persons.includes(person) || barred.groups.some((group) => groups.includes(group))
}

export function exceeds(want: Want, use: Use): boolean {
  if (want.max === null) return false
  const sum = taken(want.limit, want, use) + want.amount
  return !Number.isSafeInteger(sum) || sum > want.max
}

/** Used in the window and held by other calls. */
function taken(limit: string, want: Want, use: Use): number {
  const state = use.limit(limit)
  const own = use.own.find((mine) => mine.limit === limit)?.amount ?? 0
  return usedAt(want.window, state.buckets, use.now) + state.held - own
}

function reaches(when: { limit: string; above: number; up_to: number | null }, plan: Plan, use: Use): boolean {
  const want = plan.want.find(({ limit }) => limit === when.limit)
  if (want === undefined) return true
  const sum = taken(when.limit, want, use) + want.amount
  return sum > when.above && (when.up_to === null || sum <= when.up_to)
}

/** A counter that several lines touch is moved once, by the most that any of them takes. */
export function once(wants: readonly Want[]): Want[] {
  const moved = new Map<string, Want>()
  for (const want of wants) {
    const before = moved.get(want.limit)
    if (before === undefined || before.amount < want.amount) moved.set(want.limit, want)
  }
  return [...moved.values()]
}

function retryAt(spent: readonly Want[], use: Use): number | null {
  let latest: number | null = null
  for (const want of spent) {
    // More than the whole limit never fits, however long one waits.
    if (want.max !== null && want.amount > want.max) return null
    const resets = resetsAt(want.window, use.limit(want.limit).buckets, use.now)
    if (resets !== null && (latest === null || resets > latest)) latest = resets
  }
  return latest
}

function spentLine(want: Want): Because {
  const { because, kind, name, max, unit, per, by } = want
  const most = formatAmount({ unit, amount: max ?? 0 } satisfies Amount)
  const whose = by.startsWith('facts.') ? ` for one ${by.split('.').at(-1)}` : ''
  if (kind === 'budget')
    return { because, message: `That is more than is left of ${name}: ${most} per ${per}${whose}.` }
  if (kind === 'rate') return { because, message: `The rate is used up: ${max} per ${per}${whose}.` }
  if (kind === 'attempts') return { because, message: `Too many refused attempts: ${max} per hour.` }
  if (kind === 'holds') return { because, message: `Too many calls of this session wait for people: ${max} at once.` }
  return { because, message: 'Another call about the same thing is not settled yet.' }
}
