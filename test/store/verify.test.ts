import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { signCheckpoint, vkeyOf } from '../../gateway/core/checkpoint-note.ts'
import { append, EMPTY, leafHash, rootOf } from '../../gateway/core/merkle.ts'
import { exportLedger } from '../../gateway/store/export.ts'
import { verifyExport, verifyStore } from '../../gateway/store/verify.ts'
import type { Report } from '../../gateway/store/verify.ts'
import { admit, done, freshDirectory, freshFile, issue, newSigner, note, open } from './operations.ts'

const signer = newSigner()
const vkey = vkeyOf(signer.name, signer.privateKey)
const file = freshFile()
const exported = `${file}.export`
const directory = freshDirectory()
let copies = 0

before(async () => {
  const store = await open(file, { signer })
  const issued = await store.write(issue())
  assert.ok(issued.kind === 'issued')
  const ses = issued.session.id
  for (const [key, amount] of [
    ['one', 3000],
    ['two', 12_000],
  ] as const) {
    const started = await store.write(admit(ses, key, amount))
    assert.ok(started.kind === 'started')
    await store.write(done(started.call.id))
  }
  assert.equal((await store.write(admit(ses, 'too much', 90_000))).kind, 'denied')
  for (const word of ['alpha', 'beta', 'gamma', 'delta', 'epsilon']) await store.write(note(word))
  assert.equal((await store.write(admit(ses, 'runs', 100))).kind, 'started')
  await store.close()
  await exportLedger(file, { directory: exported })
})

const whole: Omit<Report, 'beyond'> = {
  ok: true,
  entries: 12,
  treeSize: 12,
  passkeys: { checked: 0, erased: 0 },
  checkpoint: { size: 12, signed: true },
  effects: 2,
  sums: { USD: 15_000 },
  erased: 0,
  problems: [],
}

/** A copy of the store, changed by hand as a database administrator could. */
async function tampered(change: (database: DatabaseSync) => void, publicKey?: string): Promise<Report> {
  const copy = join(directory, `store-${copies++}.db`)
  cpSync(file, copy)
  const database = new DatabaseSync(copy)
  change(database)
  database.close()
  return verifyStore(copy, publicKey)
}

/** A copy of the export, changed by hand. */
async function changed(name: string, change: (bytes: Buffer) => Buffer | string): Promise<Report> {
  const copy = join(directory, `export-${copies++}`)
  cpSync(exported, copy, { recursive: true })
  writeFileSync(join(copy, name), change(readFileSync(join(copy, name))))
  return verifyExport(copy, vkey)
}

const messages = ({ problems }: Report) =>
  problems.map(({ entry, message }) => (entry === null ? message : `${entry}: ${message}`))
const sql = (statement: string) => (database: DatabaseSync) => database.exec(statement)

describe('a store that is whole', () => {
  it('verifies, under the key it names and under the one that is given', async () => {
    assert.deepEqual(await verifyStore(file), { ...whole, beyond: 0 })
    assert.deepEqual(await verifyStore(file, vkey), { ...whole, beyond: 0 })
  })

  it('verifies while a gateway serves it, and counts what is not signed yet', async () => {
    const busy = freshFile()
    const store = await open(busy, { signer })
    const writing = Array.from({ length: 300 }, (_, n) => store.write(note(`n${n}`)))
    await writing[0]
    const report = await verifyStore(busy)
    await Promise.all(writing)
    assert.deepEqual([report.problems, report.entries - report.checkpoint.size], [[], report.beyond])
    assert.ok(report.beyond > 0)
    await store.close()
  })

  it('verifies when bodies were erased, and says how many', async () => {
    const erase = sql(`DELETE FROM bodies WHERE call = (SELECT MIN(call) FROM bodies);
      UPDATE bodies SET input = NULL WHERE call = (SELECT MAX(call) FROM bodies)`)
    assert.deepEqual(await tampered(erase), { ...whole, beyond: 0, erased: 2 })
  })

  it('is not made where there is none', async () => {
    await assert.rejects(verifyStore(join(directory, 'none.db')), /there is no store/)
    await assert.rejects(exportLedger(join(directory, 'none.db'), { directory }), /there is no store/)
  })
})

