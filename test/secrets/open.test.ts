import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { createAgeIdentity, writeAgeFile } from '../../gateway/secrets/age-file.ts'
import { looksLive } from '../../gateway/secrets/live.ts'
import { openSecrets } from '../../gateway/secrets/open.ts'
import type { SecretEvent, SecretOptions, Secrets } from '../../gateway/secrets/open.ts'

const CANARY = 'sk_test_c4n4ry_from_a_source'

describe('secrets', () => {
  let folder: string
  let age: string
  let recipient: string
  let now: number
  let events: SecretEvent[]
  const open = (spec: string, more: Partial<SecretOptions> = {}): Promise<Secrets> =>
    openSecrets(spec, { now: () => now, onEvent: (event) => events.push(event), environment: {}, ...more })
  beforeEach(async () => {
    now = 1000
    events = []
    folder = await mkdtemp(join(tmpdir(), 'keystay-secrets-'))
    age = join(folder, 'secrets.age')
    recipient = await createAgeIdentity(`${age}.key`)
    await writeAgeFile(age, new Map([['stripe/key', CANARY]]), recipient)
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('come from the age file, the environment and files, as the operator names them', async () => {
    const file = join(folder, 'token')
    await writeFile(file, `${CANARY}-3\n`, { mode: 0o600 })
    const secrets = await open(`age:${age}, env:,file:${folder}`, { environment: { KEY: `${CANARY}-2` } })
    const refs = ['age://stripe/key', 'env://KEY', `file://${file}`]
    const values = await Promise.all(refs.map(async (ref) => (await secrets.get(ref)).open()))
    assert.deepEqual(values, [CANARY, `${CANARY}-2`, `${CANARY}-3`])
    assert.deepEqual(
      events.toSorted((a, b) => (a.ref < b.ref ? -1 : 1)),
      refs.map((ref) => ({ kind: 'credential.fetched', ref })),
    )
    assert.equal(secrets.scrub.text(`Bearer ${CANARY}-3`), 'Bearer [secret]')
  })

  const unavailable: readonly [string, string, RegExp][] = [
    ['env:', 'age://stripe/key', /no age: source is open/],
    ['age', 'env://HOME', /no env: source is open/],
    ['age', 'file:///etc/passwd', /no file: source is open/],
    ['age', 'vault://kv/x#y', /no vault: source is open/],
    ['age', 'age://other', /has no such name/],
    ['age', 'age://constructor', /has no such name/],
    ['env:', 'env://UNSET', /the variable is not set/],
    ['env:', 'env://EMPTY', /the value is empty/],
    ['env:', 'env://constructor', /the variable is not set/],
    ['env:', 'env://A B', /no name of a variable/],
    ['env:', 'KEY', /that is no secret ref/],
    ['env:', 'env://', /that is no secret ref/],
    ['env:', '', /that is no secret ref/],
    ['file:', 'file://relative', /no absolute path/],
    ['file:', 'file:///does/not/exist', /does not exist/],
    ['file:', 'file:///dev/null', /by others|not a file/],
    ['file:FOLDER', 'file:///etc/passwd', /the file is not in/],
    ['file:FOLDER', 'file://FOLDER/../../etc/passwd', /does not exist|the file is not in/],
    ['file:FOLDER', 'file://FOLDER/link', /the file is not in/],
    ['file:FOLDER', 'file://FOLDER', /the file is not in/],
    ['file:FOLDER', 'file://FOLDER/open', /can be read or changed by others/],
    ['file:FOLDER', 'file://FOLDER/folder', /by others|not a file/],
    ['file:FOLDER', 'file://FOLDER/pipe', /not a file/],
  ]
  for (const [spec, ref, reason] of unavailable) {
    it(`of ${ref || 'no ref'} are unavailable from ${spec}`, async () => {
      await writeFile(join(folder, 'open'), CANARY, { mode: 0o644 })
      await chmod(join(folder, 'open'), 0o644)
      await mkdir(join(folder, 'folder'), { mode: 0o700 })
      await symlink('/etc/passwd', join(folder, 'link'))
      execFileSync('mkfifo', ['-m', '600', join(folder, 'pipe')])
      const here = (text: string): string => text.replace('FOLDER', folder)
      const secrets = await open(spec === 'age' ? `age:${age}` : here(spec), { environment: { EMPTY: '', 'A B': 'x' } })
      await assert.rejects(secrets.get(here(ref)), (error: Error) => {
        assert.equal(error.name, 'SecretUnavailable')
        assert.match(error.message, reason)
        assert.ok(!inspect(error, { depth: 9 }).includes('c4n4ry'))
        return true
      })
      assert.deepEqual(
        events.map(({ kind }) => kind),
        ['credential.failed'],
      )
    })
  }

  for (const spec of ['', 'age:', 'env:X', 'vault:', 'aws:', 'env:,env:', 'secrets.age', ' ', 'env:,']) {
    it(`are not opened with --secrets ${JSON.stringify(spec)}`, () => assert.rejects(open(spec), /--secrets/))
  }

  it('are not opened when the age file or its identity cannot be read now', async () => {
    await assert.rejects(open(`age:${folder}/none.age`), /does not exist/)
    await chmod(`${age}.key`, 0o644)
    await assert.rejects(open(`age:${age}`), /chmod 600/)
  })

  it('are held for their lifetime, and fetched anew after it', async () => {
    const secrets = await open(`age:${age}`, { lifetime_ms: 1000 })
    const get = async (): Promise<string> => (await secrets.get('age://stripe/key')).open()
    const seen = [await get()]
    await writeAgeFile(age, new Map([['stripe/key', `${CANARY}-new`]]), recipient)
    now += 999
    seen.push(await get())
    now += 1
    seen.push(await get())
    assert.deepEqual(seen, [CANARY, CANARY, `${CANARY}-new`])
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['credential.fetched', 'credential.rotated'],
    )
    // the old value may still stand in some answer
    assert.equal(secrets.scrub.text(`${CANARY} ${CANARY}-new`), '[secret] [secret]')
  })

  it('are fetched once, however many ask at a time', async () => {
    const secrets = await open(`age:${age}`)
    const all = await Promise.all(Array.from({ length: 100 }, () => secrets.get('age://stripe/key')))
    assert.equal(new Set(all).size, 1)
    assert.equal(events.length, 1)
  })

  it('are served from memory while their source is down, then unavailable; the failure is told once a minute', async () => {
    const secrets = await open(`age:${age}`, { lifetime_ms: 1000 })
    await secrets.get('age://stripe/key')
    await rm(age)
    now += 500
    assert.equal((await secrets.get('age://stripe/key')).open(), CANARY)
    now += 500
    for (let round = 0; round < 3; round++) {
      await assert.rejects(secrets.get('age://stripe/key'), { name: 'SecretUnavailable' })
    }
    now += 60_000
    await assert.rejects(secrets.get('age://stripe/key'), { name: 'SecretUnavailable' })
    const failed = { kind: 'credential.failed', ref: 'age://stripe/key', reason: `${age} does not exist` }
    assert.deepEqual(events, [{ kind: 'credential.fetched', ref: 'age://stripe/key' }, failed, failed])
    await writeAgeFile(age, new Map([['stripe/key', CANARY]]), recipient)
    // nobody waits to hear again what was said a moment ago
    now += 999
    await assert.rejects(secrets.get('age://stripe/key'), { name: 'SecretUnavailable' })
    now += 1
    assert.equal((await secrets.get('age://stripe/key')).open(), CANARY)
  })

  it('are fetched anew once for all whom a backend refused, but not for every 401', async () => {
    const secrets = await open(`age:${age}`)
    const old = await secrets.get('age://stripe/key')
    const fetches = (): number => events.length
    // the backend refuses what the source still says: each look at the source doubles the time to the next
    assert.deepEqual([await secrets.refused(old), fetches()], [false, 2])
    for (const [later_ms, after] of [
      [1999, 2],
      [1, 3],
      [3999, 3],
      [1, 4],
    ] as const) {
      now += later_ms
      assert.deepEqual([await secrets.refused(old), fetches()], [false, after], String(later_ms))
    }
    await writeAgeFile(age, new Map([['stripe/key', `${CANARY}-new`]]), recipient)
    now += 8000
    const all = await Promise.all(Array.from({ length: 50 }, () => secrets.refused(old)))
    assert.deepEqual([all.every(Boolean), fetches()], [true, 5])
    const fresh = await secrets.get('age://stripe/key')
    assert.equal(fresh.open(), `${CANARY}-new`)
    // who was refused with the old one late goes again at once; with the new one it is asked about anew
    assert.deepEqual([await secrets.refused(old), fetches()], [true, 5])
    now += 1000
    assert.deepEqual([await secrets.refused(fresh), fetches()], [false, 6])
    assert.equal(events.filter(({ kind }) => kind === 'credential.rotated').length, 1)
  })

  it('are fetched anew in the background when two thirds of their life are over, and nobody waits', async () => {
    const secrets = await open(`age:${age}`, { lifetime_ms: 900 })
    await secrets.get('age://stripe/key')
    await writeAgeFile(age, new Map([['stripe/key', `${CANARY}-new`]]), recipient)
    now += 599
    await secrets.get('age://stripe/key')
    await sleep(20)
    assert.equal(events.length, 1)
    now += 1
    assert.equal((await secrets.get('age://stripe/key')).open(), CANARY)
    for (let left = 100; events.length < 2 && left > 0; left--) await sleep(10)
    assert.equal((await secrets.get('age://stripe/key')).open(), `${CANARY}-new`)
    assert.equal(events.at(-1)?.kind, 'credential.rotated')
  })

  it('of a policy that is over are forgotten', async () => {
    const secrets = await open(`age:${age},env:`, { environment: { KEY: CANARY } })
    await secrets.get('age://stripe/key')
    await secrets.get('env://KEY')
    await secrets.keep(['env://KEY'])
    await secrets.get('env://KEY')
    assert.equal(events.length, 2)
    await secrets.get('age://stripe/key')
    assert.equal(events.length, 3)
  })

  it('that look live are refused in dev', async () => {
    const environment = { LIVE: ['sk', 'live', 'x'.repeat(24)].join('_'), TEST: CANARY }
    const secrets = await open('env:', { environment, dev: true })
    assert.equal((await secrets.get('env://TEST')).open(), CANARY)
    await assert.rejects(secrets.get('env://LIVE'), {
      name: 'SecretUnavailable',
      message: 'env://LIVE: it looks like a live key, which --dev refuses',
    })
    assert.equal((await (await open('env:', { environment })).get('env://LIVE')).ref, 'env://LIVE')
  })

  it('are forgotten when closed', async () => {
    const secrets = await open(`age:${age}`)
    await secrets.get('age://stripe/key')
    const late = secrets.get('age://stripe/other')
    await secrets.close()
    await assert.rejects(late)
    await assert.rejects(secrets.get('age://stripe/key'), /stopping/)
    assert.equal(secrets.scrub.text(CANARY), '[secret]')
  })
})

describe('what looks like a live key', () => {
  // put together here, so that no scanner takes this file for a leak
  const key = (...parts: string[]): string => parts.join('')
  const many = 'a1B2'.repeat(10)
  const live = [
    [key('sk_', 'live_', many), key('rk_', 'live_', many), key('AKIA', 'ABCDEFGHIJKLMNOP'), key('ghp', '_', many)],
    [key('github', '_pat_', many), key('xox', 'b-', many), key('glpat', '-', many), key('sk-', 'ant-', many)],
    [key('AI', 'za', many), key('user:', 'sk_', 'live_', many), key('hvs', '.', many)],
  ].flat()
  const test = [CANARY, `rk_test_${many}`, 'password', 'alive_and_well', 'task_live_x', '', 'AKIAshort', many]
  for (const value of live) it(`is ${value.slice(0, 10)}…`, () => assert.ok(looksLive(value)))
  for (const value of test) it(`is not ${value.slice(0, 16)}…`, () => assert.ok(!looksLive(value)))
})
