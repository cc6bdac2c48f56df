import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startLoopback, type Loopback } from '../../gateway/cli/loopback.ts'
import { renewIn_ms } from '../../gateway/cli/run/hold.ts'
import { strip } from '../../gateway/cli/run/strip.ts'
import { startProcess, type Started } from '../demo/demo.ts'
import { company } from '../house/company.ts'
import { house, type House } from '../house/gateway.ts'
import { startContractServer, type ContractServer } from './contract-server.ts'
import { keystay } from './keystay.ts'

/** By name, by the shape of the value, by secretlint alone. */
const CANARIES = {
  ACME_API_KEY: 'canary-one-0001',
  DB_PASSWORD: 'canary-two-0002',
  PGPASSWORD: 'canary-three-03',
  AWS_SECRET_ACCESS_KEY: 'canary-four-0004',
  AWS_PROFILE: 'canary-five-0005',
  DATABASE_URL: 'postgres://app:canary-six-0006@db.acme.example/app',
  PAYMENTS: 'sk_live_canarySeven0007',
  CHAT: 'xoxb-123456789012-canaryEight08',
  SIGNED: 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnktbmluZSJ9.canary-nine-0009',
  PEM: '-----BEGIN PRIVATE KEY-----\ncanary-ten-0010\n-----END PRIVATE KEY-----',
  KEYSTAY_PERSON_TOKEN: 'canary-eleven-11',
  KEYSTAY_AGE_IDENTITY: 'AGE-SECRET-KEY-1CANARYTWELVE0012',
  SSH_AUTH_SOCK: '/tmp/canary-thirteen',
}
const VALUES = ['canary', 'kst_', 'CANARY']

