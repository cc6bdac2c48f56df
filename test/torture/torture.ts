import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { postgresPlace, sqlitePlace } from './places.ts'
import { randomFrom } from './random.ts'
import { steadyPort } from './replica.ts'
import { run } from './run.ts'
import type { Outcome } from './run.ts'
import { isClean, tableOf } from './table.ts'

/** `npm run torture -- --minutes M [--store sqlite|postgres|both] [--seed N] [--quiet] [--keep]`; see docs/torture.md. */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    store: { type: 'string', default: 'both' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    quiet: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
})
const [minutes, seed] = [Number(values.minutes), Number(values.seed)]
if (!(minutes > 0) || !Number.isInteger(seed) || !['sqlite', 'postgres', 'both'].includes(values.store)) {
  console.error('npm run torture -- --minutes M [--store sqlite|postgres|both] [--seed N]')
  process.exit(2)
}

// Children end with this process (children.ts); a signal is an end like any other.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130))

/** What comes after the minutes of a run may take this long: settling, asking again, verifying. */
const AFTER_MS = 8 * 60_000
const runs = values.store === 'both' ? 2 : 1
setTimeout(
  () => {
    console.error('It does not come to an end.')
    process.exit(1)
  },
  runs * (minutes * 60_000 + AFTER_MS),
).unref()

const dir = mkdtempSync(join(tmpdir(), 'keystay-torture-'))
const log = (line: string): void => {
  if (!values.quiet) console.error(line)
}
log(`seed ${seed}, evidence in ${dir}`)
const outcomes: Outcome[] = []
if (values.store !== 'postgres') {
  const place = (where: string) => sqlitePlace(where, minutes >= 1 ? 1024 : 0)
  outcomes.push(await run(join(dir, 'sqlite'), { minutes, seed, log }, place))
}
if (values.store !== 'sqlite') {
  const random = randomFrom(seed)
  const place = async (where: string) => postgresPlace(where, await steadyPort(random), random)
  outcomes.push(await run(join(dir, 'postgres'), { minutes, seed, log }, place))
}
const clean = outcomes.every(isClean)
writeFileSync(join(dir, 'outcome.json'), JSON.stringify(outcomes, null, 2))
console.log(
  `node test/torture/torture.ts --minutes ${minutes} --store ${values.store} --seed ${seed}\n\n${tableOf(outcomes)}`,
)
if (clean && !values.keep) rmSync(dir, { recursive: true, force: true })
if (!clean) {
  for (const { store, findings } of outcomes) {
    for (const [kind, lines] of Object.entries(findings)) {
      if (typeof lines !== 'number') for (const line of lines.slice(0, 20)) console.log(`${store}, ${kind}: ${line}`)
    }
  }
  console.log(`Something does not agree. The evidence is in ${dir}.`)
}
process.exit(clean ? 0 : 1)
