import { costOf } from './cost.ts'
import { formatAmount } from './money.ts'
import { scopeOf } from './scope.ts'
import type {
  Action,
  Amount,
  ApprovalLine,
  Because,
  By,
  Grant,
  Json,
  LimitLine,
  Need,
  Plan,
  Policy,
  Question,
  Role,
  Scope,
  Want,
  Window,
} from './types.ts'

/** What weigh needs beside policy and question. */
export interface Weighing {
  /** Version of the switches that the question's positions were read at. */
  readonly switches_version: number
  /** Makes a limit's identity unguessable (an HMAC by the store's key); the identity itself in policy tests. */
  readonly identify: (text: string) => string
}

/**
 * Everything about a call that does not depend on use and approvals: conditions, cost, the request that would be sent,
 * the limits it touches and the people it may need. Every line is judged, also after the first no.
 *
 * @returns a plan, plain data; `deny` is non-empty where a line said no or an expression errored.
 * @throws RangeError when the role or the grant is not in the policy (the caller has looked).
 */
export function weigh(policy: Policy, question: Question, weighing: Weighing): Plan {
  const { role, action, grant } = found(policy, question)
  const scope = scopeOf(question, action, role.timezone)
  const deny: Because[] = []
  const reported: string[] = []
  const say = (because: Because, report: boolean): void => {
    if (report) reported.push(because.because)
    else deny.push(because)
  }

  for (const guardrail of policy.guardrails) {
    if (guardrail.actions !== null && !guardrail.actions.some((glob) => matches(glob, action.name))) continue
    const because = `guardrails.${guardrail.name}`
    const judged = guardrail.deny.evaluate(scopeOf(question, action, guardrail.timezone))
    if (!judged.ok) say({ because, message: unreadable(because), error: true }, guardrail.report)
    else if (judged.value !== false) say({ because, message: guardrail.else }, guardrail.report)
  }

  let cost: Amount | null = null
  if (action.cost !== null) {
    const priced = costOf(action.cost, scope)
    if (priced.ok) cost = priced.cost
    else say({ because: `actions.${action.name}.cost`, message: priced.error, error: true }, false)
  }

  for (const line of grant.max) {
    if (cost === null) continue
    const ceiling = line.max[cost.unit]
    if (ceiling === undefined) say({ because: line.because, message: `${cost.unit} is not allowed here.` }, line.report)
    else if (cost.amount > ceiling) {
      const most = formatAmount({ unit: cost.unit, amount: ceiling })
      say({ because: line.because, message: `never more than ${most} at once.${totals(grant)}` }, line.report)
    }
  }

  const want: Want[] = []
  for (const line of grant.limits) {
    const taken = wantOf(line, grant.action, cost, question, scope, weighing)
    if (taken === null) continue
    if ('message' in taken) say(taken, line.report)
    else want.push(taken)
  }

  for (const line of grant.require) {
    const judged = line.that.evaluate(scope)
    if (!judged.ok) say({ because: line.because, message: unreadable(line.because), error: true }, line.report)
    else if (judged.value !== true) say({ because: line.because, message: line.else }, line.report)
  }

  const need: Need[] = []
  for (const line of grant.approval) {
    const applies = needOf(line, grant.action, cost, question, scope, weighing)
    if (applies === null) continue
    if ('message' in applies) say(applies, line.report)
    else {
      need.push(applies.need)
      if (applies.watch !== null) want.push(applies.watch)
    }
  }

  const rendered = action.request.render(scope)
  if (!rendered.ok) say({ because: `actions.${action.name}.request`, message: rendered.error, error: true }, false)
  const shown = cost === null ? scope : { ...scope, cost: formatAmount(cost) }
  const summary = action.summary?.render(shown)

  return {
    policy: policy.digest,
    switches: weighing.switches_version,
    action: action.name,
    role: role.name,
    effect: action.effect,
    backend: action.backend,
    cost,
    summary: summary?.ok === true ? String(summary.value) : action.name,
    request: rendered.ok ? rendered.value : null,
    want,
    need,
    deny: inFileOrder(deny, want, grant.order),
    reported,
    attempts: attemptsWant(grant, question, weighing),
    holds: holdsWant(grant, question, weighing),
    next: grant.next,
    ...(action.route === undefined ? {} : { streamed: true }),
    barred: barredFrom(role, question),
  }
}

/** Guardrails and the cost come before the lines of the grant, the request after them. */
function inFileOrder(deny: readonly Because[], want: readonly Want[], order: readonly string[]): Because[] {
  const position = (because: string): number => {
    const found = order.indexOf(because)
    return found < 0 && /^actions\..*\.request$/.test(because) ? order.length : found
  }
  return deny
    .toSorted((a, b) => position(a.because) - position(b.because))
    .map((line) => {
      const before = want.filter(({ because }) => position(because) < position(line.because))
      return before.length === 0 ? line : { ...line, after: before.map(({ because }) => because) }
    })
}

