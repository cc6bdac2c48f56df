import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { startProcess } from '../demo/demo.ts'
import type { Started } from '../demo/demo.ts'
import { company } from '../house/company.ts'
import { entriesOf } from '../house/entries.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { browser } from '../identity/browser.ts'
import { realIssuer } from '../identity/real-issuer.ts'
import type { RealIssuer } from '../identity/real-issuer.ts'
import { keystay } from './keystay.ts'

const FILES = (url: string) => ({
  'identity.yaml': `issuers:
  staff: { oidc: "${url}", client_id: keystay-console, scope: openid profile, person: claims.sub, name: claims.name, groups: claims.groups }
groups: { finance: { issuer: staff, where: '"finance" in groups' } }
people: { view: [finance] }
`,
  'roles/agent.yaml': `role: agent
describe: Looks at charges.
issue_to: [{ group: finance }]
grants: { pay.look: }
`,
})

describe('people at a terminal', function () {
  this.timeout(30_000)
  let issuer: RealIssuer
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let env: { [name: string]: string }
  /** Both wait five seconds between polls: they do so beside the first test. */
  let device: Started
  let held: Started

  before(async () => {
    issuer = await realIssuer({ people: { dana: { name: 'Dana', groups: ['finance'] } }, workloads: {} })
    issuer.as('dana')
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, FILES(issuer.url))
    gate = await house(where, { dev: false })
    const { agentUrl, adminUrl } = gate.running
    env = { XDG_STATE_HOME: where.dir, KEYSTAY_URL: agentUrl, KEYSTAY_ADMIN_URL: adminUrl, NO_COLOR: '1', TZ: 'UTC' }
    device = start({ XDG_STATE_HOME: join(where.dir, 'other') }, 'login', '--device', '--json')
    held = start({}, 'session', 'start', '--role', 'agent', '--device', '--json')
    await Promise.all([approveAtIssuer(), approveAtGateway()])
  })
  after(async () => {
    await gate?.stop()
    await issuer?.stop()
    await pay?.close()
    await where?.remove()
  })
  const start = (more: { [name: string]: string }, ...args: string[]) =>
    startProcess(['gateway/cli/main.ts', ...args], { ...env, ...more })
  const approveAtIssuer = async () => {
    const [, at = '', code = ''] = /Open (\S+) and type (\S+)/.exec(await said(device, '-')) ?? []
    const person = browser()
    const confirm = await person.submit(await person.open(`${at}?user_code=${code}`))
    const done = confirm.next === null ? await person.submit(confirm) : confirm
    if (done.next !== null) await person.open(done.next)
  }
  const approveAtGateway = async () => {
    const text = await said(held, ' minutes)')
    const [at, code] = [/open (\S+)/, /type (\S+)/].map((pattern) => pattern.exec(text)?.[1] ?? '')
    const person = browser()
    const card = await person.open(`${at}?user_code=${code}`)
    match(card.text, /keystay-cli/)
    equal((await person.submit(card, { decision: 'approve' })).status, 200)
  }
  const kept = async () => JSON.parse(await readFile(join(where.dir, 'keystay/sign-in.json'), 'utf8'))

  it('sign in with a browser at their own issuer, and the other verbs know them', async () => {
    const login = start({}, 'login')
    const url = /^(http\S+)$/m.exec(await said(login, 'code_challenge_method'))?.[1] ?? ''
    const asked = new URL(url)
    deepEqual([asked.origin, asked.searchParams.get('code_challenge_method')], [issuer.url, 'S256'])
    const redirect = asked.searchParams.get('redirect_uri') ?? ''
    match(redirect, /^http:\/\/127\.0\.0\.1:\d+\/callback$/)
    // Who knocks without the state is told nothing, and spoils nothing.
    equal((await fetch(`${redirect}?code=x&state=${'x'.repeat(43)}`)).status, 404)
    equal((await fetch(`${redirect}?code=x`)).status, 404)
    const landed = await browser().open(url)
    match(landed.text, /You are signed in/)
    equal(await login.ended, 0, login.err())
    match(login.out(), /^signed in at http:\S+ as dana until /)
    const file = join(where.dir, 'keystay/sign-in.json')
    equal((await stat(file)).mode & 0o777, 0o600)
    const [{ token }] = Object.values(await kept()) as [{ token: string }]
    ok(!login.out().includes(token) && !login.err().includes(token))
    const listed = await keystay(['approvals', 'list', '--json'], { env })
    equal(listed.exit, 0, listed.err)
  })

  it('sign in on another screen, by the issuer’s device flow', async () => {
    equal(await device.ended, 0, device.err())
    equal(JSON.parse(device.out()).subject, 'dana')
  })

  it('let a session be held as them by the gateway’s device flow, and end it with the terminal', async () => {
    const open = JSON.parse(await held.until('"url"'))
    const actions = await fetch(`${open.url}/v1/actions`)
    equal(actions.status, 200)
    held.process.kill('SIGINT')
    equal(await held.ended, 0, held.err())
    const issued = entriesOf(where.dir).findLast(({ kind }) => kind === 'session.issued')
    deepEqual([issued?.['requester'], issued?.['client']], ['staff:dana', 'keystay-cli'])
    ok(entriesOf(where.dir).some(({ kind, session }) => kind === 'session.ended' && session === issued?.['session']))
  })

  it('hear that they must say at which issuer, or that there is none', async () => {
    const none = await keystay(['login', '--issuer', 'other'], { env })
    deepEqual([none.exit, none.err], [2, 'keystay: Say at which issuer: --issuer NAME, one of staff.\n'])
  })
})

/** What it has said on standard error, as soon as this is in it and the line is whole. */
async function said(started: Started, part: string): Promise<string> {
  for (let tries = 0; tries < 400; tries++) {
    const text = started.err()
    if (text.includes(part) && text.endsWith('\n')) return text
    await sleep(25)
  }
  throw new Error(`it never said ${part}: ${started.out()}${started.err()}`)
}
