import { parseArgs } from 'node:util'
import { change } from './changes/run.ts'

/**
 * `node test/trials/changes.ts [--changes 10000] [--store sqlite|postgres] [--seed 7]`: after a card was shown, and before
 * somebody says yes to it, facts, policy, switches or the session change. Another request, cost or need: nobody's yes
 * counts any more, and a new card is shown. A deny denies. Facts that cannot be had: 503, still held. All else runs, and
 * what the backend got has the digest of the card. Ends with 1 where anything else came of one.
 */
const { values } = parseArgs({
  options: {
    changes: { type: 'string', default: '10000' },
    store: { type: 'string', default: 'sqlite' },
    seed: { type: 'string', default: '7' },
    clients: { type: 'string', default: '10' },
  },
})
const began = performance.now()
const { came, calls, clicks, bytes, wrong } = await change({
  store: values.store === 'postgres' ? 'postgres' : 'sqlite',
  changes: Number(values.changes),
  seed: Number(values.seed),
  clients: Number(values.clients),
})
const kinds = ['counts', 'afresh', 'denied', 'unavailable', 'frozen', 'cancelled']
console.log(`${'what changed'.padEnd(36)}${kinds.map((kind) => kind.padStart(12)).join('')}`)
for (const [what, outcomes] of [...came].sort(([a], [b]) => (a < b ? -1 : 1)))
  console.log(`${what.padEnd(36)}${kinds.map((kind) => String(outcomes.get(kind) ?? 0).padStart(12)).join('')}`)
console.log(
  `${values.store}: ${values.changes} changes of ${calls} calls, ${clicks} clicks, ${bytes} with the bytes of their card, ` +
    `${wrong.length} wrong (${Math.round((performance.now() - began) / 1000)} s)`,
)
for (const line of wrong.slice(0, 30)) console.log(`  ${line}`)
// A kind of outcome that never came shows nothing.
const never = kinds.filter((kind) => ![...came.values()].some((outcomes) => outcomes.has(kind)))
if (never.length > 0) console.log(`  it never came: ${never.join(', ')}`)
process.exitCode = wrong.length + never.length > 0 ? 1 : 0
