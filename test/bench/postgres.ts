import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { idFrom } from '../../gateway/core/id.ts'
import { listenPostgres, openPostgres, readPostgres, reopenPostgres } from '../../gateway/store/postgres.ts'
import { openReplica } from '../../gateway/store/replica.ts'
import { startPostgres } from '../backends/postgres.ts'
import { admit, issue } from './ledger.ts'

/**
 * `node test/bench/postgres.ts`: durable reservations with their record a second on PostgreSQL, 64 in flight. Our batches
 * (one transaction for what queued during the last one, the fold between lock and write) against the usual way: one
 * function of the database for each call, which takes the limit's row, reserves and records in one round trip, on 64
 * connections. Both sync every commit; they take turns. Ends with the line of the goal.
 */
const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, ms: { type: 'string', default: '2000' } },
})
const [ROUNDS, MS, AT_ONCE] = [Number(values.rounds), Number(values.ms), 64]

/** The same rows as ours, less the tree; a limit that is full refuses. */
const FUNCTION = `CREATE FUNCTION reserve(call TEXT, lim TEXT, amount BIGINT, most BIGINT, data TEXT, bodies TEXT, entry TEXT)
RETURNS BOOLEAN LANGUAGE plpgsql AS $$
BEGIN
  UPDATE usual_limits SET held = held + amount WHERE id = lim AND held + amount <= most;
  IF NOT FOUND THEN RETURN FALSE; END IF;
  INSERT INTO usual_calls (id, key, lim, data) VALUES (call, call, lim, data);
  INSERT INTO usual_bodies (call, data) VALUES (call, bodies);
  INSERT INTO usual_entries (call, bytes) VALUES (call, entry);
  RETURN TRUE;
END $$`

interface Measured {
  readonly per_second: number
  readonly p99_ms: number
}

const server = await startPostgres(['log_statement=none', 'max_connections=120'])
try {
  await bench(await server.fresh())
} finally {
  await server.stop()
}

async function bench(url: string): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: AT_ONCE })
  pool.on('error', () => {})
  await pool.query('CREATE TABLE usual_limits (id TEXT PRIMARY KEY, held BIGINT NOT NULL)')
  await pool.query('CREATE TABLE usual_calls (id TEXT PRIMARY KEY, key TEXT UNIQUE, lim TEXT, data TEXT)')
  await pool.query('CREATE TABLE usual_bodies (call TEXT PRIMARY KEY, data TEXT)')
  await pool.query(
    'CREATE TABLE usual_entries (number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, call TEXT, bytes TEXT)',
  )
  await pool.query(FUNCTION)
  for (let n = 0; n < 1000; n++) await pool.query('INSERT INTO usual_limits VALUES ($1, 0)', [`lim_${n}`])
  const store = await openReplica({
    driver: openPostgres({ url }),
    reader: readPostgres({ url }),
    reopen: (given) => reopenPostgres({ url }, given),
    listen: (told) => listenPostgres({ url }, told),
    signer: { name: 'bench', privateKey: generateKeyPairSync('ed25519').privateKey },
    strictClock: false,
    onLate: () => {},
  })
  const issued = await store.write(issue())
  if (issued.kind !== 'issued') throw new Error('no session')

  const limitOf = (hot: boolean): string => `lim_${hot ? 0 : Math.floor(Math.random() * 1000)}`
  const ours = (hot: boolean) => async (): Promise<void> => {
    const { kind } = await store.write(admit(issued.session.id, limitOf(hot)))
    if (kind !== 'started') throw new Error(`the ledger answered ${kind}`)
  }
  const usual = (hot: boolean) => async (): Promise<void> => {
    const { call, plan, bodies } = admit(issued.session.id, limitOf(hot))
    const name = plan.want[0]?.limit
    const texts = [JSON.stringify(plan), JSON.stringify(bodies), JSON.stringify({ call, plan: plan.cost })]
    const { rows } = await pool.query({
      name: 'reserve',
      text: 'SELECT reserve($1, $2, $3, $4, $5, $6, $7) AS kept',
      values: [call ?? idFrom('call', Date.now(), randomBytes(10)), name, 1, 2 ** 50, ...texts],
    })
    if (rows[0].kept !== true) throw new Error('refused')
  }

  const measured: { [what: string]: Measured[] } = {
    'usual spread': [],
    'ours spread': [],
    'usual hot': [],
    'ours hot': [],
  }
  for (const one of [ours(false), usual(false)]) await perSecond(one, 1000)
  for (let round = 0; round < ROUNDS; round++) {
    measured['usual spread']?.push(await perSecond(usual(false)))
    measured['ours spread']?.push(await perSecond(ours(false)))
    measured['usual hot']?.push(await perSecond(usual(true)))
    measured['ours hot']?.push(await perSecond(ours(true)))
  }
  await store.close()
  await pool.end()
  const of = (what: string, key: keyof Measured): number => median((measured[what] ?? []).map((one) => one[key]))
  console.log('reservations with their record a second, 64 in flight    medians of', ROUNDS, 'turns of', MS, 'ms')
  for (const what of Object.keys(measured))
    console.log(
      `  ${what.padEnd(16)}${of(what, 'per_second').toFixed(0).padStart(8)}   p99 ${of(what, 'p99_ms').toFixed(1)} ms`,
    )
  const ratio = (kind: string, key: keyof Measured): string =>
    (of(`ours ${kind}`, key) / of(`usual ${kind}`, key)).toFixed(2)
  console.log(
    `P5 ${ratio('spread', 'per_second')} × one function per call on spread budgets (goal 4), ` +
      `${ratio('hot', 'per_second')} × on one hot budget (goal 12), its p99 ${ratio('hot', 'p99_ms')} × (goal 0.1)`,
  )
}

async function perSecond(one: () => Promise<void>, ms = MS): Promise<Measured> {
  const began = performance.now()
  const took: number[] = []
  const loop = async (): Promise<void> => {
    for (let from = performance.now(); from - began < ms; from = performance.now()) {
      await one()
      took.push(performance.now() - from)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, loop))
  took.sort((a, b) => a - b)
  return {
    per_second: took.length / ((performance.now() - began) / 1000),
    p99_ms: took[Math.floor(took.length * 0.99)] ?? 0,
  }
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN
}
