import type { Amounts, By, Window } from '../types.ts'
import { parseLimit } from '../window.ts'
import { textAt, timezoneAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { at, sound } from './place.ts'
import type { Piece } from './place.ts'

/** A counter that several grants draw from. */
export interface SharedBudget {
  readonly name: string
  readonly max: Amounts
  readonly window: Window
  readonly per: string
  /** What it counts by when no grant has to say whose: all together, per session, per requester. */
  readonly by: By
  /** The word for what a grant must name with `of`; null where it need not. */
  readonly keyed: string | null
}

export function compileBudget(compiling: Compiling, name: string, piece: Piece): SharedBudget | null {
  if (!sound(piece)) return null
  const timezone = timezoneAt(compiling, at(piece, 'timezone'), 'UTC')
  const parsed = parseLimit(textAt(at(piece, 'limit')) ?? '', timezone)
  if (!parsed.ok) {
    compiling.report.error(at(piece, 'limit'), parsed.message, parsed.hint)
    return null
  }
  const by = textAt(at(piece, 'by'))
  if (by === 'role') {
    compiling.report.error(
      at(piece, 'by'),
      'a shared budget is not counted by role',
      'write the limit at each grant, or take `by:` out',
    )
    return null
  }
  const own = by === 'session' || by === 'requester'
  return {
    name,
    max: parsed.max,
    window: parsed.window,
    per: parsed.per,
    by: own ? { kind: by } : { kind: 'role' },
    keyed: by === null || own ? null : by,
  }
}
