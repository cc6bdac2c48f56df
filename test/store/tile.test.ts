import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseTile } from '../../gateway/core/tile.ts'
import { readSqlite } from '../../gateway/store/sqlite.ts'
import type { OpenStore } from '../../gateway/store/store.ts'
import { freshFile, newSigner, note, open } from './operations.ts'

describe('the tiles of the ledger (C2SP tlog-tiles)', function () {
  this.timeout(30_000)
  const file = freshFile()
  let store: OpenStore
  let entries: string[]
  let checkpoint: string[]

  before(async () => {
    store = await open(file, { signer: newSigner() })
    await Promise.all(Array.from({ length: 700 }, (_, n) => store.write(note(`wörd ${n}`))))
    for (;;) {
      checkpoint = (await store.checkpoint())?.split('\n') ?? []
      const reader = readSqlite(file)
      entries = (await reader.all<{ bytes: string }>('SELECT bytes FROM entries ORDER BY idx')).map(
        ({ bytes }) => bytes,
      )
      await reader.close()
      if (Number(checkpoint[1]) === entries.length) return
      await sleep(50)
    }
  })
  after(() => store.close())

  const held = async (name: string): Promise<Buffer | null> => {
    const tile = parseTile(name)
    assert.ok(tile !== null, name)
    const text = await store.tile(tile)
    return text === null ? null : Buffer.from(text, 'base64')
  }
  const hashes = (bytes: Buffer | null): Buffer[] => {
    assert.ok(bytes !== null && bytes.length % 32 === 0)
    return Array.from({ length: bytes.length / 32 }, (_, at) => bytes.subarray(at * 32, at * 32 + 32))
  }
  const leaves = (): Buffer[] => entries.map((entry) => sha256(Buffer.of(0), Buffer.from(entry)))

  it('hold the hashes from which the root that was signed is made', async () => {
    const rest = entries.length - 512
    const lowest = [
      ...hashes(await held('0/000')),
      ...hashes(await held('0/001')),
      ...hashes(await held(`0/002.p/${rest}`)),
    ]
    assert.deepEqual(lowest, leaves())
    assert.equal(root(lowest).toString('base64'), checkpoint[2])
    assert.deepEqual(hashes(await held('1/000.p/2')), [root(lowest.slice(0, 256)), root(lowest.slice(256, 512))])
    assert.deepEqual(hashes(await held('1/000.p/2')), [root(lowest.slice(0, 256)), root(lowest.slice(256, 512))])
  })

  it('of an earlier tree are still there', async () => {
    assert.deepEqual(hashes(await held('0/000.p/7')), leaves().slice(0, 7))
    assert.deepEqual(hashes(await held('1/000.p/1')), [root(leaves().slice(0, 256))])
  })

  it('of entries hold the bytes that were hashed, each behind its length', async () => {
    const bytes = await held('entries/002.p/5')
    assert.ok(bytes !== null)
    const found: string[] = []
    for (let at = 0; at < bytes.length;) {
      const length = bytes.readUInt16BE(at)
      found.push(bytes.toString('utf8', at + 2, at + 2 + length))
      at += 2 + length
    }
    assert.deepEqual(found, entries.slice(512, 517))
  })

  it('are none beyond the tree that was signed', async () => {
    const over = entries.length - 512 + 1
    for (const name of [
      `0/002.p/${over}`,
      '0/002',
      '0/003',
      `entries/002.p/${over}`,
      '1/000',
      '1/000.p/3',
      '63/000.p/1',
    ])
      assert.equal(await held(name), null, name)
  })

  it('have one name each', () => {
    assert.deepEqual(parseTile('1/x001/x234/067.p/12'), { of: 1, index: 1_234_067, width: 12 })
    const none =
      '0 0/ 0/0 0/00 0/0000 00/000 01/000 -1/000 64/000 +1/000 x/000 Entries/000 0/x000/000 0/x00/000 0/000/000 0/x001 ' +
      '0/000/ /0/000 0/000.p 0/000.p/ 0/000.p/0 0/000.p/01 0/000.p/256 0/000.p/1000 0/000.p/-1 0/000.p/1/ 0/000.P/1 ' +
      '0/000? 0/00a 0/000\n 0/x999/x999/x999/x999/x999/x999/999'
    for (const name of none.split(' ')) assert.equal(parseTile(name), null, name)
  })
})

/** RFC 9162, section 2.1.1, and nothing of ours. */
function root(some: readonly Buffer[]): Buffer {
  const [only] = some
  if (some.length === 1 && only !== undefined) return only
  const k = 2 ** (Math.ceil(Math.log2(some.length)) - 1)
  return sha256(Buffer.of(1), root(some.slice(0, k)), root(some.slice(k)))
}

function sha256(...parts: readonly Buffer[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}
