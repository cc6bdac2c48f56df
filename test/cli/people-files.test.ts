import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCheckpoint } from '../../gateway/core/checkpoint-note.ts'
import { startLying, type LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house, type House } from '../house/gateway.ts'
import { keystay } from './keystay.ts'

describe('a person at a terminal, with a real gateway', () => {
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let state: string
  let jwt: string
  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    keystay(args, { env: { KEYSTAY_ADMIN_URL: gate.running.adminUrl, XDG_STATE_HOME: state, ...env } })
  const kept = () => join(state, 'keystay', 'sign-in.json')

  before(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    gate = await house(where)
    state = await mkdtemp(join(tmpdir(), 'keystay-state-'))
    jwt = join(state, 'dana.jwt')
    const token = await gate.token()
    const refund = (amount: number, key: string, charge = 'ch_1', note = 'x') =>
      gate.call(token, 'pay.refund', { charge, amount, note }, key)
    equal((await refund(3000, '=cmd|calc!A0')).body.status, 'done')
    equal((await refund(99_900, '@SUM(1,2)', 'ch_2')).body.code, 'denied')
    equal((await refund(6000, 'T-3/"refund"', 'ch_3')).body.status, 'held')
    await gate.call(token, 'pay.look', { charge: 'ch_4' })
  })
  after(async () => {
    await gate.stop()
    await pay.close()
    await where.remove()
    await rm(state, { recursive: true })
  })

  describe('login', () => {
    beforeEach(() => rm(join(state, 'keystay'), { recursive: true, force: true }))

    it('keeps the token for the other verbs, for this gateway only, mode 0600; logout forgets it', async () => {
      const signedIn = await run(['login', '--as', 'dana'])
      equal(signedIn.exit, 0, signedIn.err)
      match(
        signedIn.out,
        /^signed in at http:\S+ as dana until (\d{4}-\d\d-\d\d )?\d\d:\d\d; kept in .*sign-in\.json\n$/,
      )
      deepEqual([(await stat(kept())).mode & 0o777, (await stat(join(state, 'keystay'))).mode & 0o777], [0o600, 0o700])
      equal((await run(['approvals', 'list', '--json'])).exit, 0)
      const elsewhere = await run(['approvals', 'list', '--admin-url', gate.running.agentUrl])
      deepEqual([elsewhere.exit, elsewhere.err.includes('Say who you are')], [2, true])
      deepEqual(JSON.parse((await run(['logout', '--json'])).out), { forgotten: true })
      deepEqual(await readdir(join(state, 'keystay')), [])
      equal((await run(['approvals', 'list'])).exit, 2)
    })

    it('takes a token from a file, and does not keep one that the gateway refuses', async () => {
      const token = await gate.person('dana')
      await writeFile(jwt, `${token}\n`)
      const { out } = await run(['login', '--token-file', jwt, '--json'])
      const said = JSON.parse(out) as { subject: string; expires_at: string; file: string }
      deepEqual([said.subject, said.file, out.includes(token)], ['dana', kept(), false])
      const [head, body] = token.split('.')
      await writeFile(jwt, `${head}.${body}.${'A'.repeat(86)}`)
      await rm(kept())
      const refused = await run(['login', '--token-file', jwt])
      deepEqual([refused.exit, /token_invalid/.test(refused.err)], [5, true])
      equal(await readFile(kept(), 'utf8').catch(() => null), null)
    })

    it('honours the expiry, and a kept token that others can read is not used', async () => {
      await run(['login', '--as', 'dana'])
      const text = await readFile(kept(), 'utf8')
      await writeFile(kept(), text.replace(/"expires_at": "\d{4}/, '"expires_at": "2001'))
      const late = await run(['calls', 'list'])
      deepEqual([late.exit, /Your sign-in at http:\S+ ended at 2001.*keystay login again/.test(late.err)], [2, true])
      await writeFile(kept(), text)
      await chmod(kept(), 0o640)
      const open = await run(['calls', 'list'])
      deepEqual([open.exit, /chmod 600/.test(open.err)], [2, true])
    })
  })

  describe('actions export', () => {
    const HEAD =
      'call,at,updated_at,action,role,requester,session,key,status,summary,amount,currency,because,approved_by,detail,evidence,entry,acting_for'

    it('writes CSV: decimals beside their currency, and no cell that a spreadsheet would run', async () => {
      const { exit, out } = await run(['actions', 'export', '--as', 'dana'])
      equal(exit, 0)
      const [head, ...rows] = out.trimEnd().split('\r\n')
      deepEqual([head, rows.length], [HEAD, 4])
      ok(out.includes('"\'=cmd|calc!A0"') && out.includes('"\'@SUM(1,2)"') && out.includes('"T-3/""refund"""'), out)
      match(out, /"Refund 30\.00 USD on ch_1","30\.00","USD","",/)
      match(out, /"denied","Refund 999\.00 USD on ch_2","999\.00","USD","grants\.pay\.refund\.max/)
    })

    it('writes JSON lines in the same order, of exactly the filter', async () => {
      const rowsOf = (out: string) =>
        out
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as { [name: string]: unknown })
      const exported = (...filter: string[]) =>
        run(['actions', 'export', '--format', 'jsonl', '--as', 'dana', ...filter])
      const all = rowsOf((await exported()).out)
      deepEqual(Object.keys(all[0] ?? {}).join(','), HEAD)
      deepEqual(
        all.map(({ action, key, status, amount, currency }) => [action, key, status, amount, currency]),
        [
          ['pay.look', null, 'done', null, null],
          ['pay.refund', 'T-3/"refund"', 'held', '60.00', 'USD'],
          ['pay.refund', '@SUM(1,2)', 'denied', '999.00', 'USD'],
          ['pay.refund', '=cmd|calc!A0', 'done', '30.00', 'USD'],
        ],
      )
      const some = await exported('--min', '30', '--max', '60.00', '--find', 'CALC', '--since', '2020-01-01')
      deepEqual(
        rowsOf(some.out).map(({ key }) => key),
        ['=cmd|calc!A0'],
      )
      const keys = async (query: string) =>
        rowsOf((await gate.admin('dana', 'GET', `/admin/v1/calls.jsonl?${query}`)).text).map(({ key }) => key)
      deepEqual(await keys('min=30&max=60.00'), ['T-3/"refund"', '=cmd|calc!A0'])
      deepEqual(await keys('min=30.01&status=denied'), ['@SUM(1,2)'])
      deepEqual(await keys('q=nowhere'), [])
      deepEqual(await keys('until=2020-01-01'), [])
    })

    it('goes into a file as a whole or not at all, and needs the right to export', async () => {
      const out = join(state, 'calls.csv')
      deepEqual(JSON.parse((await run(['actions', 'export', '--as', 'dana', '--out', out, '--json'])).out), {
        file: out,
        format: 'csv',
        calls: 4,
      })
      deepEqual([(await stat(out)).mode & 0o777, (await readFile(out, 'utf8')).split('\r\n').length], [0o600, 6])
      const { exit, err } = await run(['actions', 'export', '--as', 'sam', '--out', join(state, 'none.csv')])
      deepEqual([exit, /must be of: finance\. \(not_eligible\)/.test(err)], [5, true])
      deepEqual(
        (await readdir(state)).filter((name) => /none|draft/.test(name)),
        [],
      )
    })

    it('lists by the same filter, page by page, each call once', async () => {
      const found: string[] = []
      for (let cursor: string | null = ''; cursor !== null;) {
        const from = cursor === '' ? '' : `&cursor=${cursor}`
        const { body } = await gate.admin('dana', 'GET', `/admin/v1/calls?q=refund&min=30&limit=1${from}`)
        found.push(...(body.calls as { summary: string }[]).map(({ summary }) => summary))
        cursor = body.cursor
      }
      deepEqual(found, ['Refund 60.00 USD on ch_3', 'Refund 999.00 USD on ch_2', 'Refund 30.00 USD on ch_1'])
      const { out } = await run([
        'calls',
        'list',
        '--as',
        'dana',
        '--min',
        '60',
        '--max',
        '99',
        '--find',
        'CH_',
        '--limit',
        '1',
        '--json',
      ])
      const { calls } = JSON.parse(out) as { calls: { summary: string }[] }
      deepEqual(
        calls.map(({ summary }) => summary),
        ['Refund 60.00 USD on ch_3'],
      )
    })
  })

  it('ledger checkpoint prints a note that stands under the key it names', async () => {
    const plain = await run(['ledger', 'checkpoint'])
    const key = /^signed by (\S+)$/m.exec(plain.err)?.[1] ?? ''
    const opened = openCheckpoint(plain.out, key)
    deepEqual([plain.exit, opened.ok], [0, true])
    const { size, vkey, note, origin } = JSON.parse((await run(['ledger', 'checkpoint', '--json'])).out) as {
      [name: string]: unknown
    }
    deepEqual([vkey, origin, typeof note], [key, 'keystay.ledger', 'string'])
    ok(Number(size) >= (opened.checkpoint?.size ?? Infinity))
    equal((await run(['ledger', 'checkpoint', '--admin-url', 'http://127.0.0.1:9'])).exit, 8)
  })
})
