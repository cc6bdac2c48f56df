import type { TypeScope } from '../expression.ts'
import { parseAmounts } from '../money.ts'
import type { Amounts, By, LimitLine, MaxLine, RequireLine } from '../types.ts'
import { parseLimit, parseRate } from '../window.ts'
import type { SharedBudget } from './budgets.ts'
import { expressionAt, expressionOf, has, itemsAt, known, textAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { didYouMean } from './finding.ts'
import { at, sound, valueAt } from './place.ts'
import type { Piece } from './place.ts'

/** Where a grant's lines stand and what they may speak of. */
export interface GrantPlace {
  readonly role: string
  readonly action: string
  readonly timezone: string
  readonly scope: TypeScope
  readonly budgets: ReadonlyMap<string, SharedBudget>
  /** Shared budgets that somebody draws from. */
  readonly drawn: Set<string>
}

/** A line that speaks of money (or of a counted thing), for the checks across lines. */
export interface Priced {
  readonly piece: Piece
  readonly because: string
  readonly amounts: Amounts
  readonly what: string
}

export interface Written {
  readonly piece: Piece
  /** Where the text of the line stands: itself, or its `limit:`. */
  readonly said: Piece
  readonly suffix: string
  readonly because: string
  readonly report: boolean
  readonly name: string | null
}

/** The lines under a key, whether it holds one or a list; `max` and `rate` need no index when they stand alone. */
export function linesAt(place: GrantPlace, piece: Piece, key: string, indexed: boolean): Written[] {
  const value = valueAt(piece)
  if (value === undefined || value === null) return []
  const pieces = Array.isArray(value) ? itemsAt(piece) : [piece]
  return pieces.filter(sound).map((line, index) => {
    const isMap = typeof valueAt(line) === 'object'
    const name = isMap ? textAt(at(line, 'name')) : null
    const suffix = name ?? (indexed || Array.isArray(value) ? `${key}[${index}]` : key)
    return {
      piece: line,
      said: isMap ? at(line, 'limit') : line,
      suffix,
      because: `grants.${place.action}.${suffix}`,
      report: isMap && textAt(at(line, 'mode')) === 'report',
      name,
    }
  })
}

/** What `because` and a table of tests cite must be one line: two of one name could not be told apart. */
export function checkCited({ report }: Compiling, place: GrantPlace, grant: Piece): void {
  const cited = new Set(['attempts', 'holds_max', ...(has(at(grant, 'serialize')) ? ['serialize'] : [])])
  for (const key of ['max', 'budget', 'rate', 'require', 'approval']) {
    for (const line of linesAt(place, at(grant, key), key, !['max', 'rate'].includes(key))) {
      const shared = key === 'budget' ? /^[a-z][a-z0-9_-]*(?= of |$)/.exec(textAt(line.said) ?? '')?.[0] : undefined
      const name = line.name ?? shared ?? line.suffix
      if (cited.has(name))
        report.error(
          line.name === null ? line.said : at(line.piece, 'name'),
          `another line of this grant is cited \`${name}\` already`,
          line.name === null ? 'give it a `name:`' : 'choose another name',
        )
      cited.add(name)
    }
  }
}

export function maxLines(
  compiling: Compiling,
  place: GrantPlace,
  piece: Piece,
): { lines: MaxLine[]; priced: Priced[] } {
  const lines: MaxLine[] = []
  const priced: Priced[] = []
  for (const line of linesAt(place, piece, 'max', false)) {
    const max = amountsAt(compiling, line.said, textAt(line.said) ?? '', 0)
    if (max === null) continue
    lines.push({ because: line.because, owner: place.role, report: line.report, max })
    priced.push({ piece: line.said, because: line.because, amounts: max, what: 'max' })
  }
  return { lines, priced }
}

export function budgetLines(
  compiling: Compiling,
  place: GrantPlace,
  piece: Piece,
): { lines: LimitLine[]; priced: Priced[] } {
  const lines: LimitLine[] = []
  const priced: Priced[] = []
  for (const line of linesAt(place, piece, 'budget', true)) {
    const text = textAt(line.said) ?? ''
    const made =
      / per /.test(text) || /^[0-9]/.test(text)
        ? ownBudget(compiling, place, line, text)
        : sharedBudget(compiling, place, line, text)
    if (made === null) continue
    lines.push(made)
    priced.push({ piece: line.said, because: made.because, amounts: made.max, what: 'budget' })
  }
  return { lines, priced }
}

function ownBudget(compiling: Compiling, place: GrantPlace, line: Written, text: string): LimitLine | null {
  const { limit, by: byText, offset } = splitBy(text)
  const parsed = parseLimit(limit, place.timezone)
  if (!parsed.ok) {
    compiling.report.error(line.said, parsed.message, parsed.hint)
    return null
  }
  const by = byHere(compiling, place, line, byText, offset)
  if (by === null) return null
  const { because, report, suffix: name } = line
  return {
    because,
    owner: place.role,
    report,
    kind: 'budget',
    name,
    shared: null,
    max: parsed.max,
    window: parsed.window,
    per: parsed.per,
    by,
  }
}

/** `NAME` or `NAME of facts.x.y`. */
function sharedBudget(compiling: Compiling, place: GrantPlace, line: Written, text: string): LimitLine | null {
  const at_of = text.indexOf(' of ')
  const name = at_of < 0 ? text : text.slice(0, at_of)
  if (!/^[a-z][a-z0-9_-]*$/.test(name)) {
    compiling.report.error(
      line.said,
      `"${text}" is no limit`,
      'write 500.00 USD per day, the name of a shared budget, or NAME of facts.x.y',
    )
    return null
  }
  if (!known(compiling, 'budgets', name, line.said)) return null
  place.drawn.add(name)
  const budget = place.budgets.get(name)
  if (budget === undefined) return null
  if (has(at(line.piece, 'by')) && typeof valueAt(line.piece) === 'object') {
    compiling.report.error(at(line.piece, 'by'), `\`${name}\` says itself what it counts by`, 'take `by:` out', 'key')
    return null
  }
  if (budget.keyed !== null && at_of < 0) {
    compiling.report.error(
      line.said,
      `\`${name}\` counts by ${budget.keyed}, and this does not say whose`,
      `write ${name} of facts.x.y`,
    )
    return null
  }
  if (budget.keyed === null && at_of >= 0) {
    compiling.report.error(
      line.said,
      `\`${name}\` is one counter for all`,
      `write ${name} alone, or give the budget a \`by:\``,
      { offset: at_of + 1, length: text.length },
    )
    return null
  }
  const by = budget.keyed === null ? budget.by : keyOf(compiling, place, text.slice(at_of + 4), line.said, at_of + 4)
  if (by === null) return null
  const suffix = line.name ?? name
  return {
    because: `grants.${place.action}.${suffix}`,
    owner: place.role,
    report: line.report,
    kind: 'budget',
    name: suffix,
    shared: name,
    max: budget.max,
    window: budget.window,
    per: budget.per,
    by,
  }
}

export function rateLines(compiling: Compiling, place: GrantPlace, piece: Piece): LimitLine[] {
  return linesAt(place, piece, 'rate', false).flatMap((line) => {
    const { limit, by: byText, offset } = splitBy(textAt(line.said) ?? '')
    const parsed = parseRate(limit)
    if (!parsed.ok) {
      compiling.report.error(line.said, parsed.message, parsed.hint)
      return []
    }
    const by = byHere(compiling, place, line, byText, offset)
    if (by === null) return []
    const { because, report, suffix: name } = line
    const max = { calls: parsed.max }
    return [
      {
        because,
        owner: place.role,
        report,
        kind: 'rate' as const,
        name,
        shared: null,
        max,
        window: parsed.window,
        per: parsed.per,
        by,
      },
    ]
  })
}

export function serializeLine(compiling: Compiling, place: GrantPlace, piece: Piece): LimitLine[] {
  const value = expressionAt(compiling, piece, place.scope, 'any')
  if (value === null) return []
  return [
    {
      because: `grants.${place.action}.serialize`,
      owner: place.role,
      report: false,
      kind: 'serialize',
      name: 'serialize',
      shared: null,
      max: { calls: 1 },
      window: { kind: 'gauge' },
      per: 'at once',
      by: { kind: 'fact', value },
    },
  ]
}

export function requireLines(compiling: Compiling, place: GrantPlace, piece: Piece): RequireLine[] {
  return linesAt(place, piece, 'require', true).flatMap((line) => {
    const that = expressionAt(compiling, at(line.piece, 'that'), place.scope, 'bool')
    if (that === null) return []
    return [
      {
        because: line.because,
        owner: place.role,
        report: line.report,
        that,
        else: textAt(at(line.piece, 'else')) ?? '',
      },
    ]
  })
}

/** One amount per unit, or a finding. */
export function amountsAt(compiling: Compiling, piece: Piece, text: string, offset: number): Amounts | null {
  const parsed = parseAmounts(text)
  if (parsed.ok) return parsed.amounts
  compiling.report.error(piece, parsed.message, parsed.hint, { offset, length: text.length })
  return null
}

/** `LIMIT by BY`: the first ` by ` after the window, because an expression may hold the word in a text. */
export function splitBy(text: string): { limit: string; by: string | null; offset: number } {
  const found = text.indexOf(' by ')
  return found < 0
    ? { limit: text, by: null, offset: 0 }
    : { limit: text.slice(0, found), by: text.slice(found + 4), offset: found + 4 }
}

/** What a line counts by, said in its text or as a key of its own. */
function byHere(
  compiling: Compiling,
  place: GrantPlace,
  { piece, said }: Written,
  inText: string | null,
  offset: number,
): By | null {
  const own = typeof valueAt(piece) === 'object' ? textAt(at(piece, 'by')) : null
  if (own === null) return inText === null ? { kind: 'role' } : byOf(compiling, place, inText, said, offset)
  if (inText === null) return byOf(compiling, place, own, at(piece, 'by'), 0)
  compiling.report.error(at(piece, 'by'), '`limit` says already what it counts by', 'take one of the two out', 'key')
  return null
}

export function byOf(compiling: Compiling, place: GrantPlace, text: string, piece: Piece, offset: number): By | null {
  if (text === 'role' || text === 'session' || text === 'requester') return { kind: text }
  if (/^[a-z]+$/.test(text)) {
    compiling.report.error(
      piece,
      `a limit does not count by \`${text}\``,
      didYouMean(
        text,
        ['role', 'session', 'requester'],
        'write role, session, requester, or an expression like facts.x.y',
      ),
      { offset, length: text.length },
    )
    return null
  }
  return keyOf(compiling, place, text, piece, offset)
}

function keyOf({ report }: Compiling, place: GrantPlace, text: string, piece: Piece, offset: number): By | null {
  const value = expressionOf(report, text, piece, offset, place.scope, 'any')
  return value === null ? null : { kind: 'fact', value }
}
