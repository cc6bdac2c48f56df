import assert from 'node:assert/strict'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { assertionProblem } from '../../gateway/core/assertion.ts'
import { exportLedger } from '../../gateway/store/export.ts'
import { passkeyAudit } from '../../gateway/store/passkey-audit.ts'
import { verifyExport, verifyStore } from '../../gateway/store/verify.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { keystay } from '../cli/keystay.ts'
import { company } from '../house/company.ts'
import { entriesOf } from '../house/entries.ts'
import { house } from '../house/gateway.ts'
import type { Json } from './authenticator.ts'
import { asksPasskeys } from './company.ts'
import { visiting } from './person.ts'

describe('a ledger with yeses that passkeys signed', function () {
  this.timeout(60_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let store: string
  let count = 0

  before(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    await asksPasskeys(where.policies)
    const gate = await house(where)
    const dana = await visiting(gate, 'dana')
    const key = await dana.passkey()
    for (const name of ['v1', 'v2', 'v3']) {
      const { body } = await gate.call(await gate.token(), 'pay.refund', { charge: `ch_${name}`, amount: 6000 }, name)
      const yes = await dana.approve(body.call, key)
      assert.equal(yes.body['status'], 'done', JSON.stringify(yes.body))
    }
    await gate.stop()
    store = join(where.dir, 'keystay.db')
  })
  after(async () => {
    await pay?.close()
    await where?.remove()
  })

  /** A copy of the store with this done to it. */
  async function changed(...statements: string[]): Promise<string> {
    const file = join(where.dir, `changed-${++count}.db`)
    await cp(store, file)
    const database = new DatabaseSync(file)
    for (const statement of statements) database.exec(statement)
    database.close()
    return `sqlite:${file}`
  }
  const rows = (): readonly { entry: string; text: string }[] => {
    const database = new DatabaseSync(store, { readOnly: true })
    const found = database.prepare('SELECT entry, text FROM assertions ORDER BY entry').all()
    database.close()
    return found as { entry: string; text: string }[]
  }
  const FIRST = '(SELECT MIN(entry) FROM assertions)'
  const LAST = '(SELECT MAX(entry) FROM assertions)'

  it('verifies, each signature anew', async () => {
    const { ok, passkeys, problems } = await verifyStore(`sqlite:${store}`)
    assert.deepEqual({ ok, passkeys, problems }, { ok: true, passkeys: { checked: 3, erased: 0 }, problems: [] })
  })

  it('says how many are erased, and stands', async () => {
    const { ok, passkeys } = await verifyStore(await changed(`DELETE FROM assertions WHERE entry = ${FIRST}`))
    assert.deepEqual({ ok, passkeys }, { ok: true, passkeys: { checked: 2, erased: 1 } })
  })

  const attacks: readonly (readonly [string, RegExp, string])[] = [
    [
      'a signature is another one’s',
      /does not match its digest/,
      `UPDATE assertions SET text = (SELECT text FROM assertions WHERE entry = ${LAST}) WHERE entry = ${FIRST}`,
    ],
    [
      'a character of one is turned',
      /does not match its digest/,
      `UPDATE assertions SET text = replace(text, 'authenticator_data', 'authenticator_date') WHERE entry = ${FIRST}`,
    ],
    ['one is blank', /does not match its digest/, `UPDATE assertions SET text = '' WHERE entry = ${FIRST}`],
    [
      'one has no entry',
      /does not know as a signed yes/,
      `INSERT INTO assertions SELECT 'ent_00000000000000000000000000', call, text FROM assertions WHERE entry = ${FIRST}`,
    ],
    [
      'one is of another call',
      /does not know as a signed yes/,
      `UPDATE assertions SET call = 'call_0' WHERE entry = ${FIRST}`,
    ],
    [
      'one stands at another yes',
      /does not know as a signed yes|digest/,
      `UPDATE assertions SET entry = 'ent_00000000000000000000000000' WHERE entry = ${FIRST}`,
    ],
  ]
  for (const [what, why, statement] of attacks) {
    it(`does not verify where ${what}`, async () => {
      const { ok, problems } = await verifyStore(await changed(statement))
      assert.equal(ok, false)
      assert.ok(
        problems.some(({ message }) => why.test(message)),
        JSON.stringify(problems),
      )
    })
  }

  it('says so in plain words, with exit 7', async () => {
    const address = await changed(`UPDATE assertions SET text = replace(text, 'A', 'B') WHERE entry = ${FIRST}`)
    const { exit, out, err } = await keystay(['ledger', 'verify', '--store', address])
    const place = entriesOf(where.dir).findIndex(({ id }) => id === rows()[0]?.entry)
    assert.equal(exit, 7, out + err)
    assert.match(out + err, new RegExp(`FAILED at entry ${place}: what its passkey signed does not match its digest`))
    const good = await keystay(['ledger', 'verify', '--store', `sqlite:${store}`])
    assert.match(good.out, /ok: .*3 passkey signatures verified/)
  })

  it('is exported with them, and verifies offline until one is changed', async () => {
    const out = join(where.dir, 'export')
    await exportLedger(`sqlite:${store}`, { directory: out })
    const key = await readFile(join(out, 'key.pub'), 'utf8')
    const good = await verifyExport(out, key.trim())
    assert.deepEqual([good.ok, good.passkeys], [true, { checked: 3, erased: 0 }])
    const file = join(out, 'bodies.jsonl')
    const text = await readFile(file, 'utf8')
    for (const [from, to] of [
      ['client_data', 'client_date'],
      ['{"entry":"ent_', '{"entry":"ent-'],
      ['","text":"', '","more":1,"text":"'],
    ] as const) {
      await writeFile(file, text.replace(from, to))
      assert.equal((await verifyExport(out, key.trim())).ok, false, from)
    }
    await writeFile(file, `${text.trimEnd().split('\n').slice(0, -1).join('\n')}\n`)
    const less = await verifyExport(out, key.trim())
    assert.deepEqual([less.ok, less.passkeys], [true, { checked: 2, erased: 1 }])
  })

  describe('that a gateway itself wrote wrongly', () => {
    /** The entries as they are, each changed before it is audited. */
    function audit(
      change: (entry: Json) => Json | null,
      texts: (text: string, index: number) => string = (text) => text,
    ) {
      const problems: string[] = []
      const signatures = passkeyAudit((message) => void problems.push(message))
      entriesOf(where.dir).forEach((entry, index) => {
        const fields = change(structuredClone(entry))
        if (fields === null) return
        const { id, kind } = entry
        signatures.entry({ id, kind, call: (entry['call'] as string | undefined) ?? null, fields }, index)
      })
      const database = new DatabaseSync(store, { readOnly: true })
      const kept = database.prepare('SELECT entry, call, text FROM assertions ORDER BY entry').all()
      database.close()
      for (const [index, row] of (kept as { entry: string; call: string; text: string }[]).entries())
        signatures.assertion({ ...row, text: texts(row.text, index) })
      return [...new Set(problems)].join('; ')
    }
    const of = (kind: string, more: Json) => (entry: Json) => (entry['kind'] === kind ? { ...entry, ...more } : entry)

    it('is nothing that is found in a good one', () =>
      assert.equal(
        audit((entry) => entry),
        '',
      ))

    const wrongs: readonly (readonly [string, RegExp, (entry: Json) => Json | null])[] = [
      [
        'a passkey that nobody registered',
        /not registered to this person/,
        (entry) => (entry['kind'] === 'person.passkey_added' ? null : entry),
      ],
      [
        'one that somebody else registered',
        /not registered to this person/,
        of('person.passkey_added', { person: 'demo:omar' }),
      ],
      [
        'another key than was registered',
        /another public key/,
        of('person.passkey_added', { key: `sha256:${'0'.repeat(64)}` }),
      ],
      ['another site', /another page|another site/, of('person.passkey_added', { rp: 'evil.example' })],
      [
        'another card than was held',
        /another card than the one that was held/,
        of('call.held', { card: `hmac-sha256:${'0'.repeat(64)}` }),
      ],
      [
        'another card than was signed',
        /signed for another card/,
        of('call.approved', { card: `hmac-sha256:${'0'.repeat(64)}` }),
      ],
      [
        'a plain yes that is counted',
        /counts a yes that no passkey signed/,
        (entry) => {
          const { passkey, ...rest } = entry
          return entry['kind'] === 'call.approved' && passkey !== undefined ? rest : entry
        },
      ],
      [
        'a yes that counts twice',
        /counts a yes that no passkey signed/,
        (entry) =>
          entry['kind'] === 'call.approved'
            ? { ...entry, have: entry['have'].map((one: Json) => ({ ...one, have: 2 })) }
            : entry,
      ],
    ]
    for (const [what, why, change] of wrongs) it(`shows: ${what}`, () => assert.match(audit(change), why))

    it('shows a passkey that had been removed', () => {
      const problems: string[] = []
      const signatures = passkeyAudit((message) => void problems.push(message))
      const of = (kind: string, fields: Json) => signatures.entry({ id: 'ent_1', kind, call: null, fields }, 0)
      of('person.passkey_added', { person: 'p', credential: 'c', key: 'k', rp: 'r' })
      of('person.passkey_added', { person: 'p', credential: 'c', key: 'k', rp: 'r' })
      of('person.passkey_removed', { person: 'p', credential: 'c' })
      of('person.passkey_removed', { person: 'p', credential: 'c' })
      of('call.approved', { person: 'p', card: 'x', passkey: { credential: 'c', digest: 'd' }, have: [] })
      assert.deepEqual(problems, [
        'it adds a passkey that is registered already',
        'it removes a passkey that is not registered',
        'a passkey signed it that was not registered to this person then',
      ])
    })
  })

  it('keeps all that it takes to check a yes, in one spelling', () => {
    const entries = entriesOf(where.dir)
    const [row] = rows()
    const yes = entries.find(({ id }) => id === row?.entry)
    const added = entries.find(({ kind }) => kind === 'person.passkey_added')
    const claimed = {
      card: String(yes?.['card']),
      credential: String((yes?.['passkey'] as Json | undefined)?.['credential']),
      key: String(added?.['key']),
      rp: 'localhost',
    }
    const text = row?.text ?? ''
    assert.equal(assertionProblem(text, claimed), null)
    const kept = JSON.parse(text) as Json
    const other = (member: string, value: string): string => JSON.stringify({ ...kept, [member]: value })
    const said = JSON.parse(Buffer.from(kept['client_data'], 'base64url').toString()) as Json
    const saying = (more: Json): string =>
      other('client_data', Buffer.from(JSON.stringify({ ...said, ...more })).toString('base64url'))
    const flags = Buffer.from(kept['authenticator_data'], 'base64url')
    flags[32] = 1
    const wrongs: readonly (readonly [string, RegExp])[] = [
      ['', /cannot be read/],
      ['null', /cannot be read/],
      [` ${text}`, /cannot be read/],
      [JSON.stringify({ ...kept, more: '' }), /cannot be read/],
      [other('signature', `${kept['signature']}==`), /cannot be read/],
      [other('credential', 'AAAA'), /another passkey/],
      [other('public_key', 'AAAA'), /another public key/],
      [other('client_data', 'AAAA'), /no client data/],
      [saying({ type: 'webauthn.create' }), /no assertion/],
      [saying({ challenge: 'AAAA' }), /another card/],
      [saying({ origin: 'http://localhost.evil.example' }), /another page/],
      [saying({ crossOrigin: true }), /another page/],
      [saying({ more: 1 }), /signature/],
      [other('authenticator_data', 'AAAA'), /another site/],
      [other('authenticator_data', flags.toString('base64url')), /without verifying/],
      [other('signature', 'AAAA'), /signature/],
      [other('signature', ''), /signature/],
    ]
    for (const [changed, why] of wrongs) assert.match(assertionProblem(changed, claimed) ?? 'fine', why, changed)
    assert.match(assertionProblem(text, { ...claimed, card: 'hmac-sha256:00' }) ?? 'fine', /another card/)
  })
})