/** Limits that a role's grant has whatever the facts: what `limits` shows before a call, and what may refuse before a fetch. */
export function standingWants(policy: Policy, question: Question, weighing: Weighing): Want[] {
  const { role, action, grant } = found(policy, question)
  const scope = scopeOf(question, action, role.timezone)
  return grant.limits
    .filter((line) => line.by.kind !== 'fact' && line.kind !== 'serialize')
    .flatMap((line) =>
      Object.keys(line.max).map((unit) => wantOf(line, grant.action, { unit, amount: 0 }, question, scope, weighing)),
    )
    .filter((taken) => taken !== null && 'limit' in taken)
}

/** The refusals counter of a principal (300 per hour unless the grant says otherwise). */
export function attemptsWant(grant: Pick<Grant, 'action' | 'attempts'>, question: Question, weighing: Weighing): Want {
  const window: Window = { kind: 'rolling', length_ms: 3_600_000 }
  return {
    limit: weighing.identify(identity('attempts', '*', 'attempts', window, 'principal', question.session.principal)),
    because: `grants.${grant.action}.attempts`,
    name: 'attempts',
    kind: 'attempts',
    unit: 'attempts',
    window,
    per: 'rolling 1h',
    by: 'principal',
    amount: 1,
    max: grant.attempts,
    report: false,
  }
}

function holdsWant(grant: Grant, question: Question, weighing: Weighing): Want {
  const window: Window = { kind: 'gauge' }
  return {
    limit: weighing.identify(identity('holds', '*', 'holds', window, 'session', question.session.lineage)),
    because: `grants.${grant.action}.holds_max`,
    name: 'open holds',
    kind: 'holds',
    unit: 'holds',
    window,
    per: 'at once',
    by: 'session',
    amount: 1,
    max: grant.holds_max,
    report: false,
  }
}

/** What one limit line takes of which counter; null when it does not concern this call. */
function wantOf(
  line: LimitLine,
  action: string,
  cost: Amount | null,
  question: Question,
  scope: Scope,
  weighing: Weighing,
): Want | Because | null {
  const taken = line.kind === 'budget' ? cost : { unit: 'calls', amount: 1 }
  // No cost: it could not be computed, and that already denies.
  if (taken === null) return null
  const unit = line.kind === 'budget' ? taken.unit : (Object.keys(line.max)[0] ?? 'calls')
  const max = line.max[unit]
  if (max === undefined) return { because: line.because, message: `${unit} is not allowed here.` }
  const by = byValue(line.by, line.shared === null ? line.owner : '*', question, scope)
  if (by === null) return { because: line.because, message: unreadable(line.because), error: true }
  const owner = line.shared === null ? line.owner : `budgets.${line.shared}`
  const gathers = line.shared === null ? action : '*'
  return {
    limit: weighing.identify(identity(owner, gathers, unit, line.window, by.text, by.value, line.kind)),
    because: line.because,
    name: line.name,
    kind: line.kind,
    unit,
    window: line.window,
    per: line.per,
    by: by.text,
    amount: taken.amount,
    max,
    report: line.report,
  }
}

function needOf(
  line: ApprovalLine,
  action: string,
  cost: Amount | null,
  question: Question,
  scope: Scope,
  weighing: Weighing,
): { need: Need; watch: Want | null } | Because | null {
  if (line.when !== null) {
    const judged = line.when.evaluate(scope)
    if (!judged.ok) return { because: line.because, message: unreadable(line.because), error: true }
    if (judged.value !== true) return null
  }
  const { count, of, expires_ms, passkey, report } = line
  const need = { line: line.because, count, of, expires_ms, passkey, report }
  if (line.above === null && line.up_to === null) return { need: { ...need, when: null }, watch: null }
  // Money is spoken of and the cost could not be computed: that already denies.
  if (cost === null) return null
  // A currency the line does not name: nobody said it was small enough.
  const above = line.above === null ? -1 : (line.above[cost.unit] ?? -1)
  const up_to = line.up_to?.[cost.unit] ?? null
  if (line.window === null) {
    const applies = cost.amount > above && (up_to === null || cost.amount <= up_to)
    return applies ? { need: { ...need, when: null }, watch: null } : null
  }
  const by = byValue(line.window.by, line.owner, question, scope)
  if (by === null) return { because: line.because, message: unreadable(line.because), error: true }
  const { window, per } = line.window
  const limit = weighing.identify(identity(line.owner, action, cost.unit, window, by.text, by.value, 'budget'))
  const watch: Want = {
    limit,
    because: line.because,
    name: line.because,
    kind: 'watch',
    unit: cost.unit,
    window,
    per,
    by: by.text,
    amount: cost.amount,
    max: null,
    report: false,
  }
  return { need: { ...need, when: { limit, above, up_to } }, watch }
}

