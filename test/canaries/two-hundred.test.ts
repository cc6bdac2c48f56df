import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { keystay } from '../cli/keystay.ts'
import type { Ran } from '../cli/keystay.ts'
import { startProcess } from '../demo/demo.ts'
import { FORMS, searcher } from './canaries.ts'
import type { Found } from './canaries.ts'
import { startTown } from './town.ts'
import type { Town } from './town.ts'
import { visit } from './visit.ts'
import type { Heard } from './visit.ts'

describe('of two hundred secrets in a gateway whose backends repeat whatever they are shown', function () {
  this.timeout(60_000)
  let town: Town
  let heard: Heard[]
  let token: string
  let doctors: Promise<readonly Ran[]>
  before(async () => {
    town = await startTown('throw')
    const args = [
      'doctor',
      '--listen',
      '127.0.0.1:0',
      '--admin-listen',
      '127.0.0.1:0',
      '--store',
      `sqlite:${town.dir}/none.db`,
    ]
    doctors = Promise.all([args, [...args, '--json']].map((one) => keystay(one, { env: town.env })))
    const visited = await visit(town, 1)
    heard = visited.heard
    token = visited.token
  })
  after(() => town?.close())

  const found = (said: readonly Heard[]): readonly Found[] => {
    const search = searcher(town.canaries)
    return said.flatMap(({ where, bytes }) => search(where, bytes))
  }
  const none = (said: readonly Heard[]): void => {
    const all = found(said)
    assert.deepEqual(all.slice(0, 5), [], `${all.length} found`)
  }

  it('each was shown to its backend, by every adapter: there was something to hide', () => {
    const shown = town.shown()
    // a lease that doctor asked for was shown to nobody
    const kept = town.canaries.filter(
      ({ name, value }) => / b\d+$/.test(name) || (name.startsWith('lease') && shown.has(value)),
    )
    assert.deepEqual(
      kept.filter(({ value }) => !shown.has(value)),
      [],
    )
    assert.ok(town.canaries.length >= 200 && kept.length === town.backends.length, `${town.canaries.length}`)
    assert.ok(Object.keys(FORMS).length >= 12)
    assert.ok(heard.some(({ bytes }) => bytes.includes('[secret]')))
  })

  it('none is in any answer to an agent or a person: calls, stories, exports, metrics, OpenAPI, MCP', () => none(heard))

  it('none is in what doctor prints, which fetches each of them', async () => {
    const [text, json] = await doctors
    assert.match(text?.out ?? '', /every credential|in the environment/)
    assert.ok(JSON.parse(json?.out ?? ''))
    none([text, json].map((ran, n) => ({ where: `doctor ${n}`, bytes: Buffer.from(`${ran?.out}\n${ran?.err}`) })))
  })

  it('none, and no token, is in the environment, the arguments or the files of who uses a session', async () => {
    const { KEYSTAY_URL = '', KEYSTAY_ADMIN_URL = '', HOME = '' } = town.env
    const args = ['gateway/cli/main.ts', 'session', 'start', '--role', 'user', '--as', 'bot', '--json']
    const agent = startProcess(args, { KEYSTAY_URL, KEYSTAY_ADMIN_URL, HOME, XDG_STATE_HOME: HOME })
    const out = await agent.until('\n')
    const { url } = JSON.parse(out) as { url: string }
    const answer = await fetch(`${url}/v1/actions/use.b1`, {
      method: 'POST',
      body: '{"place":0,"form":0}',
      headers: { 'content-type': 'application/json' },
    })
    const proc = `/proc/${agent.process.pid}`
    const seen: Heard[] = [
      { where: 'its output', bytes: Buffer.from(`${out} ${agent.err()}`) },
      { where: 'an answer', bytes: Buffer.from(`${await answer.text()} ${JSON.stringify([...answer.headers])}`) },
    ]
    for (const name of ['environ', 'cmdline', 'comm']) {
      if (process.platform === 'linux') seen.push({ where: name, bytes: await readFile(join(proc, name)) })
    }
    for (const name of await readdir(HOME, { recursive: true }).catch(() => []))
      seen.push({ where: `its files: ${name}`, bytes: await readFile(join(HOME, name)).catch(() => Buffer.alloc(0)) })
    agent.process.kill('SIGTERM')
    assert.equal(await agent.ended, 0)
    none(seen)
    for (const { where, bytes } of seen) assert.doesNotMatch(bytes.toString('latin1'), /kst_|eyJ[\w-]{10}/, where)
  })

  it('none is in the last words of its crash, its log at level debug, or any byte on its disk', async () => {
    assert.equal(await town.crash(), 1)
    const written = await town.written()
    const log = written.find(({ where }) => where === 'said.err')?.bytes.toString() ?? ''
    assert.match(log, /a warning of the runtime/)
    assert.match(log, /an error that nobody caught; the gateway ends/)
    assert.ok(['keystay.db', 'keystay.db-wal'].every((name) => written.some(({ where }) => where === name)))
    none(written)
    for (const { where, bytes } of written)
      assert.doesNotMatch(bytes.toString('latin1'), /eyJ[\w-]{20,}\.eyJ[\w-]{20,}/, `a proof is in ${where}`)
    const proofs = searcher([{ name: 'a session’s token', value: token.replace(/^kst_/, '') }])
    assert.deepEqual(
      written.flatMap(({ where, bytes }) => proofs(where, bytes)),
      [],
    )
  })
})
