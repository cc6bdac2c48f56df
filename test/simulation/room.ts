import { isWithin } from './budgets.ts'
import type { GrantRules, LimitRules } from './company.ts'
import type { Database } from './database.ts'
import type { EntryRow, Fields } from './entries.ts'
import { isOpen } from './track.ts'
import type { Track, Violated } from './track.ts'

/**
 * I3 once more, from the calls alone: whatever a limit is called and wherever it is kept, the calls that may have taken
 * something of it come to no more than its maximum. And a no for want of room is said only where there is none.
 */
export interface Room {
  /** This call has just taken its part. @param roles those that the policy has. */
  fits(track: Track, at: number, grant: GrantRules | null, roles: readonly string[]): void
  denied(track: Track, row: EntryRow, fields: Fields, grant: GrantRules | null): void
}

export function room(calls: ReadonlyMap<string, Track>, database: Pick<Database, 'rows'>, violated: Violated): Room {
  /** What the calls that draw from the same come to; `roles` null: also those of roles that are no more. */
  function comesTo(track: Track, rule: LimitRules, at: number, roles: readonly string[] | null): number {
    const { unit, shared, window } = rule
    let sum = 0
    for (const other of calls.values()) {
      if (other.action !== track.action || roles?.includes(other.role) === false) continue
      if (!shared && other.role !== track.role) continue
      const counts = isOpen(other) || (isTaken(other, unit) && isWithin(window, other.intentAt ?? 0, at))
      if (counts) sum += unit === 'USD' ? other.amount : 1
    }
    return sum
  }

  return {
    fits(track, at, grant, roles) {
      for (const rule of grant?.limits ?? []) {
        const { name, max } = rule
        if (rule.window === 'at once') continue
        const sum = comesTo(track, rule, at, roles)
        if (sum > max) violated('I3', `${name}: the calls of ${track.action} come to ${sum} of ${max} (${track.id})`)
      }
    },
    denied(track, { at }, { because = [], recheck }, grant) {
      const [row] = database.rows<{ data: string; question: string | null }>(
        'SELECT data, question FROM calls JOIN bodies ON bodies.call = calls.id WHERE calls.id = ?',
        track.id,
      )
      // What was refused early was not decided by the ledger.
      if (row?.question == null || recheck === true) return
      const cost = (JSON.parse(row.data) as { cost: { amount: number } | null }).cost?.amount ?? 0
      for (const rule of grant?.limits ?? []) {
        const { name, max, window } = rule
        // A window that slides may count a little more than this does.
        if (window !== 'day' || !because.some((line) => line.endsWith(`.${name}`))) continue
        const sum = comesTo(track, rule, at, null)
        if (sum + cost > max) continue
        violated('I3', `${track.id} was denied by ${name}, which has room: ${sum} of ${max}`)
      }
    },
  }
}

function isTaken({ state }: Track, unit: LimitRules['unit']): boolean {
  return state === 'done' || (state === 'refused' && unit === 'calls')
}