describe('keystay run', function () {
  this.timeout(30_000)
  let gateway: House
  let folder: string
  let home: string
  let remove: () => Promise<void>
  const begun: Started[] = []
  const scenarios: [title: string, scenario: () => Promise<void>, done: PromiseWithResolvers<void>][] = []
  const together = (title: string, scenario: () => Promise<void>): void => {
    const done = Promise.withResolvers<void>()
    done.promise.catch(() => {})
    scenarios.push([title, scenario, done])
  }
  before(async () => {
    const where = await company({ pay: 'http://127.0.0.1:9', shop: 'http://127.0.0.1:9', blind: 'http://127.0.0.1:9' })
    remove = where.remove
    gateway = await house(where)
    home = await mkdtemp(join(tmpdir(), 'keystay-run-'))
    folder = await mkdtemp(join(tmpdir(), 'keystay-run-'))
    // Three at a time: most of their time is waiting.
    const waiting = [...scenarios]
    const lane = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [, scenario, done] = next
        await scenario().then(done.resolve, done.reject)
      }
    }
    for (let at = 0; at < 3; at++) void lane()
  })
  after(async () => {
    await Promise.allSettled(scenarios.map(([, , done]) => done.promise))
    // What a failed test left running.
    for (const one of begun) one.process.kill('SIGKILL')
    await Promise.all(begun.map((one) => one.ended))
    await gateway.stop()
    await remove()
    for (const one of [folder, home]) await rm(one, { recursive: true, force: true })
  })

  const run = (options: readonly string[], script: string, env: Record<string, string> = {}): Started => {
    const started = startProcess(
      ['gateway/cli/main.ts', 'run', '--role', 'agent', ...options, '--', process.execPath, '-e', PRELUDE + script],
      { KEYSTAY_URL: gateway.running.agentUrl, KEYSTAY_ADMIN_URL: gateway.running.adminUrl, HOME: home, ...env },
    )
    begun.push(started)
    return started
  }
  const sessions = async (): Promise<SessionSeen[]> =>
    (await gateway.admin('dana', 'GET', '/admin/v1/sessions')).body.sessions
  /** @returns how long it took, ms. */
  const over = async (session: string, reason: string): Promise<number> => {
    for (const began = performance.now(); ; await sleep(25)) {
      const one = (await sessions()).find((candidate) => candidate.session === session)
      const passed = performance.now() - began
      if (one?.ended_reason === reason) return passed
      ok(passed < 5_000, `${session} is ${one?.ended_reason ?? 'live'} after ${Math.round(passed)} ms`)
    }
  }

  together(
    'is where the client and the verbs of agents need no identity: they are in the session that is held',
    async () => {
      const started = run([], WITHIN)
      const [seen] = (await started.until('\n', 30_000)).split('\n')
      const { session, actions, other, types, call, gone } = JSON.parse(seen ?? '')
      equal(await started.ended, 0)
      deepEqual([session.startsWith('ses_'), actions.includes('pay.refund')], [true, true])
      match(other, /holds the role agent, not bank/)
      match(types, /pay\.refund/)
      deepEqual([call.exit, JSON.parse(call.out).code, gone], [5, 'not_granted', 'closed'])
      equal((await sessions()).filter(({ session: id }) => id === session)[0]?.ended_reason, 'logout')
    },
  )

  together('renews on the same lineage before the session is over, and the agent notices nothing', async () => {
    const started = run(['--ttl', '5'], RENEWED)
    const seen = JSON.parse(await started.until('\n', 30_000)) as {
      first: SessionSeen
      later: SessionSeen
      bad: number
    }
    equal(seen.bad, 0)
    deepEqual([seen.later.lineage, seen.later.session === seen.first.session], [seen.first.session, false])
    equal(await started.ended, 0)
    await over(seen.first.session, 'renewed')
    await over(seen.later.session, 'logout')
  })

  together(
    'gives the agent an address and no credential: not in its environment, /proc, arguments, files or on disk',
    async () => {
      const keep = ['--keep', 'GIT_TOKEN', '--keep', 'NO_SUCH_KEY']
      const env = { ...CANARIES, GIT_TOKEN: 'left-as-told', PLAIN: 'setting', HTTPS_PROXY: 'http://127.0.0.1:9' }
      const started = run(
        keep,
        `say({ env: process.env, fds: fds(), session: await get('/v1/session'), tools: await tools() }); await stdin()`,
        env,
      )
      const seen = JSON.parse(await started.until('\n')) as Seen
      const { KEYSTAY_URL = '', KEYSTAY_MCP_URL, NO_PROXY, no_proxy, GIT_TOKEN, PLAIN } = seen.env
      match(KEYSTAY_URL, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}$/)
      deepEqual(
        [KEYSTAY_MCP_URL, NO_PROXY, no_proxy, GIT_TOKEN, PLAIN],
        [`${KEYSTAY_URL}/mcp`, '127.0.0.1', '127.0.0.1', 'left-as-told', 'setting'],
      )
      deepEqual(
        Object.keys(seen.env)
          .filter((name) => name.startsWith('KEYSTAY_'))
          .sort(),
        ['KEYSTAY_MCP_URL', 'KEYSTAY_URL'],
      )
      deepEqual(
        Object.keys(CANARIES).filter((name) => seen.env[name] !== undefined),
        [],
      )
      equal(seen.session.role, 'agent')
      // An MCP client that knows nothing of us but the address.
      ok(seen.tools.includes('pay_refund'), String(seen.tools))
      // The agent, the wrapper that started it, and the watcher beside that: what any of the same user can read.
      const pids = await family(started.process.pid ?? 0)
      equal(pids.length, 3)
      for (const pid of pids) {
        for (const file of ['environ', 'cmdline']) {
          const text = await readFile(`/proc/${pid}/${file}`, 'utf8')
          deepEqual(
            VALUES.filter((value) => text.includes(value)),
            [],
            `${file} of ${pid}: ${text}`,
          )
        }
      }
      deepEqual(
        seen.fds.filter((one) => !/^(\/dev\/|pipe:|anon_inode:|socket:|\/proc\/)/.test(one)),
        [],
      )
      started.process.stdin?.end('7')
      equal(await started.ended, 7)
      const said = started.err()
      for (const name of Object.keys(CANARIES)) ok(said.includes(`${name} (`), name)
      match(said, /LEFT IN its environment, as --keep says: GIT_TOKEN \(named like a token\)/)
      match(said, /--keep names what is not there: NO_SUCH_KEY/)
      deepEqual(
        VALUES.filter((value) => (said + started.out()).includes(value)),
        [],
      )
      deepEqual(await readdir(home), [])
      await over(seen.session.session, 'logout')
    },
  )

  together(
    'ends the session within 5 s of kill -9 of the agent, says 137, and had handed it no open file',
    async () => {
      const secret = join(folder, 'secret')
      await writeFile(secret, 'canary')
      const line = `exec 9<${secret} 200<${secret}; exec "$0" gateway/cli/main.ts run --role agent -- "$0" -e '${PRELUDE}${AGENT}'`
      const started = startShell(line, gateway)
      begun.push(started)
      const { session, pid, fds } = JSON.parse(await started.until('\n')) as Hello
      process.kill(pid, 'SIGKILL')
      await over(session, 'logout')
      equal(await started.ended, 137)
      deepEqual([fds.length > 2, fds.includes(secret)], [true, false])
    },
  )

  together('ends the session, the agent and what that started within 5 s of kill -9 of itself', async () => {
    const started = run([], PARENT)
    const { session, pid, child } = JSON.parse(await started.until('\n')) as Hello
    started.process.kill('SIGKILL')
    await over(session, 'logout')
    await gone([pid, child])
  })

  together('does so too when the process that watches was killed before it', async () => {
    const started = run([], AGENT)
    const { session, pid } = JSON.parse(await started.until('\n')) as Hello
    const wrapper = started.process.pid ?? 0
    const watcher = (await family(wrapper)).find((one) => one !== wrapper && one !== pid) ?? 0
    process.kill(watcher, 'SIGKILL')
    for (const began = performance.now(); performance.now() - began < 5_000; await sleep(25)) {
      const now = await family(wrapper)
      if (now.length === 3 && !now.includes(watcher)) break
    }
    // It is there before it is told: killed both at one instant, nobody ends the session, and nobody has its token.
    await sleep(500)
    started.process.kill('SIGKILL')
    await over(session, 'logout')
    await gone([pid])
  })

  together('passes signals on, and the exit code back', async () => {
    const trap = "process.on('SIGTERM', () => process.exit(41)); process.on('SIGUSR1', () => say({ got: 1 }));"
    const started = run([], trap + AGENT)
    const { session } = JSON.parse(await started.until('\n')) as Hello
    started.process.kill('SIGUSR1')
    await started.until('got')
    started.process.kill('SIGTERM')
    equal(await started.ended, 41)
    await over(session, 'logout')
  })

  together(
    'says as one line of JSON what it took, and what could not be started with 127, and leaves no session',
    async () => {
      const env = {
        KEYSTAY_URL: gateway.running.agentUrl,
        KEYSTAY_ADMIN_URL: gateway.running.adminUrl,
        X_TOKEN: 'canary-1',
      }
      const ran = await keystay(['run', '--role', 'agent', '--json', '--', 'no-such-command', '--json'], { env })
      deepEqual([ran.exit, ran.out], [127, ''])
      const [report = '', said] = ran.err.split('\n')
      const { session, stripped, ...rest } = JSON.parse(report) as { session: string; stripped: { name: string }[] }
      deepEqual(rest, { role: 'agent', expires_in: 7200, kept: [] })
      ok(stripped.some(({ name }) => name === 'X_TOKEN'))
      equal(said, 'keystay: no-such-command: there is no such command.')
      await over(session, 'logout')
    },
  )

  together('warns where a person’s sign-in lies about for the agent to read', async () => {
    const state = await mkdtemp(join(tmpdir(), 'keystay-run-'))
    const file = join(state, 'keystay', 'sign-in.json')
    await mkdir(join(state, 'keystay'))
    await writeFile(file, '{}', { mode: 0o600 })
    const started = run([], '', { XDG_STATE_HOME: state })
    equal(await started.ended, 0)
    match(started.err(), new RegExp(`${file} holds a person's sign-in`))
    await rm(state, { recursive: true })
  })

  together('starts nothing without a session', async () => {
    const env = { KEYSTAY_URL: gateway.running.agentUrl, KEYSTAY_ADMIN_URL: gateway.running.adminUrl }
    const { exit, out, err } = await keystay(['run', '--role', 'nobody', '--', 'echo', 'started'], { env })
    deepEqual([exit, out, /knows no such role/.test(err)], [2, '', true])
  })

  for (const [title, , { promise }] of scenarios) it(title, () => promise)
})

