import type { Call } from '../../gateway/core/types.ts'
import { overBudget } from './budgets.ts'
import type { Effect } from './effect.ts'
import type { Kept, Ledger } from './ledger.ts'
import type { Stop } from './people.ts'
import { STICKY } from './wanted.ts'
import type { Wanted } from './wanted.ts'

/** What does not agree, by kind; every line names what it is about. */
export interface Findings {
  /** More than one effect of one thing that an agent wanted once. */
  readonly doubled: string[]
  /** Done without an effect, or an effect without a call that is done. */
  readonly lost: string[]
  readonly over_budget: string[]
  /** An agent that never learnt, a call that never ended, or two words that contradict each other. */
  readonly unexplained: string[]
  /** Began later than 1 s after a revocation or a freeze. */
  readonly late: string[]
  /** Calls that wait for people, where the backend can tell nobody: no violation. */
  readonly needs_human: number
}

/** Three sides, each against the other two: what agents were told, what the ledger says, what happened at the backends. */
export function reconcile(
  wanted: readonly Wanted[],
  ledger: Ledger,
  effects: readonly Effect[],
  stops: readonly Stop[],
): Findings {
  const doubled: string[] = []
  const lost: string[] = []
  const unexplained: string[] = []
  const effectsOf = Map.groupBy(effects, ({ call }) => call)
  const callsOf = Map.groupBy(ledger.calls, ({ input }) => input?.ref ?? '')
  const byId = new Map(ledger.calls.map((kept) => [kept.call.id, kept]))

  for (const [ref, all] of Map.groupBy(effects, ({ ref }) => ref)) {
    if (all.length > 1)
      doubled.push(`${ref} has ${all.length} effects: ${all.map(({ call, at }) => `${call} at ${at}`).join(', ')}`)
  }
  for (const effect of effects) {
    const kept = byId.get(effect.call)
    if (kept === undefined) lost.push(`${effect.ref}: an effect of ${effect.call}, which the ledger does not know`)
    else if (!['done', 'needs_human'].includes(kept.call.state))
      lost.push(`${effect.ref}: an effect of ${effect.call}, which is ${kept.call.state}`)
    else if (kept.input?.ref !== effect.ref || kept.input.amount !== effect.amount)
      lost.push(`${effect.ref}: the effect of ${effect.call} is not what was asked for`)
  }
  for (const { call, input } of ledger.calls) {
    const many = effectsOf.get(call.id)?.length ?? 0
    if (call.state === 'done' && many !== 1) lost.push(`${input?.ref}: ${call.id} is done with ${many} effects`)
    const wrong = wrongWith(call)
    if (wrong !== null) unexplained.push(`${input?.ref}: ${call.id} ${wrong}`)
  }
  for (const wish of wanted) {
    const contradiction = contradicted(wish, callsOf.get(wish.ref) ?? [])
    if (contradiction !== null) unexplained.push(`${wish.ref}: ${contradiction}`)
  }
  unexplained.push(...ledger.report.problems.map(({ entry, message }) => `the ledger, entry ${entry}: ${message}`))
  unexplained.push(...limitsAgainstEntries(ledger), ...ledger.differing)
  return {
    doubled,
    lost,
    over_budget: overBudget(effects, byId),
    unexplained,
    late: lateEffects(effects, byId, stops),
    needs_human: ledger.calls.filter(({ call }) => call.state === 'needs_human').length,
  }
}

function wrongWith(call: Call): string | null {
  if (['held', 'intent', 'executing', 'unknown'].includes(call.state)) return `is still ${call.state}`
  if (call.state === 'needs_human' && call.backend !== 'blind') return 'needs people, though its backend can tell'
  if (call.state !== 'done' || call.cost?.unit !== 'USD') return null
  const persons = new Set(call.approvals.map(({ person }) => person)).size
  const needed = call.cost.amount > 6000 ? 2 : call.cost.amount > 3000 ? 1 : 0
  return persons < needed ? `is done with ${persons} of ${needed} approvals` : null
}

