import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { loadPolicy } from '../../gateway/policy-dir.ts'
import { ledgerKey } from '../../gateway/secrets/ledger-key.ts'
import { startLying } from '../backends/lying.ts'
import { startPostgres } from '../backends/postgres.ts'
import { gatewayProcess } from '../kill/process.ts'
import type { GatewayProcess } from '../kill/process.ts'
import { asking, first, spansOf, walk } from './million/ask.ts'
import type { Asking } from './million/ask.ts'
import { actionAt, ACTIONS, roleAt, ROLES, writeMillion } from './million/company.ts'
import { copyStore } from './million/copy.ts'
import { exported, memory, paused } from './million/exports.ts'
import { calling } from './million/load.ts'
import { differences } from './million/same.ts'
import { DAYS, NIGHTLY, writeCalls } from './million/write.ts'

/**
 * `node test/trials/million.ts [--calls 1000000] [--store sqlite|postgres] [--rounds 20] [--dir DIR]`: a store with so many
 * calls of ninety days, written by the store's own writer, and a gateway of its own on it. How long a page of the log takes by
 * each filter, what else a person opens, how fast exports and `ledger verify` are, and what governed calls feel of it.
 *
 * With `--dir` the store stays there, and the next run begins with it.
 */
const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '1000000' },
    store: { type: 'string', default: 'sqlite' },
    rounds: { type: 'string', default: '20' },
    dir: { type: 'string' },
    /** Of `start filters deep pages load exports verify`. */
    only: { type: 'string' },
  },
})
const calls = Number(values.calls)
const rounds = Number(values.rounds)
const GOAL_MS = 300
const PER_SECOND = 50

const shop = await startLying()
const dir = values.dir ?? (await mkdtemp(join(tmpdir(), 'keystay-million-')))
const file = join(dir, 'keystay.db')
const policies = join(dir, 'policies')
const server = values.store === 'postgres' ? await startPostgres(['log_statement=none', 'shared_buffers=256MB']) : null
let gate = null as GatewayProcess | null
try {
  await mkdir(dir, { recursive: true })
  await writeMillion(policies, shop.url)
  const until = await seeded()
  const store = server === null ? `sqlite:${file}` : await server.fresh()
  if (server !== null) await timed('copied to PostgreSQL', () => copyStore(file, store, say))
  await measured(store, until)
} finally {
  await gate?.stop()
  await server?.stop()
  await shop.close()
  if (values.dir === undefined) await rm(dir, { recursive: true, force: true })
}

/** @returns when the last of the seeded calls was made, ms. */
async function seeded(): Promise<number> {
  const mark = join(dir, 'seeded')
  if (existsSync(mark)) return Math.floor((await stat(mark)).mtimeMs)
  const until = Date.now() - 60_000
  const loaded = await loadPolicy(policies)
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.findings.slice(0, 3)))
  const { privateKey } = await ledgerKey(`file://${file}.ledger-key`)
  await timed(`${calls} calls written`, () =>
    writeCalls(file, loaded.policy, { name: 'keystay.ledger', privateKey }, { calls, until }, say),
  )
  await writeFile(mark, '')
  return until
}

async function measured(store: string, until: number): Promise<void> {
  const wants = (part: string) => values.only === undefined || values.only.split(',').includes(part)
  table([`${availableParallelism()} cores, node ${process.version}, ${new Date().toISOString()}, load ${load()}`])
  const began = performance.now()
  gate = await gatewayProcess({ dir, policies, store })
  const asked = await asking(gate.agentUrl, gate.adminUrl)
  await asked.page('limit=1')
  say(`first answer ${ms(performance.now() - began)} ms after its start; ${await memory(gate)} MB`)
  if (wants('same')) await same(gate, asked)
  if (wants('filters')) await filters(asked, until)
  if (wants('deep')) await deep(asked, until)
  if (wants('pages')) await pages(asked)
  if (wants('load')) await underLoad(gate, asked, until)
  if (wants('exports')) await files(gate, until)
  await gate.stop()
  if (wants('verify')) await verified(store)
}

/** What stands in the store looks as what the gateway makes. */
async function same(gate: GatewayProcess, asked: Asking): Promise<void> {
  const different = await differences(gate, asked)
  say(different.length === 0 ? 'calls of each kind look as those that the gateway makes' : different.join('\n'))
}