/** The client by its own name, as an agent imports it, and two verbs. */
const WITHIN = `
const { connect } = await import(${JSON.stringify(new URL('../../client/index.ts', import.meta.url).href)})
const url = process.env.KEYSTAY_URL
const gw = await connect({ url, role: 'agent' })
const { session } = gw
const actions = (await gw.actions()).map(({ name }) => name)
const other = await connect({ url, role: 'bank' }).catch(({ message }) => message)
await gw.close()
const gone = await gw.actions().catch(({ code }) => code)
const { execFile } = await import('node:child_process')
const verb = (...args) => new Promise((done) => execFile(process.execPath, ['gateway/cli/main.ts', ...args], (error, out) => done({ exit: error?.code ?? 0, out })))
const types = (await verb('types', '--role', 'agent')).out
const call = await verb('call', 'no.such', '--role', 'agent', '--json')
console.log(JSON.stringify({ session, actions, other, types, call, gone }))
`

describe('what run takes out of an environment', () => {
  it('is named, never shown, and everything else stays', async () => {
    const { environment, stripped, kept } = await strip({ ...CANARIES, PATH: '/bin', TERM: 'xterm', EMPTY_TOKEN: '' }, [
      'DB_PASSWORD',
    ])
    deepEqual(environment, { PATH: '/bin', TERM: 'xterm', EMPTY_TOKEN: '', DB_PASSWORD: CANARIES.DB_PASSWORD })
    deepEqual(
      stripped.map(({ name }) => name),
      Object.keys(CANARIES)
        .filter((name) => name !== 'DB_PASSWORD')
        .sort(),
    )
    deepEqual(kept, [{ name: 'DB_PASSWORD', kind: 'named like a password' }])
    ok(!JSON.stringify({ stripped, kept }).toLowerCase().includes('canary'))
  })
})