/** What an agent was told against what the ledger says of that key. */
function contradicted(wish: Wanted, calls: readonly Kept[]): string | null {
  if (wish.asking > 0)
    return `${wish.asking} of its requests never learnt; told ${[...wish.told].join(', ') || 'nothing'}`
  const bound = calls.filter(({ call }) => call.bound)
  if (bound.length > 1) return `its key binds ${bound.length} calls`
  if (wish.outputs.size > 1) return `it was given ${wish.outputs.size} different outputs`
  const now = bound[0]?.call
  for (const told of wish.told) {
    const [state = '', call = ''] = told.split(' ')
    if (state === 'no_such_call') return `it was told that ${call} is not there`
    // Where the key names something else by now, or nobody could tell, another word may follow.
    if (!STICKY.includes(state) && state !== 'needs_human') continue
    if (now === undefined) return `it was told ${told}, and its key binds nothing`
    if (now.id !== call) return `it was told ${told}, and its key binds ${now.id}`
    if (state !== 'needs_human' && now.state !== state) return `it was told ${told}, and the call is ${now.state}`
    if (state === 'needs_human' && !['needs_human', 'done', 'refused'].includes(now.state))
      return `it was told ${told}, and the call is ${now.state}`
  }
  return wish.told.size === 0 ? 'it was told nothing' : null
}

/** I13, without the code that keeps them: what entries move is what the counters stand at. */
function limitsAgainstEntries({ entries, limits }: Ledger): string[] {
  const held = new Map<string, number>()
  const used = new Map<string, number>()
  const settled = new Map<string, number>()
  const move = (to: Map<string, number>, moves: unknown, sign: number, only = ''): void => {
    for (const { limit, amount, window } of (moves ?? []) as { limit: string; amount: number; window: string }[]) {
      if (window.includes(only)) to.set(limit, (to.get(limit) ?? 0) + sign * amount)
    }
  }
  for (const { kind, call, reserve, release, spend } of entries) {
    if (kind === 'call.settled' || kind === 'call.reconciled')
      settled.set(String(call), (settled.get(String(call)) ?? 0) + 1)
    move(held, reserve, 1)
    move(held, release, -1)
    if (kind !== 'call.denied') move(held, spend, -1)
    // Buckets of an hour and longer are all still kept; those of a minute are not.
    if (kind !== 'call.denied') move(used, spend, 1, 'rolling 24h')
  }
  const wrong = [...settled].filter(([, many]) => many > 1).map(([call, many]) => `${call} was settled ${many} times`)
  for (const [id, now] of limits) {
    if (now.held !== (held.get(id) ?? 0))
      wrong.push(`the limit ${id} holds ${now.held}, its entries ${held.get(id) ?? 0}`)
    const sum = used.get(id)
    if (sum !== undefined && sum !== now.used)
      wrong.push(`the limit ${id} stands at ${now.used}, its entries at ${sum}`)
  }
  return wrong
}

/** The processes share one clock; what lies between a gateway's write and a backend's read is allowed for. */
const SLACK_MS = 200

function lateEffects(effects: readonly Effect[], byId: ReadonlyMap<string, Kept>, stops: readonly Stop[]): string[] {
  const revoked = new Map<string, number>()
  for (const { what, from } of stops) if ('session' in what) revoked.set(what.session, from)
  const freezes = stops.flatMap(({ what, from, until }) =>
    'action' in what ? [{ action: what.action, from, until }] : [],
  )
  return effects.flatMap(({ call, session, asked_at, ref }) => {
    const after_ms = asked_at - (revoked.get(session) ?? Number.POSITIVE_INFINITY)
    if (after_ms > 1000 + SLACK_MS) return [`${ref}: ${call} began ${after_ms} ms after its session was revoked`]
    const action = byId.get(call)?.call.action
    const frozen = freezes.find(
      ({ action: which, from, until }) =>
        (which === '*' || which === action) && asked_at > from + 1000 + SLACK_MS && asked_at < until,
    )
    return frozen === undefined ? [] : [`${ref}: ${call} began ${asked_at - frozen.from} ms after a freeze`]
  })
}
