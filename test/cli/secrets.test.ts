import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { armor, Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { editAgeFile, rekeyAgeFile } from '../../gateway/secrets/edit.ts'
import { createAgeIdentity, findAgeIdentity, readAgeFile, writeAgeFile } from '../../gateway/secrets/age-file.ts'
import { locked } from '../../gateway/secrets/lock.ts'
import { ledgerKey } from '../../gateway/secrets/ledger-key.ts'
import { keystay } from './keystay.ts'

const CANARY = 'sk_test_c4n4ry_of_the_command_line'
const OTHER = 'sk_test_an0ther_value_of_the_same_name'

describe('keystay secrets', () => {
  let folder: string
  let file: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keystay-secrets-'))
    file = join(folder, 'data', 'secrets.age')
  })
  afterEach(() => rm(folder, { recursive: true }))

  const run = (args: readonly string[], stdin = '', env: Record<string, string> = {}) =>
    keystay(['secrets', ...args], { stdin, env: { KEYSTAY_SECRETS: `env:,age:${file}`, ...env } })
  const entries = async () => Object.fromEntries(await readAgeFile(file, await findAgeIdentity(file, {})))
  const keyOf = async (path = `${file}.key`) => /^AGE-SECRET-KEY-\S+$/m.exec(await readFile(path, 'utf8'))?.[0] ?? ''
  /** A file with one secret, without starting a program for it. */
  const prepare = async (before: Record<string, string> = { a: CANARY }) => {
    await mkdir(join(folder, 'data'))
    await writeAgeFile(file, new Map(Object.entries(before)), await createAgeIdentity(`${file}.key`))
  }
  /** As another program reads it. */
  const opened = async (identity: string) => {
    const decrypter = new Decrypter()
    decrypter.addIdentity(identity)
    const bytes = await readFile(file)
    return decrypter.decrypt(
      bytes.toString('latin1').startsWith('-----') ? armor.decode(bytes.toString()) : bytes,
      'text',
    )
  }
  /** As another program writes it. */
  const sealed = async (text: string, recipients: readonly string[], armored = false) => {
    const encrypter = new Encrypter()
    for (const one of recipients) encrypter.addRecipient(one)
    const bytes = await encrypter.encrypt(text)
    await writeFile(file, armored ? armor.encode(bytes) : bytes)
  }

  it('keeps, lists and rotates; the files are for their owner only; no value is ever printed', async () => {
    const first = await run(['set', 'stripe/key'], `${CANARY}\n`)
    match(
      first.out,
      /^made .*secrets\.age, and the key that opens it: .*secrets\.age\.key .*\nstripe\/key is kept in .*age:\/\/stripe\/key\n$/,
    )
    const second = await run(['set', 'b', '--json'], 'two words\n\n')
    deepEqual(JSON.parse(second.out), { file, name: 'b', created: false, identity: null })
    deepEqual(await entries(), { 'stripe/key': CANARY, b: 'two words\n' })
    const rotated = await run(['rotate', 'stripe/key'], OTHER)
    match(rotated.out, /^stripe\/key has another value\. A running gateway takes it within 5 minutes/)
    deepEqual(await entries(), { 'stripe/key': OTHER, b: 'two words\n' })
    deepEqual(JSON.parse((await run(['list', '--json'])).out), { file, names: ['b', 'stripe/key'] })
    for (const name of await readdir(join(folder, 'data')))
      deepEqual([name, (await stat(join(folder, 'data', name))).mode & 0o777], [name, 0o600])
    deepEqual((await readdir(join(folder, 'data'))).sort(), ['secrets.age', 'secrets.age.key', 'secrets.age.lock'])
    for (const { out, err } of [first, second, rotated])
      ok(![CANARY, OTHER].some((value) => (out + err).includes(value)))
  })

  const refused: [string, readonly string[], string, number, RegExp][] = [
    ['a value on the command line, without saying it again', ['set', 'b', CANARY], '', 2, /take this one for known/],
    ['a name that is there, for set', ['set', 'a'], 'x', 1, /has a already.*secrets rotate a/],
    ['a name that is not there, for rotate', ['rotate', 'b'], 'x', 1, /has no b.*secrets set b/],
    ['the value that it has already', ['rotate', 'a'], CANARY, 1, /has already/],
    ['no value', ['set', 'b'], '\n', 2, /No value for b/],
    ['a value that is not text', ['set', 'b'], 'a\0b', 2, /NUL/],
    ['a name that no policy could say', ['set', 'a b'], 'x', 2, /no name of a secret/],
    [
      'a secret key in the place of a recipient, without saying it',
      ['set', 'b', '--recipient', 'AGE-SECRET-KEY-1QQQ'],
      'x',
      2,
      /public key/,
    ],
    ['no file', ['list', '--secrets', 'env:'], '', 2, /--secrets age:FILE/],
    ['a verb that is none, with the nearest', ['lst'], '', 2, /Did you mean list\?/],
  ]
  for (const [what, args, stdin, exit, says] of refused) {
    it(`refuses ${what}, and changes nothing`, async () => {
      await prepare()
      const before = await readFile(file)
      const ran = await run(args, stdin)
      deepEqual([ran.exit, ran.out], [exit, ''])
      match(ran.err, says)
      ok(!/sk_test|QQQ/.test(ran.err), ran.err)
      deepEqual(await readFile(file), before)
    })
  }

  it('loses nothing when several write at once', async () => {
    await prepare({ zero: '0' })
    const names = ['a', 'b', 'c']
    const all = await Promise.all(names.map((name) => run(['set', name], `value of ${name}`)))
    deepEqual(
      all.map(({ exit, err }) => [exit, err]),
      names.map(() => [0, '']),
    )
    deepEqual(Object.keys(await entries()), [...names, 'zero'])
  })

  it('waits while another program changes the file, and takes what that wrote', async () => {
    await prepare()
    const edited = writeAgeFile.bind(null, file, new Map([['theirs', '1']]))
    let running: ReturnType<typeof run> | undefined
    await locked(file, async () => {
      running = run(['set', 'ours'], '2')
      await new Promise((resolve) => setTimeout(resolve, 900))
      deepEqual(await entries(), { a: CANARY })
      await edited(await identityToRecipient(await keyOf()))
    })
    equal((await running)?.exit, 0)
    deepEqual(await entries(), { ours: '2', theirs: '1' })
  })

  it('makes the ledger’s key under the same lock', async () => {
    await prepare()
    const set = editAgeFile(file, { environment: {} }, (before) => new Map([...before, ['b', '2']]))
    const made = await Promise.all([1, 2, 3].map(() => ledgerKey('age://ledger', { ageFile: file, environment: {} })))
    await set
    equal(made.filter(({ created }) => created).length, 1)
    deepEqual(Object.keys(await entries()), ['a', 'b', 'ledger'])
  })

  it('writes what other programs open, and reads what they wrote, armored or not', async () => {
    await prepare()
    deepEqual(JSON.parse(await opened(await keyOf())), { a: CANARY })
    const own = await identityToRecipient(await keyOf())
    await sealed(`# by hand\na: ${OTHER}\nb: "2"\n`, [own], true)
    equal((await run(['list'])).out, 'a\nb\n')
    equal((await run(['set', 'c'], '3')).exit, 0)
    ok((await readFile(file, 'utf8')).startsWith('-----BEGIN AGE ENCRYPTED FILE-----'))
    deepEqual(JSON.parse(await opened(await keyOf())), { a: OTHER, b: '2', c: '3' })
  })

  it('does not write a file for fewer people than it was for, until told who they are', async () => {
    await prepare()
    const colleague = await generateX25519Identity()
    const them = await identityToRecipient(colleague)
    await sealed('{"a": "1"}', [await identityToRecipient(await keyOf()), them])
    const before = await readFile(file)
    const ran = await run(['set', 'b'], '2')
    deepEqual([ran.exit, await readFile(file)], [2, before])
    match(ran.err, /is for 2 recipients.*--recipient/)
    equal((await run(['set', 'b', '--recipient', them], '2')).exit, 0)
    for (const identity of [colleague, await keyOf()]) deepEqual(JSON.parse(await opened(identity)), { a: '1', b: '2' })
    equal((await run(['rekey', '--keep'])).exit, 0)
    await opened(colleague).then(
      () => ok(false, 'it opens still'),
      () => {},
    )
  })

  it('rekeys: the new identity opens the file, the old one does not', async () => {
    await prepare()
    const old = await keyOf()
    const ran = await run(['rekey', '--json'])
    const { identity, recipients } = JSON.parse(ran.out) as { identity: string; recipients: string[] }
    const now = await keyOf()
    deepEqual([identity, recipients], [`${file}.key`, [await identityToRecipient(now)]])
    ok(now !== old && !(await readFile(identity, 'utf8')).includes(old))
    deepEqual(JSON.parse(await opened(now)), { a: CANARY })
    await opened(old).then(
      () => ok(false, 'the old identity opens it'),
      () => {},
    )
    equal((await stat(identity)).mode & 0o777, 0o600)
  })

  it('was a rekey cut off between its steps, the file opens and a new one ends it', async () => {
    await prepare()
    const old = await readFile(`${file}.key`, 'utf8')
    await writeFile(`${file}.key`, `${await generateX25519Identity()}\n${old}`)
    deepEqual(await entries(), { a: CANARY })
    await rekeyAgeFile(file, { environment: {} })
    deepEqual(await entries(), { a: CANARY })
    equal((await readFile(`${file}.key`, 'utf8')).match(/AGE-SECRET-KEY/g)?.length, 1)
  })

  it('never replaces an identity that is kept elsewhere: it asks for a place', async () => {
    await prepare()
    const env = { KEYSTAY_AGE_IDENTITY: await keyOf() }
    const out = join(folder, 'new.key')
    const ran = await run(['rekey'], '', env)
    deepEqual([ran.exit, /--identity-out FILE/.test(ran.err)], [2, true])
    const moved = await run(['rekey', '--identity-out', out], '', env)
    match(moved.out, /From now on: KEYSTAY_AGE_IDENTITY_FILE=.*new\.key/)
    deepEqual(
      Object.fromEntries(await readAgeFile(file, await findAgeIdentity(file, { KEYSTAY_AGE_IDENTITY_FILE: out }))),
      { a: CANARY },
    )
  })

  it('goes from a passphrase to a key', async () => {
    await prepare()
    await rm(`${file}.key`)
    const encrypter = new Encrypter()
    encrypter.setPassphrase('correct horse battery staple')
    encrypter.setScryptWorkFactor(2)
    await writeFile(file, await encrypter.encrypt('{"a": "1"}'))
    const environment = { KEYSTAY_AGE_IDENTITY: 'correct horse battery staple' }
    await rekeyAgeFile(file, { environment, out: `${file}.key` })
    deepEqual(await entries(), { a: '1' })
  })

  it('does not use a key that others can read', async () => {
    await prepare()
    await chmod(`${file}.key`, 0o644)
    const ran = await run(['list'])
    deepEqual([ran.exit, /chmod 600/.test(ran.err)], [2, true])
  })
})
