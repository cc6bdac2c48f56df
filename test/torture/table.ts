import type { Outcome } from './run.ts'

/** The counts of the runs as a table, one column a store. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const count =
    (name: string) =>
    ({ counts }: Outcome) =>
      counts[name] ?? 0
  const rows: [string, (outcome: Outcome) => string | number][] = [
    ['seconds', ({ seconds }) => seconds],
    ['calls that were answered', count('calls')],
    ['… and that were not', count('calls without an answer')],
    ['distinct keys', ({ keys }) => keys],
    ['gateway kills', count('gateway kills')],
    ['… of them at a named step', ({ counts }) => sum(counts, 'died at ')],
    ['database kills', count('database kills')],
    ['SIGSTOPs', count('SIGSTOPs')],
    ['cut commits', count('cut commits')],
    ['slow disks', count('slow disks')],
    ['full disks', count('full disks')],
    ['revocations', count('revocations')],
    ['freezes', count('freezes')],
    ['answers 500', count('answers 500')],
    ['starts that failed', count('starts that failed')],
    ['gateways that ended while they served', count('gateways that ended while they served')],
    ['ms until all was settled', count('ms to settle')],
    ['effects at the backends', ({ effects }) => effects],
    ['doubled', ({ findings }) => findings.doubled.length],
    ['lost', ({ findings }) => findings.lost.length],
    ['over budget', ({ findings }) => findings.over_budget.length],
    ['unexplained', ({ findings }) => findings.unexplained.length],
    ['later than 1 s after a stop', ({ findings }) => findings.late.length],
    ['wait for people (blind backend)', ({ findings }) => findings.needs_human],
    ['ledger entries', ({ entries }) => entries],
    ['ledger verified', ({ verified }) => (verified ? 'yes' : 'NO')],
  ]
  const lines = rows.map(([name, of]) => name.padEnd(40) + outcomes.map((one) => String(of(one)).padStart(12)).join(''))
  const head = ''.padEnd(40) + outcomes.map(({ store }) => store.padStart(12)).join('')
  const skipped = outcomes.flatMap(({ store, skipped: all }) => all.map((what) => `skipped on ${store}: ${what}`))
  return [head, ...lines, ...skipped].join('\n')
}

/** Whether everything agrees. */
export function isClean({ findings, verified }: Outcome): boolean {
  const { doubled, lost, over_budget, unexplained, late } = findings
  return verified && [doubled, lost, over_budget, unexplained, late].every(({ length }) => length === 0)
}

function sum(counts: Outcome['counts'], prefix: string): number {
  return Object.entries(counts).reduce((total, [name, many]) => total + (name.startsWith(prefix) ? many : 0), 0)
}