async function filters(asked: Asking, until: number): Promise<void> {
  const all = await filtersOf(asked, until)
  const took = new Map<string, number[]>()
  const told = new Map<string, string>()
  for (let round = 0; round < rounds; round++) {
    for (const [name, query] of all) {
      const page = await asked.page(query)
      took.set(name, [...(took.get(name) ?? []), page.ms])
      told.set(name, `${page.calls.length}${page.cursor === null ? '' : ', and on'}`)
    }
  }
  table(['', `| filter (load ${load()}) | median ms | p95 | max | first page |`, '|---|---|---|---|---|'])
  for (const [name, each] of took) {
    const { median, p95, max } = spansOf(each)
    table([`| ${name} | ${ms(median)} | ${ms(p95)} | ${ms(max)} | ${told.get(name)} |`])
  }
  const { median, p95, max } = spansOf([...took.values()].flat())
  const slow = [...took.values()].filter((each) => spansOf(each).p95 > GOAL_MS).length
  table([
    '',
    `all: median ${ms(median)}, p95 ${ms(p95)}, max ${ms(max)} ms; ${slow} of ${took.size} beyond ${GOAL_MS} ms at p95`,
  ])
}

/** By name: the query. What is sought early, late and never was looked up first. */
async function filtersOf(asked: Asking, until: number): Promise<ReadonlyMap<string, string>> {
  const day = (number: number) => new Date(until - (DAYS - number) * 86_400_000).toISOString()
  const newest = await first(asked, `status=done&until=${day(DAYS)}`)
  const oldest = (await first(asked, `status=done&until=${day(0.1)}`)) ?? {}
  const evidenceOf = async (call: unknown): Promise<string> => {
    const { evidence } = JSON.parse((await asked.get(`/admin/v1/calls/${String(call)}`)).text) as {
      evidence: { request_id: string }
    }
    return evidence.request_id
  }
  const [young, old] = [await evidenceOf(newest?.['call']), await evidenceOf(oldest['call'])]
  const nightly = encodeURIComponent(NIGHTLY)
  const [role, action, oldRole, oldAction] = [roleAt(0), actionAt(0), roleAt(ROLES - 1), actionAt(ACTIONS - 2)]
  const states = [
    'done',
    'denied',
    'held',
    'needs_human',
    'unknown',
    'running',
    'refused',
    'rejected',
    'expired',
    'cancelled',
    'not_sent',
  ]
  const queries: [string, string][] = [
    ['none', ''],
    ...states.map((status): [string, string] => [`status ${status}`, `status=${status}`]),
    ['role, common', `role=${role}`],
    ['role, rare', `role=${roleAt(ROLES - 2)}`],
    ['role, of the first days', `role=${oldRole}`],
    ['role, none', 'role=nobody'],
    ['action, common', `action=${action}`],
    ['action, of the first days', `action=${oldAction}`],
    ['action, none', 'action=no.such'],
    ['session, new', `session=${String(newest?.['session'])}`],
    ['session, old', `session=${String(oldest['session'])}`],
    ['session, none', 'session=ses_nobody'],
    ['person, many sessions', 'person=demo:workload-7'],
    ['person, few sessions and a third of all', `person=${nightly}`],
    ['person acted for', 'person=demo:sam'],
    ['person, nobody', 'person=demo:nobody'],
    ['min, common', 'min=100'],
    ['min, rare', 'min=1999.9'],
    ['min, nothing', 'min=100000'],
    ['max, common', 'max=10'],
    ['max, rare', 'max=0.01'],
    ['min and max, nothing between', 'min=2000.001&max=2000.009'],
    ['since, a day', `since=${day(89)}`],
    ['since, all', `since=${day(0)}`],
    ['until, the first day', `until=${day(1)}`],
    ['until, before all', `until=${day(-1)}`],
    ['since and until, one day', `since=${day(30)}&until=${day(31)}`],
    ['q, found early', `q=${young}`],
    ['q, found late', `q=${old}`],
    ['q, found never', 'q=found+nowhere'],
    ['q, everywhere', 'q=give+back'],
    ['q, not ASCII', `q=${encodeURIComponent('Zoë')}`],
    ['because, common', `because=grants.${action}.max`],
    ['because, never', 'because=no.such.line'],
    ['evidence, found early', `evidence=${young}`],
    ['evidence, found late', `evidence=${old}`],
    ['role and action', `role=${role}&action=${action}`],
    ['role and action, never together', `role=${role}&action=${oldAction}`],
    ['role and status, rare', `role=${role}&status=rejected`],
    ['role, status and q never', `role=${role}&status=done&q=found+nowhere`],
    ['action and status', `action=${action}&status=denied`],
    ['action and status, rare', `action=${action}&status=not_sent`],
    ['action and person', `action=${action}&person=${nightly}`],
    ['person and status, rare', `person=${nightly}&status=cancelled`],
    ['person of many sessions and status, rare', 'person=demo:workload-7&status=rejected'],
    ['person, few sessions, and q never', `person=${nightly}&q=found+nowhere`],
    ['person, few sessions, until the first days', `person=${nightly}&until=${day(2)}`],
    ['role and until the first days', `role=${role}&until=${day(1)}`],
    ['role of the first days, since yesterday', `role=${oldRole}&since=${day(89)}`],
    ['role of the first days, done, min nothing', `role=${oldRole}&status=done&min=100000`],
    ['role of the first days, another action', `role=${oldRole}&action=${action}`],
    ['status rejected, until the first days', `status=rejected&until=${day(3)}`],
    ['status rejected, since yesterday', `status=rejected&since=${day(89)}`],
    ['status rejected, min nothing, q never', 'status=rejected&min=100000&q=found+nowhere'],
    ['status done, min nothing', 'status=done&min=100000'],
    ['status denied, q never, all days', `status=denied&q=found+nowhere&since=${day(0)}`],
    [
      'rare value, far past, q never, nothing between',
      `action=${oldAction}&until=${day(1)}&q=found+nowhere&min=2000.001&max=2000.009`,
    ],
    [
      'common values, far past, q never, nothing between',
      `role=${role}&status=done&until=${day(10)}&q=found+nowhere&min=2000.001&max=2000.009`,
    ],
    [
      'everything at once',
      `role=${role}&action=${action}&status=done&person=${nightly}&since=${day(1)}&until=${day(80)}&min=1&max=500&q=or_`,
    ],
    ['500 rows', 'limit=500'],
  ]
  return new Map(queries)
}

