import { admit, exceeds } from './admit.ts'
import { frozenBy } from './fold/open.ts'
import { readTests } from './policy/tests.ts'
import type { PolicyCase } from './policy/test-case.ts'
import { principalOf } from './principal.ts'
import type { Amounts, Because, Finding, LimitState, Plan, Policy, Question, Session } from './types.ts'
import { weigh } from './weigh.ts'
import type { Weighing } from './weigh.ts'
import { bucketOf } from './window.ts'

export interface Verdict {
  readonly verdict: 'allow' | 'hold' | 'deny'
  /** Who must say yes: the largest number of each group, `2 of finance`. */
  readonly by: readonly string[]
  /** The lines that said no, or that ask people; `error` among them where an expression errored. */
  readonly because: readonly string[]
}

export interface TestedCase {
  readonly file: string
  readonly line: number
  readonly role: string
  readonly it: string
  readonly ok: boolean
  readonly expected: {
    readonly verdict: Verdict['verdict']
    readonly by?: readonly string[]
    readonly because?: readonly string[]
  }
  /** `message`: what the agent would be told, by the first line that said no. */
  readonly got: Verdict & { readonly message: string }
  /** How they differ, in words; empty where the case passed. */
  readonly differs: string
}

/**
 * Runs the tables of a policy (`*.test.yaml`) through the same `weigh` and `admit` that decide live. A table that speaks
 * of what does not exist is a finding, and its case is not among the results: with a finding, or without a case, the
 * policy is not tested.
 */
export function testPolicy(policy: Policy): { cases: TestedCase[]; findings: Finding[] } {
  const { cases, findings } = readTests(policy)
  return { cases: cases.map((asked) => tested(policy, asked)), findings }
}

function tested(policy: Policy, asked: PolicyCase): TestedCase {
  const { file, line, role, it, expect, by, because } = asked
  const got = decided(policy, asked)
  const differs = difference(asked, got)
  const expected = {
    verdict: expect,
    ...(by === null ? {} : { by: [...by].sort() }),
    ...(because.length === 0 ? {} : { because }),
  }
  return { file, line, role, it, ok: differs === '', expected, got, differs }
}

function difference(asked: PolicyCase, got: Verdict & { message: string }): string {
  if (asked.expect !== got.verdict) return `expected ${asked.expect}, got ${got.verdict}`
  const missing = asked.because.filter((line) => !got.because.includes(line))
  if (missing.length > 0) return `expected ${missing.join(' and ')} to say so`
  if (asked.by !== null && [...asked.by].sort().join() !== got.by.join()) return `expected ${asked.by.join(' and ')}`
  // A typing error in a table errors too, and would pass for a refusal.
  const unasked = got.because.find((line) => line === 'error' || line === 'input_invalid')
  const others = got.because.some((line) => asked.because.includes(line))
  if (unasked !== undefined && !others && asked.expect === 'deny')
    return `it is refused for another reason than a rule: say \`because: ${unasked}\` if that is meant`
  return ''
}

/** One question, from the input's schema to the decision; limits and people as the table says. */
function decided(policy: Policy, asked: PolicyCase): Verdict & { message: string } {
  const { action, grant } = asked
  if (grant === null) return no([{ because: 'not_granted', message: `${asked.role} has no action of this name.` }])
  const wrong = action.validate(asked.input)
  if (wrong.length > 0) {
    const message = wrong.map(({ path, got, want }) => `${path}: got ${got}, want ${want}`).join('; ')
    return no([{ because: 'input_invalid', message }])
  }
  const lost = action.facts.find(({ name, absent }) => asked.facts[name] === null && absent.length === 0)
  if (lost !== undefined)
    return no([{ because: `facts.${lost.name}`, message: `${lost.name} could not be read.`, error: true }])

  const positions = Object.fromEntries(
    Object.entries(asked.switches).map(([name, on]) => [name, { on, reason: 'set by the table', person: '', at: 0 }]),
  )
  const frozen = frozenBy({ version: 0, positions }, asked.role, action.name, action.effect)
  if (frozen !== null) return no(frozen.because)

  const plan = weigh(policy, questionOf(policy, asked), WEIGHING)
  const use = { now: asked.now, limit: limitsOf(plan, asked), approvals: approvalsOf(asked), own: [] }
  if (exceeds(plan.attempts, use))
    return no([
      { because: plan.attempts.because, message: `Too many refused attempts: ${plan.attempts.max} per hour.` },
    ])
  const decision = admit(plan, use)
  if (decision.verdict === 'deny') return no(decision.because)
  const most = new Map<string, number>()
  for (const { count, of } of decision.need) most.set(of, Math.max(most.get(of) ?? 0, count))
  return {
    verdict: decision.verdict,
    by: [...most].map(([of, count]) => `${count} of ${of}`).sort(),
    because: decision.need.map(({ line }) => line),
    message: '',
  }
}

function no(because: readonly Because[]): Verdict & { message: string } {
  const errors = because.some(({ error }) => error === true) ? ['error'] : []
  const lines = because.map((line) => line.because)
  return { verdict: 'deny', by: [], because: [...new Set([...lines, ...errors])], message: because[0]?.message ?? '' }
}

/** A limit's identity as it stands: nobody outside sees it here. */
const WEIGHING: Weighing = { switches_version: 0, identify: (text) => text }

function questionOf(policy: Policy, asked: PolicyCase): Question {
  const { action, input, facts, now, requested_by, acting_for } = asked
  const session: Session = {
    id: 'ses_0123456789abcdefghjkmnpqrs',
    lineage: 'ses_0123456789abcdefghjkmnpqrs',
    role: asked.role,
    principal: principalOf(requested_by, acting_for),
    requester: requested_by,
    acting_for,
    attributes: asked.attributes,
    issued_at: now,
    expires_at: now + 3_600_000,
  }
  const switches = Object.fromEntries(
    [...policy.switches].map(([name, standard]) => [name, asked.switches[name] ?? standard]),
  )
  return { at: now, call: 'call_0123456789abcdefghjkmnpqrs', session, action: action.name, input, facts, switches }
}

/** The counters as the table says; two lines that count in one counter see the larger of what is said of them. */
function limitsOf(plan: Plan, { used, held, now }: PolicyCase): (id: string) => LimitState {
  const states = new Map<string, LimitState>()
  for (const want of [...plan.want, plan.attempts, plan.holds]) {
    const state = states.get(want.limit) ?? { held: 0, buckets: new Map<number, number>() }
    const bucket = bucketOf(want.window, now)
    const spent = Math.max(state.buckets.get(bucket) ?? 0, amountOf(used, want.because, want.unit))
    if (spent > 0) state.buckets.set(bucket, spent)
    state.held = Math.max(state.held, amountOf(held, want.because, want.unit))
    states.set(want.limit, state)
  }
  return (id) => states.get(id) ?? { held: 0, buckets: new Map() }
}

function amountOf(use: ReadonlyMap<string, Amounts>, because: string, unit: string): number {
  return use.get(because)?.[unit] ?? 0
}

function approvalsOf({ approved_by, now }: PolicyCase): Parameters<typeof admit>[1]['approvals'] {
  const signed = { passkey: { credential: 'by the table', digest: 'by the table' } }
  return approved_by.map(({ person, groups, passkey }) => {
    return { person, name: person, groups, at: now, card: '', ...(passkey ? signed : {}) }
  })
}
