import { formatAmount } from '../money.ts'
import type { Amounts, ApprovalLine, By } from '../types.ts'
import { parseLimit } from '../window.ts'
import { durationAt, expressionAt, flagAt, has, textAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { peopleGroup } from './identity.ts'
import { amountsAt, byOf, linesAt, splitBy } from './lines.ts'
import type { GrantPlace, Priced, Written } from './lines.ts'
import { toldAt } from './notify.ts'
import { at } from './place.ts'
import type { Piece } from './place.ts'

export function approvalLines(
  compiling: Compiling,
  place: GrantPlace,
  piece: Piece,
): { lines: ApprovalLine[]; priced: Priced[] } {
  const lines: ApprovalLine[] = []
  const priced: Priced[] = []
  for (const line of linesAt(place, piece, 'approval', true)) {
    const made = approvalLine(compiling, place, line, priced)
    if (made !== null) lines.push(made)
  }
  return { lines, priced }
}

function approvalLine(compiling: Compiling, place: GrantPlace, line: Written, priced: Priced[]): ApprovalLine | null {
  const byText = textAt(at(line.piece, 'by')) ?? ''
  const [count = '1', of = ''] = byText.split(' of ')
  peopleGroup(compiling, of, at(line.piece, 'by'), { offset: byText.length - of.length, length: of.length })

  const above = aboveAt(compiling, place, at(line.piece, 'above'))
  const upToPiece = at(line.piece, 'up_to')
  const up_to = has(upToPiece) ? amountsAt(compiling, upToPiece, textAt(upToPiece) ?? '', 0) : null
  if (above === 'wrong' || (up_to === null && has(upToPiece))) return null
  if (above !== null)
    priced.push({ piece: at(line.piece, 'above'), because: line.because, amounts: above.amounts, what: 'above' })
  if (up_to !== null) priced.push({ piece: upToPiece, because: line.because, amounts: up_to, what: 'up_to' })
  for (const [unit, most] of Object.entries(up_to ?? {})) {
    const least = above?.amounts[unit]
    if (least !== undefined && least >= most) {
      const [low, high] = [formatAmount({ unit, amount: least }), formatAmount({ unit, amount: most })]
      compiling.report.error(
        upToPiece,
        `nothing is above ${low} and up to ${high}`,
        'write more in `up_to` than in `above`',
      )
    }
  }
  const when = expressionAt(compiling, at(line.piece, 'when'), place.scope, 'bool')
  if (when === null && has(at(line.piece, 'when'))) return null
  return {
    because: line.because,
    owner: place.role,
    report: line.report,
    above: above?.amounts ?? null,
    window: above?.window ?? null,
    up_to,
    when,
    count: Number(count),
    of,
    expires_ms: durationAt(compiling, at(line.piece, 'expires'), '24h'),
    passkey: flagAt(at(line.piece, 'passkey')),
    ...toldAt(compiling, line.piece),
  }
}

/** `50.00 USD`, or `100.00 USD per rolling 24h by facts.charge.customer`. */
function aboveAt(
  compiling: Compiling,
  place: GrantPlace,
  piece: Piece,
): { amounts: Amounts; window: ApprovalLine['window'] } | null | 'wrong' {
  const text = textAt(piece)
  if (text === null) return null
  if (!text.includes(' per ')) {
    const amounts = amountsAt(compiling, piece, text, 0)
    return amounts === null ? 'wrong' : { amounts, window: null }
  }
  const { limit, by: byText, offset } = splitBy(text)
  const parsed = parseLimit(limit, place.timezone)
  if (!parsed.ok) {
    compiling.report.error(piece, parsed.message, parsed.hint)
    return 'wrong'
  }
  const by: By | null = byText === null ? { kind: 'role' } : byOf(compiling, place, byText, piece, offset)
  return by === null ? 'wrong' : { amounts: parsed.max, window: { window: parsed.window, per: parsed.per, by } }
}