/** The first page, and those far behind it; what it takes to see the end of what is found nowhere. */
async function deep(asked: Asking, until: number): Promise<void> {
  const day = (number: number) => new Date(until - (DAYS - number) * 86_400_000).toISOString()
  table(['', `| page of 100 (load ${load()}) | median ms | p95 | max |`, '|---|---|---|---|'])
  const cursors = new Map<number, string>()
  let cursor: string | null = null
  for (let at = 5; cursor !== null || at === 5; at += 5) {
    const page = await asked.page(`limit=500${cursor === null ? '' : `&cursor=${cursor}`}`)
    cursor = page.cursor
    if (cursor !== null && [100, 1000, 5000, Math.floor(calls / 100) - 10].includes(at)) cursors.set(at, cursor)
  }
  const each = new Map<string, number[]>()
  for (let round = 0; round < rounds; round++)
    for (const [depth, from] of [[1, null], ...cursors] as const)
      for (const more of ['', `&action=${actionAt(0)}`]) {
        const name = `page ${depth}${more === '' ? '' : ', of one action'}`
        const { ms } = await asked.page(`limit=100${more}${from === null ? '' : `&cursor=${from}`}`)
        each.set(name, [...(each.get(name) ?? []), ms])
      }
  for (const [name, took] of each) {
    const { median, p95, max } = spansOf(took)
    table([`| ${name} | ${ms(median)} | ${ms(p95)} | ${ms(max)} |`])
  }
  table(['', '| to the end of | found | pages | worst page ms | all of it s |', '|---|---|---|---|---|'])
  for (const query of [
    'q=found+nowhere',
    'min=100000',
    `evidence=req_nowhere`,
    `person=${encodeURIComponent(NIGHTLY)}&q=found+nowhere`,
    'status=done&min=1999',
    `role=${roleAt(0)}&q=found+nowhere`,
    `since=${day(1)}&q=found+nowhere`,
    `until=${day(60)}&min=100000`,
  ]) {
    const { found, pages, worst_ms, all_ms } = await walk(asked, query)
    table([`| ${query} | ${found} | ${pages} | ${ms(worst_ms)} | ${(all_ms / 1000).toFixed(1)} |`])
  }
}

async function pages(asked: Asking): Promise<void> {
  const { calls } = await asked.page('limit=1')
  const [story] = calls
  const session = String(story?.['session'])
  const all = [
    `/admin/v1/calls/${String(story?.['call'])}`,
    `/admin/v1/calls/${String(story?.['call'])}/proof`,
    '/admin/v1/limits',
    '/admin/v1/roles',
    '/admin/v1/sessions?live=true',
    '/admin/v1/sessions',
    `/admin/v1/sessions?role=${roleAt(0)}&live=true`,
    `/admin/v1/sessions?person=${encodeURIComponent(NIGHTLY)}`,
    '/admin/v1/policy',
    '/metrics',
    `/admin/v1/calls?session=${session}`,
  ]
  table(['', `| page (load ${load()}) | median ms | p95 | max |`, '|---|---|---|---|'])
  const each = new Map<string, number[]>()
  for (let round = 0; round < rounds; round++)
    for (const path of all) each.set(path, [...(each.get(path) ?? []), (await asked.get(path)).ms])
  for (const [path, took] of each) {
    const { median, p95, max } = spansOf(took)
    table([`| \`${path.replaceAll(/(call|ses)_\w+/g, '$1_…')}\` | ${ms(median)} | ${ms(p95)} | ${ms(max)} |`])
  }
}

