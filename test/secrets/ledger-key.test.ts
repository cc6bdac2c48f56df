import assert from 'node:assert/strict'
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { createAgeIdentity, findAgeIdentity, readAgeFile, writeAgeFile } from '../../gateway/secrets/age-file.ts'
import { ledgerKey } from '../../gateway/secrets/ledger-key.ts'
import type { LedgerKey } from '../../gateway/secrets/ledger-key.ts'

const text = (key: LedgerKey): string => key.publicKey.export({ type: 'spki', format: 'pem' }).toString()

describe('the ledger’s signing key', () => {
  let folder: string
  let path: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keystay-key-'))
    path = join(folder, 'ledger.key')
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('is made once, in a file of the owner’s, and signs', async () => {
    const first = await ledgerKey(path)
    const again = await ledgerKey(`file://${path}`)
    assert.deepEqual([first.created, again.created], [true, false])
    assert.equal(text(first), text(again))
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.deepEqual(await readdir(folder), ['ledger.key'])
    const signature = sign(null, Buffer.from('tree head'), first.privateKey)
    assert.ok(verify(null, Buffer.from('tree head'), again.publicKey, signature))
    assert.match(await readFile(path, 'utf8'), /^-----BEGIN PRIVATE KEY-----\n/)
  })

  it('is the same for all who make it at once', async () => {
    const keys = await Promise.all(Array.from({ length: 20 }, () => ledgerKey(path)))
    assert.equal(new Set(keys.map(text)).size, 1)
    assert.equal(keys.filter(({ created }) => created).length, 1)
    assert.deepEqual(await readdir(folder), ['ledger.key'])
  })

  it('may be in the age file, and is added to it', async () => {
    const ageFile = join(folder, 'secrets.age')
    await writeAgeFile(ageFile, new Map([['a', 'b']]), await createAgeIdentity(`${ageFile}.key`))
    const options = { ageFile, environment: {} }
    const first = await ledgerKey('age://ledger/key', options)
    const again = await ledgerKey('age://ledger/key', options)
    assert.deepEqual([first.created, again.created, text(first) === text(again)], [true, false, true])
    const entries = await readAgeFile(ageFile, await findAgeIdentity(ageFile, {}))
    assert.deepEqual([...entries.keys()], ['a', 'ledger/key'])
    assert.equal(entries.get('a'), 'b')
    await assert.rejects(ledgerKey('age://ledger/key', { environment: {} }), /needs an age file/)
  })

  it('may be in the environment, and is not made there', async () => {
    const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    assert.equal((await ledgerKey('env://KEY', { environment: { KEY: pem } })).created, false)
    await assert.rejects(ledgerKey('env://KEY', { environment: {} }), /not set/)
  })

  it('is refused when it is another kind of key, no key, or open to others; nothing of it is told', async () => {
    const rsa = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString()
    const { publicKey } = generateKeyPairSync('ed25519')
    const contents = [
      rsa,
      publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      '',
      'c4n4ry',
      '-----BEGIN PRIVATE KEY-----\nc4n4ry\n-----END PRIVATE KEY-----',
    ]
    for (const content of contents) {
      await writeFile(path, content, { mode: 0o600 })
      await assert.rejects(ledgerKey(path), (error: Error) => {
        assert.match(error.message, /not an Ed25519 private key/)
        return !inspect(error, { depth: 9 }).includes('c4n4ry')
      })
      assert.equal(await readFile(path, 'utf8'), content)
    }
    await chmod(path, 0o640)
    await assert.rejects(ledgerKey(path), /chmod 600/)
    await assert.rejects(ledgerKey(join(folder, 'no', 'such', 'folder')))
  })
})
