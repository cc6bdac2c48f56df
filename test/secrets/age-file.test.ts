import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import {
  Decrypter,
  Encrypter,
  armor,
  generateHybridIdentity,
  generateX25519Identity,
  identityToRecipient,
} from 'age-encryption'
import {
  createAgeIdentity,
  findAgeIdentity,
  readAgeFile,
  recipientOf,
  writeAgeFile,
} from '../../gateway/secrets/age-file.ts'

const CANARY = 'sk_test_c4n4ry_in_an_age_file'
const ENTRIES = new Map([
  ['stripe/restricted_key', CANARY],
  ['a', 'x\ny: "é"'],
])

describe('an age file', () => {
  let folder: string
  let file: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keystay-age-'))
    file = join(folder, 'secrets.age')
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('is written and read, with the key beside it; both for the owner only; no draft is left', async () => {
    await writeAgeFile(file, ENTRIES, await createAgeIdentity(`${file}.key`))
    assert.deepEqual(await readAgeFile(file, await findAgeIdentity(file, {})), ENTRIES)
    assert.deepEqual(await readdir(folder), ['secrets.age', 'secrets.age.key'])
    for (const path of [file, `${file}.key`]) assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.ok(!(await readFile(file)).includes('sk_test'))
  })

  it('is replaced as a whole', async () => {
    const recipient = await createAgeIdentity(`${file}.key`)
    await writeAgeFile(file, ENTRIES, recipient)
    await writeAgeFile(file, new Map([['b', 'c']]), recipient)
    assert.deepEqual(await readAgeFile(file, await findAgeIdentity(file, {})), new Map([['b', 'c']]))
  })

  it('does not make a key in the place of another', async () => {
    await createAgeIdentity(`${file}.key`)
    const before = await readFile(`${file}.key`, 'utf8')
    await assert.rejects(createAgeIdentity(`${file}.key`), /exists already/)
    assert.equal(await readFile(`${file}.key`, 'utf8'), before)
  })

  it('opens with what age-encryption wrote: YAML or JSON, binary or armored, X25519 or hybrid', async () => {
    for (const key of [await generateX25519Identity(), await generateHybridIdentity()]) {
      for (const plain of [
        JSON.stringify(Object.fromEntries(ENTRIES)),
        `# mine\nstripe/restricted_key: ${CANARY}\na: "x\\ny: \\"é\\""\n`,
      ]) {
        const encrypter = new Encrypter()
        encrypter.addRecipient(await identityToRecipient(key))
        const bytes = await encrypter.encrypt(plain)
        for (const content of [bytes, armor.encode(bytes)]) {
          await writeFile(file, content)
          assert.deepEqual(await readAgeFile(file, { keys: [key], passphrase: null }), ENTRIES)
        }
      }
    }
  })

  it('is opened by age-encryption', async () => {
    const key = await generateX25519Identity()
    await writeAgeFile(file, ENTRIES, await identityToRecipient(key))
    const decrypter = new Decrypter()
    decrypter.addIdentity(key)
    const plain = await decrypter.decrypt(await readFile(file), 'text')
    assert.deepEqual(JSON.parse(plain), Object.fromEntries(ENTRIES))
  })

  it('opens with a passphrase', async () => {
    const encrypter = new Encrypter()
    encrypter.setScryptWorkFactor(4)
    encrypter.setPassphrase('correct horse battery staple')
    await writeFile(file, await encrypter.encrypt('a: b'))
    const identity = await findAgeIdentity(file, { KEYSTAY_AGE_IDENTITY: 'correct horse battery staple\n' })
    assert.deepEqual(await readAgeFile(file, identity), new Map([['a', 'b']]))
    assert.deepEqual(await recipientOf(identity), { passphrase: 'correct horse battery staple' })
  })

  it('finds its identity in the environment, in the file it names, or beside it, in this order', async () => {
    const keys = await Promise.all([1, 2, 3].map(() => generateX25519Identity()))
    const [first = '', second = '', third = ''] = keys
    const named = join(folder, 'named.key')
    await writeFile(named, `# created: 2026-11-22\n# public key: age1…\n${second}\n`, { mode: 0o600 })
    await writeFile(`${file}.key`, third, { mode: 0o600 })
    const environment = { KEYSTAY_AGE_IDENTITY: first, KEYSTAY_AGE_IDENTITY_FILE: named }
    const found = [
      await findAgeIdentity(file, environment),
      await findAgeIdentity(file, { KEYSTAY_AGE_IDENTITY_FILE: named }),
      await findAgeIdentity(file, {}),
    ]
    assert.deepEqual(
      found.map((identity) => identity.keys[0]),
      keys,
    )
  })

  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o610, 0o601]) {
    it(`refuses a key of mode ${mode.toString(8)}`, async () => {
      await createAgeIdentity(`${file}.key`)
      await chmod(`${file}.key`, mode)
      await assert.rejects(findAgeIdentity(file, {}), {
        message: `${file}.key can be read or changed by others (mode 0${mode.toString(8)}): chmod 600 ${file}.key`,
      })
    })
  }

  const bad: readonly [string, string, RegExp][] = [
    ['a list', `- ${CANARY}`, /flat map/],
    ['one value', CANARY, /flat map/],
    ['nothing', '', /flat map/],
    ['a number', `a: ${CANARY}\nb: 5`, /"b" is not a string; quote it/],
    ['a nested map', `a: { b: ${CANARY} }`, /"a" is not a string/],
    ['a name twice', `a: ${CANARY}\na: ${CANARY}`, /line 2/],
    ['a broken line', `a: ${CANARY}\n  b: [`, /line \d/],
    ['an alias', `a: &x ${CANARY}\nb: *x`, /./],
    ['a tag', `a: !mine ${CANARY}`, /./],
  ]
  for (const [what, plain, message] of bad) {
    it(`is refused with ${what} in it, and nothing of it is told`, async () => {
      const key = await generateX25519Identity()
      const encrypter = new Encrypter()
      encrypter.addRecipient(await identityToRecipient(key))
      await writeFile(file, await encrypter.encrypt(plain))
      await assert.rejects(readAgeFile(file, { keys: [key], passphrase: null }), (error: Error) => {
        assert.match(error.message, message)
        assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes('c4n4ry'))
        return true
      })
    })
  }

  it('is refused when damaged, when it is another’s, or no age file; the identity is not told', async () => {
    const recipient = await createAgeIdentity(`${file}.key`)
    const identity = await findAgeIdentity(file, {})
    await writeAgeFile(file, ENTRIES, recipient)
    const bytes = await readFile(file)
    const other = { keys: [await generateX25519Identity()], passphrase: null }
    const damaged = Buffer.from(bytes)
    damaged[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    const cases: [Uint8Array, typeof identity][] = [
      [bytes, other],
      [damaged, identity],
      [bytes.subarray(0, 40), identity],
      [Buffer.from(`a: ${CANARY}`), identity],
      [bytes, { keys: ['AGE-SECRET-KEY-1NOTAKEY'], passphrase: null }],
    ]
    for (const [content, who] of cases) {
      await writeFile(file, content)
      await assert.rejects(readAgeFile(file, who), (error: Error) => {
        assert.match(error.message, /cannot be decrypted/)
        const shown = inspect(error, { depth: 9, showHidden: true })
        return !shown.includes('c4n4ry') && !who.keys.some((key) => shown.includes(key))
      })
    }
    await assert.rejects(readAgeFile(join(folder, 'none.age'), identity), /does not exist/)
    await assert.rejects(findAgeIdentity(join(folder, 'none.age'), {}), /none\.age\.key does not exist/)
    for (const text of ['# nothing\n', 'AGE-SECRET-KEY-1X\nand more', 'two\nlines']) {
      await assert.rejects(findAgeIdentity(file, { KEYSTAY_AGE_IDENTITY: text }), /holds neither an age key/)
    }
  })
})
