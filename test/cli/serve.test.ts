import { deepEqual, equal, match } from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { makeKeys, writeKeys } from '../../deploy/demo/keys.ts'
import { prepareDemo, startProcess, type Demo } from '../demo/demo.ts'
import { keystay } from './keystay.ts'

describe('keystay serve', () => {
  let demo: Demo
  let secrets: string
  const serve = () =>
    startProcess(['gateway/cli/main.ts', 'serve'], { ...demo.env, KEYSTAY_SECRETS: secrets, KEYSTAY_DEV: '1' })

  before(async () => {
    demo = await prepareDemo()
    secrets = await writeKeys(join(demo.folder, 'secrets.age'), makeKeys())
  })
  after(() => demo.remove())

  it('serves until SIGTERM, and goes on with the same ledger at the next start', async () => {
    for (const [round, says] of [
      [1, ['made a key that signs the ledger', 'serving', 'stopping']],
      [2, ['serving', 'stopping']],
    ] as const) {
      const gateway = serve()
      const url = demo.env['KEYSTAY_URL'] ?? ''
      const answers = () =>
        fetch(`${url}/readyz`).then(
          ({ status }) => status === 200,
          () => false,
        )
      for (let left = 200; left > 0 && !(await answers()); left--) await new Promise((done) => setTimeout(done, 50))
      equal((await keystay(['session', 'list', '--as', 'dana'], { env: demo.env })).out, 'No live sessions.\n')
      gateway.process.kill('SIGTERM')
      equal(await gateway.ended, 0)
      const lines = gateway.err().trimEnd().split('\n')
      const said = lines.map((line) => JSON.parse(line) as { msg: string; policy?: string; agents?: string })
      deepEqual(
        said.map(({ msg }) => msg.split(':')[0]),
        says,
      )
      const serving = said.find(({ msg }) => msg === 'serving')
      equal(serving?.agents, url)
      match(serving?.policy ?? '', /^sha256:[0-9a-f]{64}$/)
      const verified = await keystay(['ledger', 'verify', '--json'], { env: demo.env })
      const { ok, entries, effects } = JSON.parse(verified.out) as { ok: boolean; entries: number; effects: number }
      deepEqual([ok, entries >= 4 * round - 1, effects], [true, true, 0])
    }
  })

  it('names the port that is in use, and exits 2', async () => {
    const taken = createServer()
    const port = Number(/\d+$/.exec(demo.env['KEYSTAY_ADMIN_LISTEN'] ?? '')?.[0])
    await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve))
    const gateway = serve()
    const exit = await gateway.ended
    await new Promise((resolve) => taken.close(resolve))
    equal(exit, 2)
    match(
      gateway.err(),
      new RegExp(
        `keystay: Port ${port} is in use by another program\\. Stop that program, or give --admin-listen another port\\.\n$`,
      ),
    )
  })

  it('exits 2 where a credential cannot be had, naming it and no value', async () => {
    const gateway = startProcess(['gateway/cli/main.ts', 'serve', '--secrets', 'env:'], demo.env)
    equal(await gateway.ended, 2)
    match(gateway.err(), /age:\/\/(stripe\/restricted_key|orders\/write_key)/)
  })

  it('exits 7 where the end of the ledger was cut off, in one sentence, and 2 where the store is none', async () => {
    const file = (demo.env['KEYSTAY_STORE'] ?? '').replace('sqlite:', '')
    const database = new DatabaseSync(file)
    database.exec('DELETE FROM entries WHERE idx = (SELECT max(idx) FROM entries)')
    database.close()
    const broken = serve()
    equal(await broken.ended, 7)
    match(
      broken.err(),
      /(?:^|\n)keystay: Nothing was started: the last entries that were signed are not those that are there.*\n$/,
    )
    await writeFile(
      file,
      'no database, but some text that is as long as the head of one would be, and longer than that.',
    )
    const none = serve()
    equal(await none.ended, 2)
    match(none.err(), /(?:^|\n)keystay: [^\n]*not a database[^\n]*\n$/)
  })

  it('exits 3 for a policy with errors, and shows their lines', async () => {
    await writeFile(join(demo.policies, 'budgets.yaml'), 'budgets:\n  goodwill: { limit: 2000 USD per day }\n')
    const gateway = serve()
    equal(await gateway.ended, 3)
    match(gateway.err(), /budgets\.yaml:2:\d+: error: /)
  })
})

describe('keystay ledger', () => {
  for (const [name, args, says] of [
    ['a store that is not there', ['verify', '--store', 'sqlite:/nowhere/x.db'], 'there is no store at /nowhere/x.db'],
    ['a store that is none', ['verify', '--store', `sqlite:${import.meta.filename}`], ''],
    ['a kind of store that is none', ['verify', '--store', '/nowhere/x.db'], 'write sqlite:FILE'],
    [
      'an export without the key that must have signed',
      ['verify', '--export', '/nowhere'],
      'The key.pub inside the export proves nothing',
    ],
    [
      'a key that is not there',
      ['verify', '--export', '/nowhere', '--public-key', '/nowhere'],
      'cannot be read (ENOENT)',
    ],
    [
      'an export that is not there',
      ['verify', '--export', '/nowhere', '--public-key', import.meta.filename],
      'it is no export of a ledger',
    ],
    [
      'two things to check at once',
      ['verify', '--store', 'sqlite:/nowhere/x.db', '--export', '/nowhere', '--public-key', import.meta.filename],
      'Say one of --store, --export and --proof',
    ],
  ] as const) {
    it(`exits 2 for ${name}`, async () => {
      const { exit, out, err } = await keystay(['ledger', ...args])
      deepEqual([exit, out, err.includes(says) ? says : err], [2, '', says])
    })
  }
})