describe('a renewal', () => {
  it('comes at two thirds of a life, a tenth of that more or less', () => {
    deepEqual(
      [0, 0.5, 0.999].map((random) => renewIn_ms(3600, random)),
      [2_160_000, 2_400_000, 2_639_520],
    )
  })
})

describe('the address of a run', () => {
  let gateway: ContractServer
  let path: Loopback
  let key: Loopback
  before(async () => {
    gateway = await startContractServer()
    const options = { gateway: gateway.url, token: () => 'kst_test' }
    path = await startLoopback({ ...options, nonce: { value: 'once', in: 'path' } })
    key = await startLoopback({ ...options, nonce: { value: 'sk_test_once', in: 'authorization' } })
  })
  after(() => Promise.all([gateway.close(), path.close(), key.close()]))
  beforeEach(() => void (gateway.asked.length = 0))

  for (const [name, where, headers, status] of [
    ['the nonce', '/once/v1/actions', {}, 200],
    [
      'the nonce, and a key that a client must send',
      '/once/v1/actions',
      { authorization: 'Bearer sk_test_other' },
      200,
    ],
    ['no nonce', '/v1/actions', {}, 403],
    ['another nonce', '/0nce/v1/actions', {}, 403],
    ['half a nonce', '/onc/v1/actions', {}, 403],
    ['the nonce and more', '/oncee/v1/actions', {}, 403],
    ['the nonce elsewhere', '/v1/once/actions', {}, 403],
    ['the nonce in a query', '/?once/v1/actions', {}, 403],
    ['the nonce, encoded', '/%6fnce/v1/actions', {}, 403],
    ['the nonce and a rebound name', '/once/v1/actions', { host: 'evil.example' }, 403],
    ['the nonce on a page', '/once/v1/actions', { origin: 'https://evil.example' }, 403],
    ['the nonce and what mints tokens', '/once/oauth/token', {}, 403],
    ['the nonce and a path that climbs', '/once/v1/../oauth/token', {}, 403],
    ['the nonce and a second slash', '/once//v1/actions', {}, 403],
    ['the nonce alone', '/once', {}, 403],
  ] as const) {
    it(`${status === 200 ? 'forwards' : 'refuses'} ${name}`, async () => {
      equal(await ask(path.url, where, headers), status)
      deepEqual(gateway.asked, status === 200 ? ['GET /v1/actions kst_test'] : [])
    })
  }

  for (const [name, authorization, status] of [
    ['its key', 'Bearer sk_test_once', 200],
    ['another key', 'Bearer sk_test_0nce', 403],
    ['a session’s token', 'Bearer kst_test', 403],
    ['nothing', undefined, 403],
  ] as const) {
    it(`${status === 200 ? 'forwards' : 'refuses'} a client that brings ${name} where no path can be said`, async () => {
      equal(await ask(key.url, '/v1/actions', authorization === undefined ? {} : { authorization }), status)
      deepEqual(gateway.asked, status === 200 ? ['GET /v1/actions kst_test'] : [])
    })
  }
})

