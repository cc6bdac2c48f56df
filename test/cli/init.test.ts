import { deepEqual, equal, match } from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProcess } from '../demo/demo.ts'
import { keystay } from './keystay.ts'

describe('keystay init', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keystay-init-'))
  })
  after(() => rm(folder, { recursive: true }))
  const run = (args: readonly string[], stdin = '') =>
    keystay(args, { cwd: folder, stdin, env: { KEYSTAY_SECRETS: 'age:./data/secrets.age' } })

  it('writes a company that policy check and policy test have nothing to say about', async () => {
    const written = await run(['init', 'company', '--json'])
    const { files, next } = JSON.parse(written.out) as { files: string[]; next: string[] }
    deepEqual(
      [...files].sort(),
      (await readdir(join(folder, 'company'), { recursive: true })).filter((name) => /\.\w+$/.test(name)).sort(),
    )
    equal(next.at(-1), 'keystay serve --dev --policies company --secrets age:./data/secrets.age')
    const checked = await run(['policy', 'check', '--policies', 'company'])
    deepEqual([checked.exit, checked.err], [0, ''])
    match(checked.out, /^ok: 1 role, 1 action, sha256:/)
    const tested = await run(['policy', 'test', '--policies', 'company'])
    deepEqual([tested.exit, tested.err], [0, ''])
    match(tested.out, /^ok: 5 cases of 1 role/)
  })

  it('says the steps that lead to a running gateway', async () => {
    equal((await run(['secrets', 'set', 'payments/api_key'], 'sk_test_of_the_starter')).exit, 0)
    const gateway = startProcess(['gateway/cli/main.ts', 'serve', '--dev'], {
      KEYSTAY_LISTEN: '127.0.0.1:0',
      KEYSTAY_ADMIN_LISTEN: '127.0.0.1:0',
      KEYSTAY_POLICIES: join(folder, 'company'),
      KEYSTAY_STORE: `sqlite:${join(folder, 'data', 'keystay.db')}`,
      KEYSTAY_SECRETS: `age:${join(folder, 'data', 'secrets.age')}`,
    })
    for (let left = 200; left > 0 && !gateway.err().includes('127.0.0.1:'); left--)
      await new Promise((done) => setTimeout(done, 50))
    gateway.process.kill('SIGTERM')
    equal(await gateway.ended, 0, gateway.err())
  })

  it('overwrites nothing', async () => {
    const before = await readFile(join(folder, 'company', 'backends.yaml'), 'utf8')
    await rm(join(folder, 'company', 'identity.yaml'))
    const again = await run(['init', 'company'])
    deepEqual([again.exit, again.out], [2, ''])
    match(again.err, /company has backends\.yaml, actions.* already; nothing was written/)
    deepEqual(
      [
        (await readdir(join(folder, 'company'))).sort(),
        await readFile(join(folder, 'company', 'backends.yaml'), 'utf8'),
      ],
      [['actions', 'backends.yaml', 'prompts', 'roles'], before],
    )
    await writeFile(join(folder, 'file'), '')
    const inFile = await run(['init', 'file'])
    deepEqual([inFile.exit, /cannot be written/.test(inFile.err)], [2, true])
  })
})