describe('a store that was tampered with', () => {
  const flip = `REPLACE(CAST(bytes AS TEXT), '"amount":12000', '"amount":12001')`
  const attacks: readonly (readonly [string, string, ...string[]])[] = [
    ['an amount in an entry', `UPDATE entries SET bytes = ${flip} WHERE idx = 4`, '4: content does not match its hash'],
    [
      'a space in an entry',
      `UPDATE entries SET bytes = bytes || ' ' WHERE idx = 6`,
      '6: content does not match its hash',
    ],
    [
      'a leaf hash',
      `UPDATE entries SET leaf = REPLACE(leaf, SUBSTR(leaf, 1, 1), 'x') WHERE idx = 3`,
      '3: content does not match its hash',
    ],
    [
      'the case of a leaf hash',
      `UPDATE entries SET leaf = UPPER(leaf) WHERE idx = 3`,
      '3: content does not match its hash',
    ],
    ['the first entry taken out', `DELETE FROM entries WHERE idx = 0`, '0: 1 entries are missing'],
    ['an entry taken out of the middle', `DELETE FROM entries WHERE idx = 5`, '5: 1 entries are missing'],
    ['two entries at once', `DELETE FROM entries WHERE idx IN (7, 8)`, '7: 2 entries are missing'],
    [
      'the last entry taken off',
      `DELETE FROM entries WHERE idx = 11`,
      'the checkpoint is of 12 entries, and there are 11: the end is missing',
    ],
    [
      'everything taken off',
      `DELETE FROM entries`,
      'the checkpoint is of 12 entries, and there are 0: the end is missing',
    ],
    [
      'two entries that changed places',
      `UPDATE entries SET idx = -1 WHERE idx = 6; UPDATE entries SET idx = 6 WHERE idx = 8; UPDATE entries SET idx = 8 WHERE idx = -1`,
      'the tree of 12 entries is not the one that was signed',
    ],
    [
      'an entry that was added behind the head',
      `INSERT INTO entries (idx, id, at, kind, bytes, leaf) SELECT 12, 'ent_new', at, kind, bytes, leaf FROM entries WHERE idx = 11`,
      `12: its id `,
      'the head is of 12 entries, and there are 13',
    ],
    [
      'the id in the row',
      `UPDATE entries SET id = id || 'X' WHERE idx = 2`,
      '2: its row says something else than its bytes',
    ],
    [
      'the time in the row',
      `UPDATE entries SET at = at + 1 WHERE idx = 2`,
      '2: its row says something else than its bytes',
    ],
    [
      'the kind in the row',
      `UPDATE entries SET kind = 'call.done' WHERE idx = 2`,
      '2: its row says something else than its bytes',
    ],
    [
      'the call in the row',
      `UPDATE entries SET call = 'call_other' WHERE idx = 2`,
      '2: its row names another call than its bytes',
    ],
    ['the size of the head', `UPDATE head SET size = 13`, 'the head is of 13 entries, and there are 12'],
    [
      'the root of the head',
      `UPDATE head SET root = '00' || SUBSTR(root, 3)`,
      'the root of the head is not that of the entries',
    ],
    [
      'the frontier of the head',
      `UPDATE head SET frontier = '00' || SUBSTR(frontier, 3)`,
      'the frontier of the head is not that of the entries',
    ],
    ['no head', `DELETE FROM head`, 'the ledger has no head'],
    [
      'the size of a checkpoint',
      `UPDATE checkpoints SET size = 99 WHERE size = 12`,
      'the checkpoint of 99 entries says 12',
    ],
    [
      'the size in the note',
      `UPDATE checkpoints SET note = REPLACE(note, CHAR(10) || '12' || CHAR(10), CHAR(10) || '11' || CHAR(10)) WHERE size = 12`,
      'the checkpoint does not stand: its signature by keystay.local/test is wrong',
    ],
    [
      'the frontier of a checkpoint',
      `UPDATE checkpoints SET frontier = '00' || SUBSTR(frontier, 3) WHERE size = 12`,
      'the frontier beside the checkpoint of 12 entries is another one',
    ],
    [
      'the signature of another tree',
      `UPDATE checkpoints SET note = '${signCheckpoint({ origin: signer.name, size: 0, root: rootOf(EMPTY) }, signer)}'`,
      'the checkpoint of 12 entries says 0',
    ],
    ['no checkpoint', `DELETE FROM checkpoints`, 'there is no checkpoint'],
    [
      'the public key',
      `UPDATE meta SET value = REPLACE(value, 'test', 'tess') WHERE name = 'vkey'`,
      'the checkpoint does not stand: the public key is no Ed25519 verifier key',
    ],
    ['an input', `UPDATE bodies SET input = REPLACE(input, '3000', '3001')`, 'the input of call_'],
    ['a fact', `UPDATE bodies SET facts = REPLACE(facts, '9000', '9001')`, 'the facts of call_'],
    ['a request', `UPDATE bodies SET request = REPLACE(request, '3000', '3001')`, 'the request of call_'],
    ['an output', `UPDATE bodies SET output = REPLACE(output, 're_1', 're_2')`, 'the output of call_'],
    [
      'an output where there was none',
      `UPDATE bodies SET output = '{}' WHERE output IS NULL`,
      'the ledger holds no digest of the output of call_',
    ],
    [
      'a salt',
      `UPDATE bodies SET salt = REPLACE(salt, SUBSTR(salt, 1, 1), '0') WHERE SUBSTR(salt, 1, 1) <> '0'; UPDATE bodies SET salt = '1' || SUBSTR(salt, 2)`,
      'the input of call_',
    ],
    ['the case of a salt', `UPDATE bodies SET salt = UPPER(salt)`, 'the salt of call_'],
    [
      'bodies of a call that never was',
      `INSERT INTO bodies (call, salt) VALUES ('call_x', '00')`,
      'the ledger does not know the call call_x whose bodies are kept',
    ],
    ['the state of a call', `UPDATE calls SET state = 'done' WHERE state = 'denied'`, ' differs from its own columns'],
    [
      'the state of a call, in both places',
      `UPDATE calls SET state = 'done', data = REPLACE(data, '"state":"denied"', '"state":"done"') WHERE state = 'denied'`,
      ' is done after call.denied',
    ],
    [
      'a done call made refused',
      `UPDATE calls SET state = 'refused', data = REPLACE(data, '"state":"done"', '"state":"refused"') WHERE state = 'done'`,
      ' is refused after call.settled',
    ],
    ['a call taken out', `DELETE FROM calls WHERE state = 'denied'`, ' of the ledger has no row'],
    [
      'a call that stands on another entry',
      `UPDATE calls SET data = REPLACE(data, '"entry":"ent_', '"entry":"ent_X') WHERE state = 'denied'`,
      ' does not stand on its last entry',
    ],
    [
      'a call that was put in',
      `INSERT INTO calls (id, state, action, role, principal, session, key, binds, created_at, expires_at, data)
       SELECT 'call_x', state, action, role, principal, session, key, binds, created_at, expires_at, REPLACE(data, id, 'call_x')
       FROM calls WHERE state = 'denied'`,
      'the call call_x is not in the ledger',
    ],
    [
      'a call that equal requests find',
      `UPDATE calls SET joins = 'x' WHERE id = (SELECT MIN(id) FROM calls)`,
      ' differs from its own columns',
    ],
    ['a call that cannot be read', `UPDATE calls SET data = '{' WHERE state = 'denied'`, ' cannot be read'],
  ]
  for (const [name, statement, ...expected] of attacks) {
    it(`is found out: ${name}`, async () => {
      const report = await tampered(sql(statement))
      assert.equal(report.ok, false)
      for (const message of expected) {
        assert.ok(
          messages(report).some((found) => found.includes(message)),
          `${message} in ${JSON.stringify(messages(report))}`,
        )
      }
    })
  }

  it('is found out at the entry, first of all, when one byte of the file is flipped', async () => {
    const copy = join(directory, 'flipped.db')
    const bytes = readFileSync(file)
    // The JSON of one entry stands in the file as it was hashed.
    const at = bytes.indexOf('"text":"gamma"')
    assert.ok(at > 0)
    bytes[at + 9] = (bytes[at + 9] ?? 0) ^ 1
    writeFileSync(copy, bytes)
    const report = await verifyStore(copy)
    assert.deepEqual([report.ok, report.problems[0]], [false, { entry: 8, message: 'content does not match its hash' }])
  })

  it('is found out wherever one byte of an entry or a body is another', async () => {
    const columns = [
      ['entries', 'bytes', 'idx'],
      ['entries', 'leaf', 'idx'],
      ['bodies', 'input', 'call'],
      ['bodies', 'salt', 'call'],
      ['bodies', 'output', 'call'],
    ] as const
    for (const [table, column, key] of columns) {
      for (const place of [0.01, 0.33, 0.5, 0.77, 0.99]) {
        const report = await tampered((database) => {
          const rows = database
            .prepare(`SELECT ${key} AS key, CAST(${column} AS BLOB) AS value FROM ${table} WHERE ${column} IS NOT NULL`)
            .all()
          const row = rows[Math.floor(place * rows.length)] as { key: string; value: Uint8Array }
          const value = Buffer.from(row.value)
          const at = Math.floor(place * value.length)
          value[at] = (value[at] ?? 0) ^ 0x20
          database.prepare(`UPDATE ${table} SET ${column} = CAST(? AS TEXT) WHERE ${key} = ?`).run(value, row.key)
        })
        assert.equal(report.ok, false, `${table}.${column} at ${place}`)
      }
    }
  })

  it('is found out when everything was written again and signed with another key', async () => {
    const other = newSigner()
    const forge = (database: DatabaseSync) => {
      const rows = database.prepare('SELECT bytes FROM entries WHERE idx <> 5 ORDER BY idx').all() as {
        bytes: string
      }[]
      database.exec(
        'DELETE FROM entries WHERE idx = 5; UPDATE entries SET idx = idx - 1 WHERE idx > 5; DELETE FROM checkpoints',
      )
      const tree = append(
        EMPTY,
        rows.map(({ bytes }) => leafHash(bytes)),
      )
      const frontier = tree.hashes.map((hash) => Buffer.from(hash).toString('hex')).join('')
      const root = rootOf(tree)
      const signed = signCheckpoint({ origin: other.name, size: tree.size, root }, other)
      database
        .prepare('UPDATE head SET size = ?, root = ?, frontier = ?')
        .run(tree.size, Buffer.from(root).toString('hex'), frontier)
      database
        .prepare('INSERT INTO checkpoints (size, at, frontier, note) VALUES (?, 0, ?, ?)')
        .run(tree.size, frontier, signed)
      database.prepare(`UPDATE meta SET value = ? WHERE name = 'vkey'`).run(vkeyOf(other.name, other.privateKey))
    }
    const report = await tampered(forge, vkey)
    assert.deepEqual(messages(report)[0], 'the checkpoint does not stand: it is not signed by keystay.local/test')
    assert.equal(report.checkpoint.signed, false)
  })

  const closed: readonly (readonly [string, string, RegExp])[] = [
    ['its head moved', `UPDATE head SET size = 11, frontier = SUBSTR(frontier, 1, 192)`, /does not fit its size/],
    ['its frontier changed', `UPDATE head SET frontier = '00' || SUBSTR(frontier, 3)`, /tampered/],
    [
      'an entry added',
      `INSERT INTO entries (idx, id, at, kind, bytes, leaf) VALUES (12, 'x', 0, 'x', '{}', '')`,
      /tampered/,
    ],
    ['its last entry taken off', `DELETE FROM entries WHERE idx = 11`, /last entries that were signed/],
    ['its end cut off', `DELETE FROM entries WHERE idx > 5`, /last entries that were signed/],
    ['one of its last entries changed', `UPDATE entries SET bytes = bytes || ' ' WHERE idx = 9`, /entry 9: content/],
    ['its checkpoints taken out', `DELETE FROM checkpoints`, /no checkpoint/],
    [
      'its checkpoint changed',
      `UPDATE checkpoints SET note = REPLACE(note, 'keystay', 'keystax') WHERE size = 12`,
      /does not stand/,
    ],
    [
      'the frontier beside its checkpoint changed',
      `UPDATE checkpoints SET frontier = '00' || SUBSTR(frontier, 3) WHERE size = 12`,
      /tampered/,
    ],
  ]
  for (const [name, statement, message] of closed) {
    it(`is not served, and nothing more is signed: ${name}`, async () => {
      const copy = join(directory, `closed-${copies++}.db`)
      cpSync(file, copy)
      const database = new DatabaseSync(copy)
      database.exec(statement)
      database.close()
      await assert.rejects(open(copy, { signer }), message)
    })
  }
})