/** The same calls with and without somebody who reads, by turns. */
async function underLoad(gate: GatewayProcess, asked: Asking, until: number): Promise<void> {
  const all = [...(await filtersOf(asked, until)).values()]
  const nowhere = ['q=found+nowhere', 'min=100000', 'status=done&min=100000', `role=${roleAt(0)}&q=found+nowhere`]
  const reads: { readonly [name: string]: (over: number) => Promise<void> } = {
    'nobody reads': (over) => new Promise((resolve) => setTimeout(resolve, over - performance.now())),
    'a person opens pages': async (over) => {
      for (let n = 0; performance.now() < over; n++) await asked.page(all[n % all.length] ?? '')
    },
    'a person seeks what is nowhere': async (over) => {
      for (let n = 0; performance.now() < over; n++) await asked.page(nowhere[n % nowhere.length] ?? '')
    },
    'an export runs': async (over) => {
      const stop = new AbortController()
      const token = await gate.person('dana')
      const timer = setTimeout(() => stop.abort(), over - performance.now())
      const answer = await fetch(`${gate.adminUrl}/admin/v1/calls.csv`, {
        headers: { authorization: `Bearer ${token}` },
        signal: stop.signal,
      })
      await answer.body?.pipeTo(new WritableStream()).catch(() => {})
      clearTimeout(timer)
    },
  }
  const load = await calling(gate, 0, PER_SECOND)
  for (let turn = 0; turn < 4; turn++)
    for (const [name, read] of Object.entries(reads)) {
      load.under(name)
      await read(performance.now() + 4000)
    }
  const took = await load.stop()
  const alone = spansOf(took.get('nobody reads') ?? [])
  table([
    '',
    `| ${PER_SECOND} governed calls/s | calls | median ms | p95 | max | median × |`,
    '|---|---|---|---|---|---|',
  ])
  for (const [name, each] of took) {
    if (name === '') continue
    const { median, p95, max } = spansOf(each)
    table([
      `| ${name} | ${each.length} | ${median.toFixed(1)} | ${p95.toFixed(1)} | ${max.toFixed(0)} | ${(median / alone.median).toFixed(2)} |`,
    ])
  }
}

async function files(gate: GatewayProcess, until: number): Promise<void> {
  const first = new Date(until - DAYS * 0.9 * 86_400_000).toISOString()
  table([
    '',
    `| export (load ${load()}) | rows | MB | s | rows/s | gateway MB before | at most |`,
    '|---|---|---|---|---|---|---|',
  ])
  for (const path of [
    `calls.csv?until=${first}`,
    'calls.csv',
    `calls.jsonl?until=${first}`,
    'calls.jsonl',
    'calls.csv',
    'calls.csv?status=denied',
    'calls.csv?q=found+nowhere',
  ]) {
    const { rows, bytes, seconds, before, most } = await exported(gate, `/admin/v1/${path}`)
    table([
      `| ${path} | ${rows} | ${(bytes / 1e6).toFixed(0)} | ${seconds.toFixed(1)} | ${Math.round(rows / seconds)} | ${before} | ${most} |`,
    ])
  }
  const { before, most, waits, after } = await paused(gate, '/admin/v1/calls.csv', 8)
  say(
    `a reader who stops reading: ${before} MB, ${most} MB at most in 8 s, ${(waits * 100).toFixed(0)} % of a core; gone: ${(after * 100).toFixed(0)} %`,
  )
}

async function verified(store: string): Promise<void> {
  const began = performance.now()
  const main = new URL('../../gateway/cli/main.ts', import.meta.url).pathname
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [main, 'ledger', 'verify', '--store', store, '--json'],
    {
      maxBuffer: 1e8,
    },
  ).catch((error: { stdout: string; stderr: string }) => error)
  const { ok, entries, problems } = JSON.parse(stdout) as { ok: boolean; entries: number; problems: unknown[] }
  const took_s = (performance.now() - began) / 1000
  say(
    `ledger verify: ${ok ? 'ok' : `FAILED ${JSON.stringify(problems.slice(0, 3))}`}, ${entries} entries in ${took_s.toFixed(1)} s: ${Math.round(entries / took_s)}/s`,
  )
}

async function timed(what: string, work: () => Promise<void>): Promise<void> {
  const began = performance.now()
  await work()
  say(`${what} in ${((performance.now() - began) / 1000).toFixed(0)} s`)
}

function ms(number: number): string {
  return number.toFixed(0)
}

function load(): string {
  return loadavg()[0]?.toFixed(1) ?? ''
}

function table(lines: readonly string[]): void {
  for (const line of lines) console.log(line)
}

function say(line: string): void {
  table([line])
}
