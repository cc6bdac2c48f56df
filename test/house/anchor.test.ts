import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { StartError } from '../../gateway/main.ts'
import { exportLedger } from '../../gateway/store/export.ts'
import { verifyStore } from '../../gateway/store/verify.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { keystay } from '../cli/keystay.ts'
import { startProcess } from '../demo/demo.ts'
import { BACKEND_KEY, company } from './company.ts'
import { house } from './gateway.ts'
import type { House } from './gateway.ts'

describe('an anchor', function () {
  this.timeout(30_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let anchor: string
  let running: House | null

  beforeEach(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    await mkdir(join(where.dir, 'elsewhere'))
    anchor = join(where.dir, 'elsewhere', 'anchor')
    running = null
  })
  afterEach(async () => {
    await running?.stop()
    await pay.close()
    await where.remove()
  })

  const fileOf = (store: string): string => join(where.dir, store, 'keystay.db')
  const start = async (store: string, reason?: string): Promise<House> => {
    const accept = reason === undefined ? {} : { acceptRestore: { reason } }
    running = await house(where, { store: `sqlite:${fileOf(store)}`, anchor: `file:${anchor}`, ...accept })
    return running
  }
  const end = async (): Promise<void> => {
    await running?.stop()
    running = null
  }
  const refused = (store: string, says: RegExp, reason?: string): Promise<void> =>
    rejects(start(store, reason), (error) => {
      ok(error instanceof StartError && error.exit === 2)
      match(error.message, says)
      return true
    })
  const copy = (from: string, to: string): Promise<void> =>
    cp(join(where.dir, from), join(where.dir, to), { recursive: true })
  const sizeOf = async (): Promise<number> => (JSON.parse(await readFile(anchor, 'utf8')) as { size: number }).size
  const refund = (gate: House, token: string, n: number) =>
    gate.call(token, 'pay.refund', { charge: `ch_${n}`, amount: 100 }, `refund-${n}`)
  const entriesOf = async (store: string): Promise<{ readonly [name: string]: unknown }[]> => {
    await exportLedger(fileOf(store), { directory: join(where.dir, 'export') })
    const text = await readFile(join(where.dir, 'export', 'entries.jsonl'), 'utf8')
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { [name: string]: unknown })
  }

  it('is made at the first start, follows within a second, and has the end', async () => {
    const gate = await start('store')
    match(gate.log.join('\n'), /made an anchor of the ledger/)
    await refund(gate, await gate.token(), 1)
    await sleep(1000)
    const size = await sizeOf()
    ok(size >= 6, `${size} entries`)
    equal((await stat(anchor)).mode & 0o777, 0o600)
    await end()
    equal((await verifyStore(fileOf('store'))).entries, await sizeOf())
    deepEqual(await readdir(join(where.dir, 'elsewhere')), ['anchor'], 'no draft is left')
    const before = await sizeOf()
    await start('store')
    await end()
    const anchored = (await entriesOf('store')).filter(({ kind }) => kind === 'checkpoint.anchored')
    deepEqual(
      anchored.map(({ size: of }) => of),
      [null, before],
    )
  })

  it('refuses an old copy of the store: what is missing, both times, what to do; exit 2', async () => {
    const gate = await start('store')
    await refund(gate, await gate.token(), 1)
    await end()
    await copy('store', 'old')
    const old = await sizeOf()
    const again = await start('store')
    await refund(again, await again.token(), 2)
    await end()
    const now = await sizeOf()
    const process = startProcess(
      ['gateway/cli/main.ts', 'serve', '--policies', where.policies, '--store', `sqlite:${fileOf('old')}`, '--dev'],
      { KEYSTAY_TEST_KEY: BACKEND_KEY, KEYSTAY_ANCHOR: `file:${anchor}` },
    )
    equal(await process.ended, 2)
    const said = process.err()
    match(said, new RegExp(`keystay: The anchor .* has seen ${now} entries \\(signed 20.*Z\\)\\.`))
    match(said, new RegExp(`The store has ${old} entries \\(the newest of 20.*Z\\): ${now - old} entries are missing`))
    match(said, /this is an older copy\. Nothing is served\. .* serve --accept-restore --reason TEXT/)
    equal((await entriesOf('old')).length, old, 'nothing was written to it')
    await rm(join(where.dir, 'store'), { recursive: true })
    await copy('old', 'store')
    await rm(fileOf('store'))
    await refused('store', new RegExp(`The store has 0 entries: ${now} entries are missing`))
    equal(await sizeOf(), now)
  })

  it('refuses another history, however long it is', async () => {
    await start('store')
    await end()
    await copy('store', 'fork')
    const first = await start('store')
    await refund(first, await first.token(), 1)
    await end()
    await rename(anchor, `${anchor}.kept`)
    const fork = await start('fork')
    match(fork.log.join('\n'), /there was no anchor at .*, and the ledger has \d+ entries: whether they are all cannot/)
    const token = await fork.token()
    for (let n = 0; n < 5; n++) await refund(fork, token, n)
    await end()
    await rename(`${anchor}.kept`, anchor)
    await refused('fork', /do not lead from what was signed to its head, so this is another history/)
  })

  it('that was changed, cut off, or is of another key is refused, and never accepted away', async () => {
    await start('store')
    await end()
    const kept = await readFile(anchor, 'utf8')
    const parts = JSON.parse(kept) as { size: number; at: number; frontier: string; note: string }
    const { size, frontier, note } = parts
    const flip = (text: string, at: number): string =>
      `${text.slice(0, at)}${text[at] === 'a' ? 'b' : 'a'}${text.slice(at + 1)}`
    const changed = (more: Partial<typeof parts>): string => JSON.stringify({ ...parts, ...more })
    for (const [text, says] of [
      [changed({ frontier: flip(frontier, 3) }), /was changed: what stands beside its signed note/],
      [changed({ frontier: frontier.slice(64) }), /was changed: what stands beside its signed note/],
      [changed({ size: size - 1 }), /was changed: what stands beside its signed note/],
      [changed({ note: note.replace(/\n\d+\n/, '\n1\n') }), /its signature by keystay.ledger is wrong/],
      [changed({ note: flip(note, 2) }), /is not of this ledger/],
      [kept.slice(0, 100), /is none: it was cut off or changed/],
      ['', /is none: it was cut off or changed/],
      ['[]', /is none: it was cut off or changed/],
    ] as const) {
      await writeFile(anchor, text)
      await refused('store', says, 'a reason')
    }
    await writeFile(anchor, kept)
    await refused('other', /is not of this ledger: .* belongs to another ledger key/, 'a reason')
    await start('store')
  })

  it('an older copy is served once two different people have confirmed it; until then nothing is written', async () => {
    const gate = await start('store')
    const token = await gate.token()
    const held = await gate.call(token, 'pay.refund', { charge: 'ch_9', amount: 6000 }, 'held')
    equal(held.body.status, 'held')
    await end()
    await copy('store', 'old')
    const next = await start('store')
    await refund(next, await next.token(), 2)
    await end()
    const anchored = await sizeOf()
    const effects = pay.effects.length

    const old = await start('old', 'the disk of the store broke')
    // Sessions of before are over: one of them may have been revoked since. So are holds.
    equal((await old.call(token, 'pay.look', { charge: 'ch_1' })).body.code, 'session_revoked')
    const story = await old.admin('dana', 'GET', `/admin/v1/calls/${held.body.call}`)
    equal(story.body.status, 'cancelled')
    const fresh = await old.token()
    const no = await refund(old, fresh, 3)
    deepEqual([no.status, no.body.code], [503, 'ledger_unavailable'])
    match(no.body.detail, /restored from an older copy: .* two people/)
    equal((await old.call(fresh, 'pay.look', { charge: 'ch_1' })).status, 200)
    match((await old.admin('dana', 'GET', '/metrics')).text, /^keystay_restored 1$/m)

    const cli = (account: string, ...args: readonly string[]) =>
      keystay(['restore', ...args, '--as', account, '--admin-url', old.running.adminUrl])
    match((await cli('dana', 'show')).out, /was restored: the disk of the store broke\n\d+ entries are missing/)
    equal((await cli('sam', 'accept', '--reason', 'no')).exit, 5, 'who may not settle')
    match((await cli('dana', 'accept', '--reason', 'I looked into the bank')).out, /One more person must say the same/)
    const twice = await old.admin('dana', 'POST', '/admin/v1/restore', { reason: 'again' })
    deepEqual([twice.status, twice.body.code], [409, 'already_decided'])
    equal((await refund(old, fresh, 3)).status, 503)
    deepEqual([await sizeOf(), pay.effects.length], [anchored, effects], 'the anchor stays, and nothing was sent')
    match((await cli('omar', 'accept', '--reason', 'me too')).out, /Accepted: writes are admitted again/)
    const yes = await refund(old, fresh, 3)
    deepEqual([yes.status, yes.body.status], [200, 'done'])
    const over = await old.admin('lee', 'POST', '/admin/v1/restore', { reason: 'late' })
    deepEqual([over.status, over.body.code], [409, 'already_decided'])
    await end()

    const names = await readdir(join(where.dir, 'elsewhere'))
    deepEqual(names.map((name) => name.replace(/-\d.*/, '')).sort(), ['anchor', 'anchor.replaced'])
    const told = (await entriesOf('old')).filter(({ kind }) => String(kind).startsWith('store.'))
    deepEqual(
      told.map(({ kind, person, persons }) => [kind, person ?? persons ?? null]),
      [
        ['store.restored', null],
        ['store.restore_confirmed', 'demo:dana'],
        ['store.restore_confirmed', 'demo:omar'],
        ['store.restore_accepted', ['demo:dana', 'demo:omar']],
      ],
    )
    const [entry] = told as [
      {
        reason: string
        anchor: { size: number }
        store: { size: number }
        open: object
        missing: number
        reconciled: number
      },
    ]
    deepEqual(
      [entry.reason, entry.anchor.size, entry.open, entry.missing, entry.reconciled],
      ['the disk of the store broke', anchored, { held: 1 }, anchored - entry.store.size, 0],
    )
    // A crash before the anchor followed: what two people accepted stands.
    await rename(join(where.dir, 'elsewhere', names.find((name) => name !== 'anchor') ?? ''), anchor)
    const later = await start('old')
    equal((await refund(later, await later.token(), 4)).status, 200)
    ok((await sizeOf()) > 0)
  })
})