describe('the end of a long store', () => {
  for (const size of [1023, 1024, 1025, 2060]) {
    it(`is served again with ${size} entries, and not when the last one was taken off`, async () => {
      const long = join(directory, `long-${size}.db`)
      const store = await open(long, { signer })
      await Promise.all(Array.from({ length: size }, (_, n) => store.write(note(`word ${n}`))))
      await store.close()
      await (await open(long, { signer })).close()
      const database = new DatabaseSync(long)
      const { changes } = database.prepare('DELETE FROM entries WHERE idx = ?').run(size - 1)
      database.close()
      assert.equal(changes, 1)
      await assert.rejects(open(long, { signer }), /last entries that were signed/)
    })
  }
})

describe('a store that was killed before its last entries were signed', () => {
  /** As it would stand: the newest checkpoint is of eight entries. */
  function unsigned(change = ''): string {
    const copy = join(directory, `unsigned-${copies++}.db`)
    cpSync(file, copy)
    const database = new DatabaseSync(copy)
    const rows = database.prepare('SELECT bytes FROM entries WHERE idx < 8 ORDER BY idx').all() as { bytes: string }[]
    const tree = append(
      EMPTY,
      rows.map(({ bytes }) => leafHash(bytes)),
    )
    const signed = signCheckpoint({ origin: signer.name, size: 8, root: rootOf(tree) }, signer)
    const frontier = tree.hashes.map((hash) => Buffer.from(hash).toString('hex')).join('')
    database.prepare('UPDATE checkpoints SET size = 8, note = ?, frontier = ?').run(signed, frontier)
    database.exec(change)
    database.close()
    return copy
  }

  it('is served when they lead from the checkpoint to the head, and they are signed then', async () => {
    const copy = unsigned()
    assert.deepEqual((await verifyStore(copy)).checkpoint, { size: 8, signed: true })
    await (await open(copy, { signer })).close()
    assert.deepEqual(await verifyStore(copy), { ...whole, beyond: 0 })
  })

  for (const [name, change] of [
    ['changed', `UPDATE entries SET bytes = bytes || ' ' WHERE idx = 9`],
    ['taken out', 'DELETE FROM entries WHERE idx = 9'],
    ['taken off', 'DELETE FROM entries WHERE idx = 11'],
  ] as const) {
    it(`is not served when one of them was ${name}`, async () => {
      await assert.rejects(open(unsigned(change), { signer }), /does not continue its checkpoint of 8 entries/)
    })
  }
})