/** fetch does not let a test choose Host. */
function ask(base: string, path: string, headers: Record<string, string>): Promise<number> {
  const { hostname, port } = new URL(base)
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, headers }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', reject)
    sent.end()
  })
}

interface SessionSeen {
  readonly session: string
  readonly role: string
  readonly lineage: string
  readonly ended_reason: string | null
}
interface Seen {
  readonly env: Record<string, string>
  readonly fds: readonly string[]
  readonly tools: readonly string[]
  readonly session: SessionSeen
}
interface Hello {
  readonly fds: readonly string[]
  readonly session: string
  readonly pid: number
  readonly child: number
}

/** What agents of these tests are made of; no single quote in it, so that a shell can hold it. */
const PRELUDE = `
const fs = process.getBuiltinModule("node:fs");
const say = (value) => console.log(JSON.stringify(value));
const get = async (path) => { const answered = await fetch(process.env.KEYSTAY_URL + path); return answered.json() };
const fds = () => fs.readdirSync("/proc/self/fd").flatMap((fd) => { try { return [fs.readlinkSync("/proc/self/fd/" + fd)] } catch { return [] } });
const tools = async () => {
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const client = new Client({ name: "test", version: "1" });
  await client.connect(new StreamableHTTPClientTransport(new URL(process.env.KEYSTAY_MCP_URL)));
  const { tools } = await client.listTools(); await client.close(); return tools.map((one) => one.name);
};
const stdin = async () => { let text = ""; for await (const chunk of process.stdin) text += chunk; process.exitCode = Number(text) };
`
const AGENT = `say({ session: (await get("/v1/session")).session, pid: process.pid, fds: fds() }); setInterval(() => {}, 1000)`
const PARENT = `
const child = process.getBuiltinModule('node:child_process').spawn('sleep', ['60'], { detached: true });
process.on('SIGTERM', () => {});
say({ session: (await get('/v1/session')).session, pid: process.pid, child: child.pid }); setInterval(() => {}, 1000)`
const RENEWED = `
const first = await get('/v1/session'); let later = first; let bad = 0;
for (let at = 0; at < 160 && later.session === first.session; at++) {
  await new Promise((resolve) => setTimeout(resolve, 50)); later = await get('/v1/session'); if (!later.session) bad++
}
say({ first, later, bad })`

function startShell(line: string, gateway: House): Started {
  const script = `require("node:child_process").spawn("bash", ["-c", process.argv[1], process.execPath], { stdio: "inherit" }).on("exit", (code) => process.exit(code))`
  return startProcess(['-e', script, line], {
    KEYSTAY_URL: gateway.running.agentUrl,
    KEYSTAY_ADMIN_URL: gateway.running.adminUrl,
  })
}

/** A process and its children. */
async function family(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return [pid, ...children.trim().split(/\s+/).filter(Boolean).map(Number)]
}

async function gone(pids: readonly number[]): Promise<void> {
  for (const began = performance.now(); ; await sleep(25)) {
    const left = pids.filter(isThere)
    if (left.length === 0) return
    ok(performance.now() - began < 5_000, `${left.join()} go on`)
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
