import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { keystay } from '../cli/keystay.ts'
import { ROOT } from '../demo/demo.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { realIssuer } from '../identity/real-issuer.ts'
import { openBrowser } from './browser.ts'
import { faultsOf, LOOKS, nameOf, visits, watch } from './visits.ts'
import type { Visits } from './visits.ts'

/** Where the pictures go, to be looked at. */
const SHOTS = join(ROOT, 'coverage', 'screenshots')
/** Bytes of JavaScript, compressed. */
const SCRIPT_MAX = 220_000

/** People of an issuer of the company's own, beside the accounts of the demo's. */
const staffed = (url: string): { [path: string]: string } => ({
  'identity.yaml': `issuers:
  demo: { dev: true, accounts: { bot: {}, omar: { name: Omar, groups: [finance] } } }
  staff: { oidc: "${url}", client_id: keystay-console, groups: claims.groups, person: claims.sub, name: claims.name }
groups:
  finance: { issuer: staff, where: '"finance" in groups' }
  leads: { issuer: demo, where: '"finance" in claims.groups' }
people: { view: [finance, leads], freeze: [leads], settle: [finance], export: [finance] }
`,
})

describe('the console, in a real browser', function () {
  this.timeout(120_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let browser: Browser
  let people: Visits

  before(async () => {
    await mkdir(SHOTS, { recursive: true })
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    // Browsers are slow to start, and whoever approves has the facts fetched anew.
    const backends = join(where.policies, 'backends.yaml')
    await writeFile(backends, (await readFile(backends, 'utf8')).replaceAll('timeout: 500ms', 'timeout: 5s'))
    gate = await house(where)
    browser = await openBrowser()
    people = visits(browser, gate.running)
  })
  after(async () => {
    await browser?.close()
    await gate?.stop()
    await pay?.close()
    await where?.remove()
  })
  afterEach(async function () {
    if (this.currentTest?.state === 'failed')
      for (const page of people.contexts.flatMap((context) => context.pages()))
        console.error(page.url(), await page.locator('body').innerText({ timeout: 1000 }).catch(String))
    await Promise.all(people.contexts.splice(0).map((context) => context.close()))
    assert.deepEqual(people.complaints.splice(0), [])
  })

  async function held(key: string, amount = 6000, note = 'Customer says it arrived broken.'): Promise<string> {
    const answer = await gate.call(await gate.token(), 'pay.refund', { charge: `ch_${key}`, amount, note }, key)
    assert.equal(answer.body.status, 'held', answer.text)
    return answer.body.call as string
  }
  const focused = (page: Page) =>
    page.evaluate('document.activeElement?.dataset.key ?? document.activeElement?.tagName')
  const over = (call: string) => gate.admin('dana', 'POST', `/admin/v1/calls/${call}/reject`, { reason: 'over' })

  it('lets someone of finance read a held refund and approve it, and shows that it was done', async () => {
    const call = await held('read')
    const page = await people.page('dana')
    await page.getByRole('button', { name: 'Refund 60.00 USD on ch_read' }).click()
    assert.equal(await page.title(), '(1) Approvals · Keystay')
    const card = page.getByRole('article')
    await card.getByText(/^Facts \(fetched by the gateway from pay, /).waitFor()
    assert.match(await card.locator('section[aria-label="Facts"]').innerText(), /cus_/)
    assert.match(await card.locator('.agent-says').innerText(), /arrived broken/)
    assert.match(
      await card.locator('section[aria-label="Will send"]').innerText(),
      /POST \/v1\/refunds[^]*amount\s+6000/,
    )
    assert.match(await card.innerText(), /expires in 3 h 59 min/)
    const approve = page.getByRole('button', { name: /^Approve 60\.00 USD/ })
    assert.equal(await approve.isDisabled(), true, 'nobody has looked yet')
    await page.screenshot({ path: join(SHOTS, 'card.png') })

    // The answer takes its time, and its person goes on to another page.
    let answered = () => {}
    const late = new Promise<void>((resolve) => (answered = resolve))
    await page.route(/\/approve$/, async (route) => {
      const answer = await route.fetch()
      await late
      await route.fulfill({ response: answer })
    })
    await page.getByRole('button', { name: 'Approve 60.00 USD', exact: true }).waitFor()
    await page.keyboard.press('a')
    assert.equal(await focused(page), 'approve', 'the key moves to the button, and presses nothing')
    await page.keyboard.press('Space')
    await page.getByText('Sending your yes: Refund 60.00 USD on ch_read').waitFor()
    await page.getByRole('link', { name: 'Calls' }).click()
    assert.equal(await focused(page), 'heading', 'who comes to another page begins at its heading')
    answered()
    await page.getByText('Refund 60.00 USD on ch_read: done').waitFor()
    await page.getByRole('row', { name: /done.*ch_read/ }).waitFor()
    assert.match(page.url(), /\/console\/calls$/, 'and is not taken back to the page before')
    assert.equal(await page.title(), 'Calls · Keystay')
    const story = await gate.admin('dana', 'GET', `/admin/v1/calls/${call}`)
    assert.deepEqual(
      story.body.approvals.map(({ person }: { person: string }) => person),
      ['demo:dana'],
    )
    assert.equal(pay.effects.length, 1)
  })

  it('says that a search is not over where one look found nothing, and looks further', async () => {
    const page = await people.page('dana')
    const asked: string[] = []
    await page.route(/\/admin\/v1\/calls\?.*q=rare/, (request) => {
      asked.push(new URL(request.request().url()).searchParams.get('cursor') ?? '')
      return asked.at(-1) === ''
        ? request.fulfill({ json: { calls: [], cursor: 'call_5' } })
        : request.fulfill({ json: { calls: [], cursor: null } })
    })
    await page.goto(`${gate.running.adminUrl}/console/calls?q=rare`)
    await page.getByText('None so far.').waitFor()
    await page.getByRole('link', { name: 'Look further' }).click()
    await page.getByText('No calls match.').waitFor()
    assert.equal(asked.at(-1), 'call_5')
  })

  it('shows one call whole: each step, who handed it on, and a proof that holds elsewhere', async () => {
    const { calls } = (await gate.admin('dana', 'GET', '/admin/v1/calls?q=ch_read')).body
    const call = calls[0].call as string
    const page = await people.at('dana', `calls/${call}`)
    const steps = page.getByRole('region', { name: 'Timeline' }).getByRole('listitem')
    await steps.first().waitFor()
    assert.deepEqual(
      (await steps.allInnerTexts()).map((text) => text.split('\n')[0]),
      ['asked', 'valid', 'held', 'approved', 'rechecked', 'sent', 'settled'],
    )
    const chain = await page.getByRole('region', { name: 'Chain of custody' }).innerText()
    assert.match(chain, /demo:bot[^]*ses_[^]*call_[^]*Dana \(demo:dana\)[^]*request to pay req_[^]*made at pay /)
    const shown = page.getByRole('region', { name: 'Inclusion proof' })
    await shown.getByRole('button', { name: 'Show it' }).click()
    await shown.getByText(/^4 entries in the tree of \d+ that keystay\.ledger signed/).waitFor()
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      shown.getByRole('link', { name: 'Download it' }).click(),
    ])
    assert.equal(download.suggestedFilename(), `${call}.proof.json`)
    const file = await download.path()
    const key = join(where.dir, 'key.pub')
    await writeFile(key, (await gate.admin('dana', 'GET', '/ledger/key.pub')).text)
    const verify = () => keystay(['ledger', 'verify', '--proof', file, '--public-key', key], { env: {} })
    const good = await verify()
    assert.deepEqual([good.exit, good.err], [0, ''])
    assert.match(good.out, new RegExp(`^ok: 4 entries of ${call} are in the tree of \\d+, checkpoint signed\n$`))
    await writeFile(file, (await readFile(file, 'utf8')).replace('call.approved', 'call.rejected'))
    const spoilt = await verify()
    assert.equal(spoilt.exit, 7)
    assert.match(spoilt.out, /^FAILED: entry \d+ is not in the tree of \d+ that was signed\n$/)
  })

  it('tells of a decision that failed, wherever its person is by then, until it is put away', async () => {
    const call = await held('lost')
    const page = await people.at('dana', `?call=${call}`)
    await page.route(/\/reject$/, (route) => route.abort())
    await page.getByLabel('Reason for a no').fill('Not this one.')
    await page.getByRole('button', { name: 'Reject with reason' }).click()
    await page.getByRole('link', { name: 'Policy' }).click()
    const told = page.getByRole('alert').filter({ hasText: 'Not decided: Refund 60.00 USD on ch_lost' })
    await told.getByText('Whether it heard you is not known: look at the call again.').waitFor()
    await told.getByRole('button', { name: 'Put away' }).click()
    await told.waitFor({ state: 'detached' })
    assert.equal((await gate.admin('dana', 'GET', `/admin/v1/calls/${call}`)).body.status, 'held')
    await over(call)
  })

  it('rejects with a reason that the agent reads, by the keyboard, and keeps the focus on what waits next', async () => {
    const [first, second] = [await held('no'), await held('next')]
    const page = await people.page('omar')
    await page.getByRole('button', { name: /ch_no/ }).waitFor()
    await page.keyboard.press('j')
    await page.waitForURL(/call=/)
    await page.getByRole('article').waitFor()
    assert.equal(await focused(page), first, 'the soonest over is first')
    await page.keyboard.press('r')
    assert.equal(await focused(page), 'reason')
    await page.keyboard.type('Twice this week already.')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.waitForURL(new RegExp(second))
    await page.getByText('Refund 60.00 USD on ch_no: rejected').waitFor()
    assert.equal(await focused(page), second)
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor()
    const seen = await gate.show(await gate.token(), first)
    assert.deepEqual([seen.body.status, /Twice this week/.test(seen.text)], ['rejected', true])
    await over(second)
  })

  it('says so when somebody decides thirty times an hour, and teaches where nothing waits', async () => {
    const page = await people.page('dana')
    await page.getByText('No held calls.').waitFor()
    await page.getByText('npm run agent -- --hold').waitFor()
    assert.equal(await page.getByText(/within an hour/).count(), 0)
    await page.evaluate("localStorage.setItem('keystay.decided', Array(30).fill(Date.now()).join(' '))")
    await page.reload()
    await page.getByText('You have decided 30 calls within an hour.').waitFor()
  })

  it('decides several alike together, each line and the sum shown', async () => {
    for (const key of ['t1', 't2']) await held(key)
    const page = await people.page('dana')
    for (const key of ['t1', 't2']) await page.getByLabel(`Mark Refund 60.00 USD on ch_${key}`).check()
    await page.getByRole('button', { name: 'Approve 2 together' }).click()
    await page.getByText('In all: 120.00 USD').waitFor()
    assert.equal(await page.getByRole('button', { name: /^Approve \(look first/ }).isDisabled(), true)
    await page.getByText('Facts, what the agent says').first().click()
    await page.getByText('POST /v1/refunds').first().waitFor()
    await page.getByRole('button', { name: 'Approve 2', exact: true }).click()
    await page.getByText('decided').nth(1).waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click()
    await page.getByText('No held calls.').waitFor()
    assert.equal(pay.effects.length, 3)
  })

  it('says which page of another made the click that was refused', async () => {
    const call = await held('forged')
    const page = await people.page('dana')
    const card = (await gate.admin('dana', 'GET', `/admin/v1/calls/${call}`)).body.card as string
    const forged = await page.evaluate(
      async ([path, body]) =>
        (await fetch(path ?? '', { method: 'POST', headers: { 'content-type': 'application/json' }, body: body ?? '' }))
          .status,
      [`/admin/v1/calls/${call}/approve`, JSON.stringify({ card })],
    )
    assert.equal(forged, 403, 'a click without the token of the page')
    assert.equal((await gate.admin('dana', 'GET', `/admin/v1/calls/${call}`)).body.status, 'held')
    await over(call)
  })

  it('lets someone of security freeze a role and end a session, and the next call is refused', async () => {
    const token = await gate.token('other-bot')
    const refund = (key: string) => gate.call(token, 'pay.refund', { charge: 'ch_f', amount: 100 }, key)
    const page = await people.at('sam', 'roles')
    await page.getByText('Never asked for: blind.note, pay.look, shop.order.').waitFor()
    await page.getByRole('button', { name: 'Freeze the role agent' }).click()
    await page.getByLabel('Why (whoever it stops is told)').fill('Something is off.')
    await page.getByRole('button', { name: 'Freeze', exact: true }).click()
    await page.getByText('role:agent is on').waitFor()
    await page.screenshot({ path: join(SHOTS, 'frozen.png') })
    const frozen = await refund('f')
    assert.deepEqual([frozen.status, frozen.body.code], [403, 'frozen'])
    await page.getByRole('button', { name: 'Thaw role:agent' }).click()
    await page.getByLabel('Why (whoever it stops is told)').fill('It was nothing.')
    await page.getByRole('button', { name: 'Thaw', exact: true }).click()
    await page.getByText('Nothing is frozen.').waitFor()
    assert.equal((await refund('f')).status, 200)
    await page
      .getByRole('row', { name: /other-bot/ })
      .getByRole('button', { name: 'End session' })
      .click()
    await page.getByLabel('Why (whoever it stops is told)').fill('It is not needed any more.')
    await page.getByRole('button', { name: 'End it' }).click()
    await page.getByRole('row', { name: /other-bot/ }).waitFor({ state: 'detached' })
    assert.equal((await refund('g')).body.code, 'session_revoked')
  })

  it('offers no switch to someone who may not set it', async () => {
    const page = await people.at('dana', 'roles')
    await page.getByText('Nothing is frozen.').waitFor()
    assert.equal(await page.getByRole('button', { name: /Freeze|End session/ }).count(), 0)
  })

  it('finds by what is typed, keeps it in the address, and exports exactly that', async () => {
    const token = await gate.token()
    for (const [key, amount] of [
      ['big1', 30_000],
      ['big2', 40_000],
      ['big3', 50_000],
    ] as const)
      assert.equal((await gate.call(token, 'pay.refund', { charge: `ch_${key}`, amount }, key)).body.code, 'denied')
    const page = await people.at('dana', 'calls')
    await page.getByRole('row', { name: /ch_read/ }).waitFor()
    await page.keyboard.press('/')
    assert.equal(await focused(page), 'search')
    await page.keyboard.type('ch_big')
    await page.getByText('More filters').click()
    await page.getByLabel('Rule (line of the policy)').fill('grants.pay.refund.max')
    await page.getByLabel('Amount from').fill('400')
    await page.keyboard.press('Enter')
    await page.waitForURL(/q=ch_big&because=grants\.pay\.refund\.max&min=400$/)
    await page.getByText('Shown, newest first, live: 2 calls: 2 denied (900.00 USD)').waitFor()
    const rows = await page.getByRole('row').filter({ hasText: 'ch_big' }).getByRole('link').allInnerTexts()
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'CSV of this filter' }).click(),
    ])
    const lines = (await readFile(await download.path(), 'utf8')).trim().split('\r\n').slice(1)
    const query = '?q=ch_big&because=grants.pay.refund.max&min=400'
    const api = (await gate.admin('dana', 'GET', `/admin/v1/calls${query}`)).body.calls as { summary: string }[]
    assert.deepEqual(
      rows,
      api.map(({ summary }) => summary),
    )
    assert.deepEqual(
      lines.map((line) => /Refund [^"]*/.exec(line)?.[0]),
      rows,
    )
    assert.equal(rows.length, 2)
    const story = (await gate.admin('dana', 'GET', '/admin/v1/calls?q=ch_read')).body.calls[0] as { call: string }
    const { evidence } = (await gate.admin('dana', 'GET', `/admin/v1/calls/${story.call}`)).body
    await page.goto(`${gate.running.adminUrl}/console/calls?evidence=${evidence.request_id}`)
    await page.getByText(/: 1 calls: 1 done \(60\.00 USD\)/).waitFor()
    await page.getByText('That is the whole filter.').waitFor()
    await page.goto(`${gate.running.adminUrl}/console/calls?q=nowhere`)
    await page.getByRole('button', { name: 'Clear the filter' }).click()
    await page.getByRole('row', { name: /ch_read/ }).waitFor()
  })

  it('has nothing that axe finds, each page in one of four looks, with hostile words', async () => {
    const hostile = '‮evil <script>alert(1)</script> =HYPERLINK("x") مرحبا ' + 'long'.repeat(80)
    const call = await held('axe', 6000, hostile)
    const found: string[] = []
    const pages = [
      ['approvals', `?call=${call}`, 'Why held'],
      ['calls', 'calls', 'Because'],
      ['call', `calls/${call}`, 'Timeline'],
      ['roles', 'roles', 'daily'],
      ['policy', 'policy', 'decides'],
      ['missing', 'calls/call_00000000000000000000000000', 'no_such_call'],
    ] as const
    // The others are of test/trials/looks.ts.
    await Promise.all(
      pages.map(async ([name, address, ready], index) => {
        const look = LOOKS[index % LOOKS.length] ?? LOOKS[0]
        const page = await people.at('dana', address, look)
        await page.getByText(ready).first().waitFor()
        found.push(...(await faultsOf(page)))
        const path = join(SHOTS, `${name}-${look === undefined ? '' : nameOf(look)}.png`)
        await page.screenshot({ path, fullPage: true })
      }),
    )
    assert.deepEqual(found, [])
    await over(call)
  })

  it('sends a policy with no unsafe source, to whoever asks, and no more script than there has to be', async () => {
    const answer = await fetch(`${gate.running.adminUrl}/console/`)
    const policy = answer.headers.get('content-security-policy') ?? ''
    assert.match(policy, /^default-src 'none'; style-src 'self' 'nonce-[A-Za-z0-9+/=]{24}'; script-src 'self';/)
    assert.doesNotMatch(policy, /unsafe|https?:|\*|data:/)
    const again = await fetch(`${gate.running.adminUrl}/console/`)
    assert.notEqual(again.headers.get('content-security-policy'), policy, 'a nonce is used once')
    const asset = /\/console\/assets\/[\w.-]+\.js/.exec(await answer.text())?.[0] ?? ''
    assert.equal(
      (await fetch(`${gate.running.adminUrl}${asset}`)).headers.get('content-type'),
      'text/javascript; charset=utf-8',
    )
    assert.equal((await fetch(`${gate.running.adminUrl}/console/assets/none.js`)).status, 404)
    const assets = join(ROOT, 'dist/console/assets')
    const scripts = (await readdir(assets)).filter((name) => name.endsWith('.js'))
    const sizes = await Promise.all(scripts.map(async (name) => gzipSync(await readFile(join(assets, name))).length))
    const size = sizes.reduce((sum, one) => sum + one, 0)
    assert.ok(size > 0 && size <= SCRIPT_MAX, `${size} bytes of script`)
  })

  it('signs in with the company’s own issuer, and decides as who that says', async () => {
    const issuer = await realIssuer({ people: { dana: { name: 'Dana', groups: ['finance'] } }, workloads: {} })
    const other = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, staffed(issuer.url))
    const live = await house(other)
    try {
      issuer.as('dana')
      const context = await browser.newContext({ locale: 'en-US' })
      people.contexts.push(context)
      const page = await context.newPage()
      watch(page, live.running, people.complaints, [issuer.url])
      const refund = { charge: 'ch_oidc', amount: 6000 }
      const call = (await live.call(await live.token(), 'pay.refund', refund, 'oidc')).body.call as string
      await page.goto(`${live.running.adminUrl}/console/?call=${call}`)
      await page.getByRole('link', { name: 'Sign in' }).click()
      await page.waitForURL(/\/console\/$/)
      await page.getByText('Dana, finance').waitFor()
      await page.getByRole('button', { name: 'Refund 60.00 USD on ch_oidc' }).click()
      await page.getByLabel('Reason for a no').fill('Not by this way.')
      await page.getByRole('button', { name: 'Reject with reason' }).click()
      await page.getByText('Refund 60.00 USD on ch_oidc: rejected').waitFor()
      assert.match(JSON.stringify((await live.admin('omar', 'GET', `/admin/v1/calls/${call}`)).body), /staff:dana/)
      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.goto(`${live.running.adminUrl}/console/`)
      await page.getByText('You are not signed in').waitFor()
    } finally {
      await live.stop()
      await other.remove()
      await issuer.stop()
    }
  })

  it('asks who is not signed in to sign in, and shows nothing', async () => {
    const context = await browser.newContext({ locale: 'en-US' })
    people.contexts.push(context)
    const page = await context.newPage()
    await page.goto(`${gate.running.adminUrl}/console/calls`)
    await page.getByText('You are not signed in').waitFor()
    assert.equal(await page.getByRole('table').count(), 0)
  })
})