/** What makes two lines count into one counter: a definition, and the value of its `by`. */
function identity(
  owner: string,
  action: string,
  unit: string,
  window: Window,
  by: string,
  value: string,
  kind = '',
): string {
  return JSON.stringify([...definition(owner, action, unit, window, by, kind), value])
}

/** Owner, action, unit, window, time zone and `by`; the maximum is no part of it. */
function definition(
  owner: string,
  action: string,
  unit: string,
  window: Window,
  by: string,
  kind: string,
): (string | number)[] {
  // A rate counts calls and an unsettled value counts itself, whatever unit a budget beside them has.
  const counted = kind === 'rate' ? 'by rate' : kind === 'serialize' ? 'unsettled' : unit
  const time =
    window.kind === 'calendar' ? [window.every, window.timezone] : window.kind === 'rolling' ? [window.length_ms] : []
  return [owner, action, counted, window.kind, ...time, by]
}

/** The definition in an identity as `weigh` hands it to `identify`. */
export function definitionIn(identity: string): string {
  return JSON.stringify((JSON.parse(identity) as Json[]).slice(0, -1))
}

/** Every limit that a policy defines, whatever values it counts by, with its window and who draws from it. */
export function definitionsOf(
  policy: Policy,
): Map<string, { window: Window; grants: { role: string; action: string }[] }> {
  const all = new Map<string, { window: Window; grants: { role: string; action: string }[] }>()
  const add = (parts: (string | number)[], window: Window, role: string, action: string): void => {
    const name = JSON.stringify(parts)
    const found = all.get(name) ?? { window, grants: [] }
    all.set(name, { ...found, grants: [...found.grants, { role, action }] })
  }
  for (const [role, { grants }] of policy.roles) {
    for (const [action, grant] of grants) {
      for (const line of grant.limits) {
        const [owner, gathers] = line.shared === null ? [line.owner, action] : [`budgets.${line.shared}`, '*']
        for (const unit of Object.keys(line.max)) {
          add(definition(owner, gathers, unit, line.window, byText(line.by), line.kind), line.window, role, action)
        }
      }
      for (const { window, above, owner } of grant.approval) {
        if (window === null) continue
        for (const unit of Object.keys(above ?? {})) {
          add(definition(owner, action, unit, window.window, byText(window.by), 'budget'), window.window, role, action)
        }
      }
    }
  }
  return all
}

function byText(by: By): string {
  return by.kind === 'fact' ? by.value.text : by.kind
}

/**
 * Whose counter. `by: role` is the role that wrote the line: a child's calls count in its parent's counters, and a shared
 * budget has one counter for all. null: the expression errored or yields null, which denies.
 */
function byValue(by: By, owner: string, question: Question, scope: Scope): { text: string; value: string } | null {
  const { session } = question
  if (by.kind === 'fact') {
    const judged = by.value.evaluate(scope)
    if (!judged.ok || judged.value === null) return null
    return { text: by.value.text, value: JSON.stringify(judged.value) }
  }
  const value = { role: owner, session: session.lineage, requester: session.requester }[by.kind]
  return { text: by.kind, value }
}

/** Nobody approves what they requested, own or act in. */
function barredFrom(role: Role, question: Question): Plan['barred'] {
  const { requester, acting_for } = question.session
  const persons = acting_for === null ? [requester] : [requester, acting_for]
  return { persons, groups: role.owners_approve ? [] : role.owners }
}

/** Teaches that splitting is counted, never what would fit. */
function totals(grant: Grant): string {
  const budgets = grant.limits.filter((line) => line.kind === 'budget')
  if (budgets.length === 0) return ''
  const keyed = budgets.flatMap((line) => (line.by.kind === 'fact' ? [line.by.value.text.split('.').at(-1)] : []))
  return keyed[0] === undefined ? ' Totals over time count too.' : ` Totals per ${keyed[0]} count too.`
}

function unreadable(because: string): string {
  return `${because} could not be judged, and what cannot be judged is refused.`
}

function matches(glob: string, name: string): boolean {
  return glob.endsWith('*') ? name.startsWith(glob.slice(0, -1)) : glob === name
}

function found(policy: Policy, question: Question): { role: Role; action: Action; grant: Grant } {
  const role = policy.roles.get(question.session.role)
  const action = policy.actions.get(question.action)
  const grant = role?.grants.get(question.action)
  if (role === undefined || action === undefined || grant === undefined) {
    throw new RangeError(`${question.session.role} has no grant of ${question.action}`)
  }
  return { role, action, grant }
}
