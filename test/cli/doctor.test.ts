import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { checkBackends } from '../../gateway/cli/doctor/backends.ts'
import { checkClock, checkNode } from '../../gateway/cli/doctor/machine.ts'
import type { Finding } from '../../gateway/cli/doctor/finding.ts'
import type { BackendSpec } from '../../gateway/core/types.ts'
import { certificateFor } from '../backends/certificate.ts'
import { startLying, type LyingBackend } from '../backends/lying.ts'
import { BACKEND_KEY, company, writePolicies } from '../house/company.ts'
import { house, type House } from '../house/gateway.ts'
import { keystay } from './keystay.ts'

const LIVE = 'rk_live_LooksLiveAndIsNot0123456789'

describe('keystay doctor', () => {
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House | null
  let home: string

  before(async () => {
    pay = await startLying()
    home = await mkdtemp(join(tmpdir(), 'keystay-home-'))
  })
  after(async () => {
    await pay.close()
    await rm(home, { recursive: true })
  })
  beforeEach(async () => {
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    gate = await house(where)
    await gate.call(await gate.token(), 'pay.look', { charge: 'ch_1' })
  })
  afterEach(async () => {
    await gate?.stop()
    await where.remove()
  })
  const stop = async () => {
    await gate?.stop()
    gate = null
  }

  const run = async (more: readonly string[] = [], env: Record<string, string> = {}) => {
    const listen = gate === null ? ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'] : listening(gate)
    const store = `sqlite:${join(where.dir, 'keystay.db')}`
    const ran = await keystay(['doctor', '--policies', where.policies, '--store', store, ...listen, ...more], {
      cwd: where.dir,
      env: { ...cleared(), HOME: home, KEYSTAY_TEST_KEY: BACKEND_KEY, ...env },
    })
    ok(!(ran.out + ran.err).includes(BACKEND_KEY) && !(ran.out + ran.err).includes(LIVE))
    return ran
  }
  const find = async (more: readonly string[] = [], env: Record<string, string> = {}) => {
    const { exit, out } = await run([...more, '--json'], env)
    const { findings } = JSON.parse(out) as { findings: Finding[] }
    for (const { level, fix } of findings) equal(fix === null, level === 'ok')
    return {
      exit,
      findings,
      failed: findings.filter(({ level }) => level === 'fail').map(({ check, message }) => `${check}: ${message}`),
    }
  }

  it('finds nothing to mend beside a running gateway, and says each thing that it looked at', async () => {
    const { exit, findings } = await find()
    deepEqual([exit, findings.filter(({ level }) => level === 'fail')], [0, []])
    deepEqual(
      [...new Set(findings.map(({ check }) => check))],
      ['node', 'clock', 'ports', 'store', 'ledger', 'limits', 'policy', 'secrets', 'backends', 'keys'],
    )
    deepEqual(
      findings.filter(({ check }) => check === 'ports').map(({ message }) => message.replace(/:\d+:/, ':PORT:')),
      ['127.0.0.1:PORT: a gateway answers there', '127.0.0.1:PORT: a gateway answers there'],
    )
    match(findings.find(({ check }) => check === 'ledger')?.message ?? '', /^\d+ entries, checkpoint signed at \d+$/)
    match(
      findings.find(({ check }) => check === 'secrets')?.message ?? '',
      /env:\/\/KEYSTAY_TEST_KEY is in the environment/,
    )
  })

  it('prints one line for each, with one fix under what is not well', async () => {
    await rm(join(where.dir, 'keystay.db.ledger-key'))
    const { exit, out } = await run()
    equal(exit, 1)
    match(out, /^ok {4}node {6}Node \d+/)
    match(
      out,
      /\nfail {2}ledger {4}the key that signed the ledger is not there\n {16}fix: Put its copy back at .*ledger-key\n/,
    )
    match(out, /\n1 to mend, \d+ to look at\.\n$/)
  })

  it('finds a ledger that was tampered with, or is signed by another key', async () => {
    await stop()
    const file = join(where.dir, 'keystay.db')
    const database = new DatabaseSync(file)
    database.exec(`UPDATE entries SET bytes = replace(bytes, '"dev":true', '"dev":null') WHERE idx = 0`)
    database.close()
    deepEqual((await find()).failed, ['ledger: entry 0: content does not match its hash'])
    const other = await house({ ...where, dir: join(where.dir, 'other') })
    await other.stop()
    const { failed } = await find(['--ledger-key', `file://${join(where.dir, 'other', 'keystay.db.ledger-key')}`])
    match(failed.join(), /^ledger: the newest checkpoint does not stand .*another ledger key/)
  })

  it('finds a policy that does not load, a credential that is not there, and a backend that nobody answers for', async () => {
    await stop()
    await writePolicies(where.policies, { 'budgets.yaml': 'budgets:\n  a: { limit: 5 USD per day }\n' })
    match((await find()).failed.join(), /^policy: 1 error; the first at budgets\.yaml:2: /)
    await rm(join(where.policies, 'budgets.yaml'))
    const closed = await freePort()
    const backend = (name: string) =>
      `  ${name}: { adapter: http, url: "http://127.0.0.1:${closed}", private: true, auth: { bearer: "env://NOT_THERE" }, idempotency: { header: K, lives: 24h } }\n`
    await writePolicies(where.policies, {
      'backends.yaml': `backends:\n${['pay', 'shop', 'blind'].map(backend).join('')}`,
    })
    const { exit, failed } = await find()
    const nobody = (name: string) => `backends: ${name} at 127.0.0.1:${closed}: nobody listens there (ECONNREFUSED)`
    deepEqual(
      [exit, failed],
      [1, ['secrets: env://NOT_THERE: the variable is not set', ...['pay', 'shop', 'blind'].map(nobody)]],
    )
  })

  it('reaches backends by the rules that calls keep to, and believes only in certificates that hold', async () => {
    const self = certificateFor(['localhost'])
    const tls = await new Promise<TlsServer>((resolve) => {
      const server = createTlsServer(self).listen(0, '127.0.0.1', () => resolve(server))
    })
    const spec = (name: string, url: string, isPrivate: boolean) =>
      [name, { name, config: { url }, private: isPrivate } as unknown as BackendSpec] as const
    const found = await checkBackends(
      new Map([
        spec('inside', pay.url, false),
        spec('metadata', 'http://169.254.169.254', true),
        spec('untrusted', `https://127.0.0.1:${portOf(tls)}`, true),
        spec('there', pay.url, true),
        spec('nowhere', 'https://nobody.invalid', false),
      ]),
    )
    await new Promise((resolve) => tls.close(resolve))
    deepEqual(
      found.map(({ level }) => level),
      ['fail', 'fail', 'fail', 'ok', 'fail'],
    )
    match(found[0]?.message ?? '', /loopback, which may not be called$/)
    match(found[1]?.message ?? '', /a metadata address, which may not be called$/)
    match(found[2]?.message ?? '', /its certificate does not hold/)
  })

  it('finds a port that another program has, and one that is open to other machines', async () => {
    await stop()
    const other = await new Promise<Server>((resolve) => {
      const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1', () => resolve(server))
    })
    const port = portOf(other)
    const { findings } = await find(['--listen', `127.0.0.1:${port}`, '--admin-listen', `0.0.0.0:${await freePort()}`])
    await new Promise((resolve) => other.close(resolve))
    deepEqual(
      findings
        .filter(({ check }) => check === 'ports')
        .map(({ level, message }) => [level, message.replace(/:\d+/, ':PORT')]),
      [
        ['fail', '127.0.0.1:PORT is in use by another program'],
        ['warn', '0.0.0.0:PORT is open to other machines, and speaks plain HTTP'],
      ],
    )
  })

  it('finds plain-text keys by their names, in the environment, in .env and in files of MCP clients', async () => {
    await stop()
    await mkdir(join(where.dir, '.cursor'))
    await mkdir(join(home, '.codex'), { recursive: true })
    await writeFile(
      join(where.dir, '.env'),
      `# keys\nPORT=80\nexport STRIPE="${LIVE}"\nDB=postgres://app:hunter2hunter2@db/x\n`,
    )
    await writeFile(join(where.dir, '.env.example'), 'API_KEY=put-your-own-key-in-here\n')
    await writeFile(
      join(where.dir, '.cursor', 'mcp.json'),
      JSON.stringify({ a: { env: { HELP_TOKEN: 'abcdef123456789', REF: 'age://x' } } }),
    )
    await writeFile(join(where.dir, '.mcp.json'), JSON.stringify({ b: { args: [`--key=${LIVE}`] } }))
    await writeFile(join(home, '.codex', 'config.toml'), 'api_key = "0123456789abcdef"\nmodel = "x"\n')
    const { findings, exit } = await find([], {
      MY_SECRET_KEY: 'q1w2e3r4t5z6u7',
      NOT_SECRET_TOKEN: '${LATER_ON_SOMEWHERE}',
    })
    deepEqual(
      [exit, findings.filter(({ check }) => check === 'keys').map(({ message }) => message)],
      [
        0,
        [
          'plain-text keys in the environment: KEYSTAY_TEST_KEY, MY_SECRET_KEY',
          `plain-text keys in ${join(where.dir, '.env')}: DB, STRIPE`,
          `plain-text keys in ${join(where.dir, '.mcp.json')}: --key`,
          `plain-text keys in ${join(where.dir, '.cursor/mcp.json')}: HELP_TOKEN`,
          `plain-text keys in ${join(home, '.codex/config.toml')}: api_key`,
        ],
      ],
    )
    await chmod(join(where.dir, 'keystay.db'), 0o644)
    ok((await find()).findings.some(({ check, fix }) => check === 'store' && fix?.startsWith('chmod 600')))
  })

  it('exits 2 for a setting that cannot be used', async () => {
    deepEqual((await run(['--store', 'mysql:x'])).exit, 2)
  })

  it('knows a Node that is too old, and a clock that is behind', () => {
    const now = Date.UTC(2026, 10, 23)
    deepEqual(
      [
        checkNode('20.20.0'),
        checkNode('24.0.0'),
        checkClock(now + 1500, now),
        checkClock(now, now),
        checkClock(null, 0),
      ].map(({ level }) => level),
      ['fail', 'ok', 'fail', 'ok', 'fail'],
    )
  })
})

function listening({ running }: House): string[] {
  const at = (url: string) => new URL(url).host
  return ['--listen', at(running.agentUrl), '--admin-listen', at(running.adminUrl)]
}

/** The keys of whoever runs the tests are not looked at. */
function cleared(): Record<string, string> {
  const names = Object.keys(process.env).filter((name) => /KEY|TOKEN|SECRET|PASS|URL|PROXY/i.test(name))
  return Object.fromEntries(names.map((name) => [name, '']))
}

async function freePort(): Promise<number> {
  const server = await new Promise<Server>((resolve) => {
    const made = createServer().listen(0, '127.0.0.1', () => resolve(made))
  })
  const port = portOf(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}
