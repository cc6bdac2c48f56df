import { MOST } from './company.ts'
import type { Effect } from './effect.ts'
import type { Kept } from './ledger.ts'

/** Sums of what happened, from the backends' own files, against the maxima of the policy; nothing here trusts a counter. */
export function overBudget(effects: readonly Effect[], byId: ReadonlyMap<string, Kept>): string[] {
  const of = (backend: string): Effect[] => effects.filter((effect) => effect.backend === backend)
  const intent = ({ call, at }: Effect): number => byId.get(call)?.call.intent_at ?? at
  // A run is shorter than 24 hours: all effects of a pot lie in one window.
  return [
    ...above(of('pay'), ({ pot }) => pot, MOST.pot),
    ...above(of('shop'), ({ pot }) => pot, MOST.items),
    ...above(of('pay'), (effect) => new Date(intent(effect)).toISOString().slice(0, 10), MOST.daily),
    ...tooMany(of('blind'), intent),
  ]
}

function above(effects: readonly Effect[], by: (effect: Effect) => string, most: number): string[] {
  return [...Map.groupBy(effects, by)].flatMap(([name, all]) => {
    const sum = all.reduce((total, { amount }) => total + amount, 0)
    return sum > most ? [`${all[0]?.backend} ${name}: ${sum} of ${most}`] : []
  })
}

/** Notes of one agent within any minute, by when they were let in. */
function tooMany(notes: readonly Effect[], intent: (effect: Effect) => number): string[] {
  return [...Map.groupBy(notes, ({ ref }) => ref.split('.')[0] ?? '')].flatMap(([account, all]) => {
    const times = all.map(intent).toSorted((one, other) => one - other)
    const late = times.findIndex(
      (time, index) => time - (times[index - MOST.notes] ?? Number.NEGATIVE_INFINITY) < 60_000,
    )
    return late < 0 ? [] : [`${account} wrote more than ${MOST.notes} notes in the minute before ${times[late]}`]
  })
}