describe('an export', () => {
  it('holds each entry as the bytes that were hashed, one a line, and verifies with the public key alone', async () => {
    assert.deepEqual(await verifyExport(exported, vkey), { ...whole, beyond: 0 })
    const stream = new PassThrough()
    const lines = text(stream)
    assert.equal(await exportLedger(file, { stream }), 12)
    stream.end()
    assert.equal(await lines, readFileSync(join(exported, 'entries.jsonl'), 'utf8'))
    assert.equal(readFileSync(join(exported, 'key.pub'), 'utf8'), `${vkey}\n`)
  })

  it('does not verify with another key', async () => {
    const other = newSigner()
    const report = await verifyExport(exported, vkeyOf(other.name, other.privateKey))
    assert.deepEqual([report.ok, report.checkpoint.signed], [false, false])
  })

  it('is none without its files', async () => {
    await assert.rejects(verifyExport(directory, vkey), /has no entries\.jsonl/)
  })

  const lines = (bytes: Buffer) => bytes.toString('utf8').split(/(?<=\n)/)
  const edit = (change: (all: string[]) => string[]) => (bytes: Buffer) => change(lines(bytes)).join('')
  const other = signCheckpoint({ origin: signer.name, size: 12, root: rootOf(EMPTY) }, newSigner())
  const attacks: readonly (readonly [string, string, (bytes: Buffer) => Buffer | string, string])[] = [
    [
      'a line changed',
      'entries.jsonl',
      edit((all) => all.map((line) => line.replace('gamma', 'gemma'))),
      'the tree of 12 entries is not the one that was signed',
    ],
    [
      'a line taken out',
      'entries.jsonl',
      edit((all) => all.toSpliced(4, 1)),
      'the checkpoint is of 12 entries, and there are 11: the end is missing',
    ],
    [
      'the end cut off',
      'entries.jsonl',
      edit((all) => all.slice(0, 7)),
      'the checkpoint is of 12 entries, and there are 7: the end is missing',
    ],
    ['a line cut off', 'entries.jsonl', (bytes) => bytes.subarray(0, -20), '11: it is no entry'],
    ['no last line end', 'entries.jsonl', (bytes) => bytes.subarray(0, -1), '11: its line is cut off'],
    ['nothing left', 'entries.jsonl', () => '', 'the checkpoint is of 12 entries, and there are 0: the end is missing'],
    [
      'two lines that changed places',
      'entries.jsonl',
      edit((all) => [...all.slice(0, 6), all[7] ?? '', all[6] ?? '', ...all.slice(8)]),
      'the tree of 12 entries is not the one that was signed',
    ],
    [
      'a line twice',
      'entries.jsonl',
      edit((all) => [...all.slice(0, 6), all[5] ?? '', ...all.slice(6)]),
      '6: its id ent_',
    ],
    ['a line twice at the end', 'entries.jsonl', edit((all) => [...all, all[11] ?? '']), '12: its id ent_'],
    [
      'a line of another time at the end',
      'entries.jsonl',
      edit((all) => [...all, all[0] ?? '']),
      '12: it is dated before',
    ],
    ['an empty line', 'entries.jsonl', edit((all) => [...all, '\n']), '12: it is no entry'],
    [
      'CRLF',
      'entries.jsonl',
      edit((all) => all.map((line) => line.replace('\n', '\r\n'))),
      'the tree of 12 entries is not the one that was signed',
    ],
    [
      'the signature of another key',
      'checkpoint',
      () => other,
      'the checkpoint does not stand: it is not signed by keystay.local/test',
    ],
    ['no signature', 'checkpoint', (bytes) => bytes.toString().replace(/— .*\n/, ''), 'the checkpoint does not stand'],
    ['no checkpoint', 'checkpoint', () => '', 'the checkpoint does not stand: it is no signed note'],
    [
      'another public key beside it',
      'key.pub',
      () => `${vkeyOf(signer.name, newSigner().privateKey)}\n`,
      'key.pub of the export is not the public key that was given',
    ],
    ['a body', 'bodies.jsonl', (bytes) => bytes.toString().replace('re_1', 're_2'), 'the output of call_'],
    [
      'bodies that changed salts',
      'bodies.jsonl',
      (bytes) => bytes.toString().replace(/"salt":"[0-9a-f]+"/g, `"salt":"${'0'.repeat(64)}"`),
      'the input of call_',
    ],
    ['bodies twice', 'bodies.jsonl', edit((all) => [...all, all[0] ?? '']), ' are there twice'],
    [
      'bodies with another member',
      'bodies.jsonl',
      (bytes) => bytes.toString().replace('"salt"', '"more":1,"salt"'),
      'line 1 of bodies.jsonl is not as it was written',
    ],
  ]
  for (const [name, part, change, message] of attacks) {
    it(`that was tampered with is found out: ${name}`, async () => {
      const report = await changed(part, change)
      assert.equal(report.ok, false)
      assert.ok(
        messages(report).some((found) => found.includes(message)),
        `${message} in ${JSON.stringify(messages(report))}`,
      )
    })
  }

  for (const [name, stride] of [
    ['checkpoint', 3],
    ['key.pub', 3],
    ['entries.jsonl', 31],
    ['bodies.jsonl', 17],
  ] as const) {
    it(`that was tampered with is found out: one bit of ${name}, wherever it is`, async () => {
      const { length } = readFileSync(join(exported, name))
      for (let at = 0; at < length; at += stride) {
        const report = await changed(name, (bytes) => {
          bytes[at] = (bytes[at] ?? 0) ^ (1 << (at & 7))
          return bytes
        })
        assert.equal(report.ok, false, `byte ${at} of ${length}`)
      }
    })
  }

  it('that lacks bodies verifies, and says so: what was erased is erased', async () => {
    assert.deepEqual(
      await changed(
        'bodies.jsonl',
        edit((all) => all.slice(1)),
      ),
      { ...whole, beyond: 0, erased: 1 },
    )
  })
})
