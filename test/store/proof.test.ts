import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { vkeyOf } from '../../gateway/core/checkpoint-note.ts'
import { checkProof } from '../../gateway/core/proof.ts'
import type { CallProof } from '../../gateway/core/proof.ts'
import type { Db, Param } from '../../gateway/store/db.ts'
import { noRoots, proofOf } from '../../gateway/store/proof.ts'
import { readSqlite } from '../../gateway/store/sqlite.ts'
import type { OpenStore } from '../../gateway/store/store.ts'
import { admit, done, freshFile, issue, newSigner, note, open } from './operations.ts'

/** RFC 9162, section 2.1.1, word for word, and nothing of ours. */
function mth(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves
  if (leaves.length === 1 && only !== undefined) return sha256(Buffer.concat([Buffer.of(0), only]))
  const k = below(leaves.length)
  return sha256(Buffer.concat([Buffer.of(1), mth(leaves.slice(0, k)), mth(leaves.slice(k))]))
}

/** Section 2.1.3.1. */
function path(m: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 1) return []
  const k = below(leaves.length)
  return m < k
    ? [...path(m, leaves.slice(0, k)), mth(leaves.slice(k))]
    : [...path(m - k, leaves.slice(k)), mth(leaves.slice(0, k))]
}

function below(n: number): number {
  return 2 ** (Math.ceil(Math.log2(n)) - 1)
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}

describe('the proof of a call', function () {
  this.timeout(30_000)
  const signer = newSigner()
  const vkey = vkeyOf(signer.name, signer.privateKey)
  const file = freshFile()
  let store: OpenStore
  let call: string

  before(async () => {
    store = await open(file, { signer })
    const issued = await store.write(issue())
    assert.ok(issued.kind === 'issued')
    const started = await store.write(admit(issued.session.id, 'one', 3000))
    assert.ok(started.kind === 'started')
    call = started.call.id
    // A tree of several whole chunks and a rest, with the call's last entry far from its first.
    await Promise.all(Array.from({ length: 2600 }, (_, n) => store.write(note(`word ${n}`))))
    await store.write(done(call))
    await store.write(note('the last'))
  })
  after(() => store.close())

  async function proven(): Promise<CallProof> {
    for (;;) {
      const proof = await store.proof(call)
      if (proof !== null && proof.unsigned === 0 && proof.entries.length > 1) return proof
      await sleep(50)
    }
  }

  it('is the path that the RFC computes from all leaves, and holds under the public key', async () => {
    const proof = await proven()
    const reader = readSqlite(file)
    const rows = await reader.all<{ bytes: string }>('SELECT bytes FROM entries ORDER BY idx')
    await reader.close()
    const size = Number(proof.checkpoint.split('\n')[1])
    const leaves = rows.slice(0, size).map(({ bytes }) => Buffer.from(bytes))
    assert.equal(proof.checkpoint.split('\n')[2], mth(leaves).toString('base64'))
    assert.ok(size > 2600)
    for (const { index, bytes, hashes } of proof.entries) {
      assert.equal(bytes, rows[index]?.bytes)
      assert.deepEqual(
        hashes,
        path(index, leaves).map((hash) => hash.toString('base64')),
      )
    }
    assert.deepEqual(
      proof.entries.map(({ bytes }) => (JSON.parse(bytes) as { kind: string }).kind),
      ['call.started', 'call.settled'],
    )
    assert.deepEqual(checkProof(JSON.parse(JSON.stringify(proof)), vkey), { ok: true, call, entries: 2, size })
    assert.deepEqual(await store.proof(call), proof, 'the second is made from what is remembered')
  })

  it('is made from the leaves of the subtrees it is in, and of no other; of all where the store keeps no roots', async () => {
    const proof = await proven()
    const reader = readSqlite(file)
    const read: number[] = []
    const counting = (hasRoots: boolean): Db => ({
      ...reader,
      async all<Row>(sql: string, params: readonly Param[] = []) {
        if (sql.includes('FROM subtrees') && !hasRoots) return []
        const rows = await reader.all<Row>(sql, params)
        if (sql.startsWith('SELECT leaf')) for (let at = Number(params[0]); at < Number(params[1]); at++) read.push(at)
        return rows
      },
    })
    for (const [hasRoots, leaves] of [
      [true, 0],
      [false, 1024],
    ] as const) {
      read.length = 0
      const made = await proofOf(counting(hasRoots), call, noRoots())
      assert.deepEqual(
        made?.entries.map(({ index }) => index),
        proof.entries.map(({ index }) => index),
      )
      assert.deepEqual(made === null ? null : checkProof(made, vkey).ok, true)
      // The second subtree of 1024: neither of its entries is in it.
      assert.equal(new Set(read.filter((at) => at >= 1024 && at < 2048)).size, leaves)
    }
    await reader.close()
  })

  it('does not hold once anything of it was changed, or under another key', async () => {
    const proof = await proven()
    const [first, last] = proof.entries
    assert.ok(first !== undefined && last !== undefined)
    const other = newSigner()
    const spoilt: readonly (readonly [string, unknown, RegExp])[] = [
      [
        'an amount',
        { ...proof, entries: [{ ...first, bytes: first.bytes.replace('3000', '3001') }] },
        /entry \d+ is not/,
      ],
      ['a place', { ...proof, entries: [{ ...first, index: first.index + 1 }] }, /is not in the tree/],
      ['a hash', { ...proof, entries: [{ ...first, hashes: last.hashes }] }, /is not in the tree/],
      ['a hash less', { ...proof, entries: [{ ...first, hashes: first.hashes.slice(1) }] }, /is not in the tree/],
      ['another call', { ...proof, call: 'call_other' }, /is of another call/],
      ['a smaller tree', { ...proof, checkpoint: proof.checkpoint.replace(/\n\d+\n/, '\n7\n') }, /signature/],
      ['no entries', { ...proof, entries: [] }, /no entry/],
      ['one twice', { ...proof, entries: [first, first] }, /twice/],
      ...[null, 1, 'x', [], {}, { ...proof, entries: [null] }, { ...proof, entries: 'x' }].map(
        (value) => ['nonsense', value, /no proof/] as const,
      ),
    ]
    for (const [what, value, says] of spoilt) {
      const checked = checkProof(value, vkey)
      assert.equal(checked.ok, false, what)
      assert.match(checked.ok ? '' : checked.error, says, what)
    }
    assert.equal(checkProof(proof, vkeyOf(other.name, other.privateKey)).ok, false)
    assert.equal(checkProof(proof, 'no key').ok, false)
  })
})
