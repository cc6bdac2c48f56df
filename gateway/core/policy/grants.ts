import type { CostSpec, Grant, LimitLine } from '../types.ts'
import type { CompiledAction } from './actions.ts'
import { flagAt, has, numberAt, textsAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { approvalLines } from './approvals.ts'
import { budgetLines, checkCited, maxLines, rateLines, requireLines, serializeLine } from './lines.ts'
import type { GrantPlace, Priced } from './lines.ts'
import { at, sound, valueAt } from './place.ts'
import { checkRouteGrant } from './routes.ts'
import type { Piece } from './place.ts'

/** A grant as one role writes it, before what it inherits. */
export interface OwnGrant extends Grant {
  readonly piece: Piece
  readonly priced: readonly Priced[]
  /** Which of the settings below the lines it wrote itself. */
  readonly says: { readonly next: boolean; readonly dry_run: boolean }
}

const ATTEMPTS = 300
const HOLDS = 10

export function compileGrant(
  compiling: Compiling,
  piece: Piece,
  place: GrantPlace,
  action: CompiledAction | undefined,
): OwnGrant {
  const keys = Object.keys(valueAt(piece) ?? {})
  const max = maxLines(compiling, place, at(piece, 'max'))
  const budget = budgetLines(compiling, place, at(piece, 'budget'))
  const approval = approvalLines(compiling, place, at(piece, 'approval'))
  const serialize = at(piece, 'serialize')
  const lines: { readonly [key: string]: readonly LimitLine[] } = {
    budget: budget.lines,
    rate: rateLines(compiling, place, at(piece, 'rate')),
    serialize: has(serialize) && sound(serialize) ? serializeLine(compiling, place, serialize) : [],
  }
  const require = requireLines(compiling, place, at(piece, 'require'))
  const cited: { readonly [key: string]: readonly { readonly because: string }[] } = {
    ...lines,
    max: max.lines,
    require,
    approval: approval.lines,
  }
  const grant: OwnGrant = {
    piece,
    priced: [...max.priced, ...budget.priced, ...approval.priced],
    says: { next: has(at(piece, 'next')), dry_run: has(at(piece, 'dry_run')) },
    action: place.action,
    max: max.lines,
    limits: keys.flatMap((key) => lines[key] ?? []),
    require,
    approval: approval.lines,
    next: textsAt(at(piece, 'next')),
    dry_run: flagAt(at(piece, 'dry_run')),
    attempts: numberAt(at(piece, 'attempts'), ATTEMPTS),
    holds_max: numberAt(at(piece, 'holds_max'), HOLDS),
    order: keys.flatMap((key) => cited[key] ?? []).map(({ because }) => because),
  }
  checkCited(compiling, place, piece)
  if (action?.streamed === true) checkRouteGrant(compiling, piece, action)
  return { ...grant, priced: action === undefined ? [] : checkUnits(compiling, grant, action) }
}

/** Lines that speak of money go with an action that costs money, in its unit. Returns those that do. */
function checkUnits({ report }: Compiling, grant: OwnGrant, action: CompiledAction): Priced[] {
  const fitting: Priced[] = []
  for (const line of grant.priced) {
    const { piece, amounts, what } = line
    if (!action.priced) {
      report.error(
        piece,
        `${action.name} has no \`cost:\`, so nothing can be compared with \`${what}\``,
        'give the action a cost, or take the line out',
      )
      continue
    }
    const unit = unitOf(action.cost)
    const other = Object.keys(amounts).find((name) =>
      unit === 'money' ? !/^[A-Z]{3}$/.test(name) : unit !== null && name !== unit,
    )
    if (other === undefined) fitting.push(line)
    else
      report.error(
        piece,
        `${action.name} costs ${unit}, not ${other}`,
        unit === 'money' ? 'write an amount of money' : `write an amount of ${unit}`,
      )
  }
  return fitting
}

/** A noun, a currency, `money` where the currency is computed, or null when the cost is not understood. */
function unitOf(cost: CostSpec | null): string | null {
  if (cost === null) return null
  if (cost.kind === 'count') return cost.of
  return typeof cost.currency === 'string' ? cost.currency : 'money'
}

/**
 * Limits add up: the child's own lines first, then every line of the parent, cited as the parent's. Settings take the
 * narrower number.
 */
export function inherit(own: OwnGrant | undefined, parent: Grant, parentRole: string): Grant {
  const citing = (because: string): string =>
    because.startsWith('roles.') ? because : `roles.${parentRole}.${because}`
  const cited = <Line extends { because: string }>(lines: readonly Line[]): Line[] =>
    lines.map((line) => ({ ...line, because: citing(line.because) }))
  return {
    action: parent.action,
    max: [...(own?.max ?? []), ...cited(parent.max)],
    limits: [...(own?.limits ?? []), ...cited(parent.limits)],
    require: [...(own?.require ?? []), ...cited(parent.require)],
    approval: [...(own?.approval ?? []), ...cited(parent.approval)],
    next: own?.says.next === true ? own.next : parent.next,
    dry_run: own?.says.dry_run === true ? own.dry_run : parent.dry_run,
    attempts: Math.min(own?.attempts ?? parent.attempts, parent.attempts),
    holds_max: Math.min(own?.holds_max ?? parent.holds_max, parent.holds_max),
    order: [...(own?.order ?? []), ...parent.order.map(citing)],
  }
}

/** What a whole grant, with all that it inherits, must say; told at the lines that this role wrote itself. */
export function checkGrant({ report }: Compiling, grant: Grant, own: OwnGrant, action: CompiledAction): void {
  if (action.priced && sound(at(own.piece, 'max'))) {
    const ceilings = grant.max.filter((line) => !line.report)
    const broken = has(at(own.piece, 'max')) && own.max.length === 0
    const foreign = own.priced.every(({ what }) => what !== 'max') && own.max.length > 0
    if (ceilings.length === 0 && !broken) {
      report.error(
        own.piece,
        `${action.name} has a cost, so its grant needs \`max\``,
        'write the most at once: max: 50.00 USD',
        'key',
      )
    } else if (!broken && !foreign) {
      const units = ceilings
        .map(({ max }) => Object.keys(max))
        .reduce((all, some) => all.filter((unit) => some.includes(unit)))
      if (units.length === 0)
        report.error(at(own.piece, 'max'), 'no unit is named by every `max` that holds, so nothing is allowed')
      for (const { piece, amounts, what } of own.priced) {
        const missing = units.filter((unit) => amounts[unit] === undefined)
        if (what !== 'max' && missing.length > 0) {
          report.error(
            piece,
            `\`max\` allows ${missing.join(' and ')}, and this line does not say how much of it`,
            `add \`or … ${missing[0]}\` to it`,
          )
        }
      }
    }
  }
  // Six refunds of fifty dollars would ask nobody.
  const perCall = grant.approval.filter((line) => line.above !== null && line.window === null && !line.report)
  const overTime = grant.approval.some((line) => line.window !== null && !line.report)
  if (perCall.length > 0 && !overTime && own.approval.length > 0) {
    report.warning(
      at(own.piece, 'approval'),
      'people are asked by the money of one call only: many small calls ask nobody',
      'add a line like: above: 100.00 USD per rolling 24h',
      'key',
    )
  }
}
