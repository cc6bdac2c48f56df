import { deepEqual, equal, ok } from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { startLying } from '../backends/lying.ts'
import { ROOT } from '../demo/demo.ts'
import { BACKEND_KEY, company } from '../house/company.ts'

describe('the package, packed and installed in an empty folder', function () {
  this.timeout(60_000)
  let folder: string
  let where: Awaited<ReturnType<typeof company>>
  let backend: Awaited<ReturnType<typeof startLying>>

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keystay-package-'))
    backend = await startLying()
    where = await company({ pay: backend.url, shop: backend.url, blind: backend.url })
    const packed = await run('npm', ['pack', '--json', '--pack-destination', folder], ROOT)
    equal(packed.exit, 0, packed.err)
    const [file = ''] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'))
    await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
    // Its optional packages bring a Node of 100 MB; this one is as good.
    const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--omit=optional']
    const installed = await run('npm', ['install', ...quiet, join(folder, file)], folder)
    equal(installed.exit, 0, installed.err)
  })
  after(async () => {
    await backend?.close()
    await where?.remove()
    await rm(folder, { recursive: true, force: true })
  })

  const keystay = (...args: string[]) => run(join(folder, 'node_modules/.bin/keystay'), args, folder)

  it('holds JavaScript and types, and no source, test or policy', async () => {
    const inside = join(folder, 'node_modules/keystay')
    const files = (await readdir(inside, { recursive: true, withFileTypes: true })).filter((one) => one.isFile())
    const names = files.map(({ name, parentPath }) => join(parentPath, name).slice(inside.length + 1))
    deepEqual(
      names
        .filter((name) => !/^(dist\/(gateway|adapters|client)\/.*\.(js|d\.ts)|dist\/console\/.*|[^/]+)$/.test(name))
        .sort(),
      ['docs/policy.schema.json', 'gateway/cli/keystay.mjs'],
    )
    for (const name of [
      'dist/console/index.html',
      'dist/gateway/main.js',
      'dist/gateway/main.d.ts',
      'dist/client/index.d.ts',
      'dist/client/ai.js',
      'dist/gateway/store/writer-worker.js',
      'dist/gateway/store/reading-worker.js',
    ])
      ok(names.includes(name), name)
  })

  it('says its version, which is that of package.json', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    deepEqual(await keystay('--version'), { exit: 0, out: `${version}\n`, err: '' })
  })

  it('checks a policy', async () => {
    equal((await keystay('policy', 'check', '--policies', where.policies)).exit, 0)
    const broken = join(folder, 'broken')
    await mkdir(broken)
    await writeFile(join(broken, 'budgets.yaml'), 'budgets:\n  goodwill: { limit: 2000 USD per day }\n')
    equal((await keystay('policy', 'check', '--policies', broken)).exit, 3)
  })

  it('serves until SIGTERM', async () => {
    const flags = ['--policies', where.policies, '--store', `sqlite:${join(folder, 'data/keystay.db')}`, '--dev']
    const listen = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0']
    const child = spawn(join(folder, 'node_modules/.bin/keystay'), ['serve', ...flags, ...listen], {
      cwd: folder,
      env: environment({ KEYSTAY_TEST_KEY: BACKEND_KEY }),
    })
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
    const heard: string[] = []
    let url = ''
    for await (const line of createInterface(child.stderr)) {
      heard.push(line)
      if (!line.includes('"msg":"serving"')) continue
      url = (JSON.parse(line) as { agents: string }).agents
      break
    }
    ok(url !== '', heard.join('\n'))
    equal((await fetch(`${url}/readyz`)).status, 200)
    child.stderr.resume()
    child.kill('SIGTERM')
    equal(await ended, 0)
  })

  it('can be imported, with its types', async () => {
    const script = `import { serve, StartError, type Running, type ServeOptions } from 'keystay'
const options: Pick<ServeOptions, 'listen' | 'logLevel'> = { listen: '127.0.0.1:0', logLevel: 'warn' }
// @ts-expect-error: a port is text
const wrong: Pick<ServeOptions, 'listen'> = { listen: 8787 }
const start: (options: ServeOptions) => Promise<Running> = serve
console.log(typeof start, StartError.name, options.listen, typeof wrong)
`
    const agent = `import { connect, KeystayError, tokenFile, type Gateway, type Outcome } from 'keystay/client'
const opened: Promise<Gateway> = connect({ url: 'http://127.0.0.1:9', role: 'agent', identity: tokenFile('none'), patience_ms: 0 })
const error = await opened.catch((thrown: unknown) => thrown)
export function read(outcome: Outcome): string {
  if (outcome.status === 'done') return outcome.call
  // @ts-expect-error: only one that is done has an output
  return String(outcome.output)
}
console.log(error instanceof KeystayError && error.message)
`
    await writeFile(join(folder, 'agent.ts'), agent)
    deepEqual((await run(process.execPath, ['agent.ts'], folder)).out, 'The token file none cannot be read (ENOENT).\n')
    await writeFile(join(folder, 'uses.ts'), script)
    const used = await run(process.execPath, ['uses.ts'], folder)
    deepEqual([used.out, used.exit], ['function StartError 127.0.0.1:0 object\n', 0])
    const strict = ['--noEmit', '--strict', '--module', 'nodenext', '--lib', 'esnext,dom', '--types', '']
    const checked = await run(join(ROOT, 'node_modules/.bin/tsc'), [...strict, 'uses.ts', 'agent.ts'], folder)
    deepEqual(checked, { exit: 0, out: '', err: '' })
  })
})

/** The Node of this process, for `#!/usr/bin/env node`, and none of this machine's settings. */
function environment(more: { [name: string]: string } = {}): NodeJS.ProcessEnv {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(KEYSTAY_|npm_)/i.test(name)))
  return { ...clean, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`, NO_COLOR: '1', ...more }
}

function run(file: string, args: readonly string[], cwd: string): Promise<{ exit: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(file, args, { cwd, env: environment() }, (error, out, err) => {
      resolve({ exit: error === null ? 0 : Number(error.code ?? -1), out, err })
    })
  })
}
