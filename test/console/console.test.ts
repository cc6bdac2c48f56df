import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { ROOT } from '../demo/demo.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { openBrowser } from './browser.ts'

/** Where the pictures go, to be looked at. */
const SHOTS = join(ROOT, 'coverage', 'screenshots')

describe('the console, in a real browser', function () {
  this.timeout(120_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let browser: Browser
  const contexts: BrowserContext[] = []
  /** What a page said that it should not, or asked elsewhere for. */
  const complaints: string[] = []

  before(async () => {
    await mkdir(SHOTS, { recursive: true })
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    // Browsers are slow to start, and whoever approves has the facts fetched anew.
    const backends = join(where.policies, 'backends.yaml')
    await writeFile(backends, (await readFile(backends, 'utf8')).replaceAll('timeout: 500ms', 'timeout: 5s'))
    gate = await house(where)
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.close()
    await gate?.stop()
    await pay?.close()
    await where?.remove()
  })
  afterEach(async function () {
    if (this.currentTest?.state === 'failed')
      for (const page of contexts.flatMap((context) => context.pages()))
        console.error(page.url(), await page.locator('body').innerText({ timeout: 1000 }).catch(String))
    await Promise.all(contexts.splice(0).map((context) => context.close()))
    assert.deepEqual(complaints.splice(0), [])
  })

  /** A browser of their own, signed in with a one-time link. */
  async function signedIn(account: string, look: { width?: number; dark?: boolean } = {}): Promise<Page> {
    const context = await browser.newContext({
      // The container has no locale of its own.
      locale: 'en-US',
      viewport: { width: look.width ?? 1280, height: 900 },
      colorScheme: look.dark === true ? 'dark' : 'light',
      reducedMotion: 'reduce',
    })
    contexts.push(context)
    const page = await context.newPage()
    page.on('pageerror', ({ message }) => complaints.push(message))
    page.on('console', (line) => {
      // Chromium tells of each refused request; those are answers, and looked at by the tests.
      if (line.type() === 'error' && !line.text().startsWith('Failed to load resource')) complaints.push(line.text())
    })
    page.on('request', (request) => {
      if (!request.url().startsWith(gate.running.adminUrl)) complaints.push(`asked ${request.url()}`)
    })
    await page.goto(gate.running.signInLink(account) ?? '')
    await page.waitForURL(/\/console\/$/)
    await page.getByRole('heading', { level: 1 }).waitFor()
    return page
  }

  async function held(key: string, amount = 6000, note = 'Customer says it arrived broken.'): Promise<string> {
    const answer = await gate.call(await gate.token(), 'pay.refund', { charge: `ch_${key}`, amount, note }, key)
    assert.equal(answer.body.status, 'held', answer.text)
    return answer.body.call as string
  }

  async function violations(page: Page): Promise<string[]> {
    const { violations } = await new AxeBuilder({ page }).analyze()
    return violations.map(({ id, nodes }) => `${page.url()}: ${id}: ${nodes.map(({ html }) => html).join(' | ')}`)
  }

  it('lets someone of finance read a held refund and approve it, and shows that it was done', async () => {
    const call = await held('read')
    const page = await signedIn('dana')
    await page.getByRole('button', { name: 'Refund 60.00 USD on ch_read' }).click()
    const card = page.getByRole('article')
    await card.getByText('Facts (fetched by the gateway)').waitFor()
    assert.match(
      await card.getByRole('region', { name: 'Facts' }).or(card.locator('section[aria-label="Facts"]')).innerText(),
      /cus_/,
    )
    assert.match(await card.locator('.agent-says').innerText(), /arrived broken/)
    assert.match(
      await card.locator('section[aria-label="Will send"]').innerText(),
      /POST \/v1\/refunds[^]*amount\s+6000/,
    )
    const approve = page.getByRole('button', { name: /^Approve 60\.00 USD/ })
    assert.equal(await approve.isDisabled(), true, 'nobody has looked yet')
    await page.screenshot({ path: join(SHOTS, 'card.png') })
    const answer = page.waitForResponse(/\/approve$/)
    await page.getByRole('button', { name: 'Approve 60.00 USD', exact: true }).click()
    assert.equal((await answer).status(), 200, await (await answer).text())
    await page.getByRole('link', { name: 'Calls' }).click()
    await page.getByRole('row', { name: /done.*ch_read/ }).waitFor()
    const story = await gate.admin('dana', 'GET', `/admin/v1/calls/${call}`)
    assert.deepEqual(
      story.body.approvals.map(({ person }: { person: string }) => person),
      ['demo:dana'],
    )
    assert.equal(pay.effects.length, 1)
  })

  it('rejects with a reason that the agent reads', async () => {
    const call = await held('no')
    const page = await signedIn('omar')
    await page.getByRole('button', { name: 'Refund 60.00 USD on ch_no' }).click()
    await page.getByLabel('Reason for a no').fill('Twice this week already.')
    await page.getByRole('button', { name: 'Reject with reason' }).click()
    await page.getByText('No held calls.').waitFor()
    const seen = await gate.show(await gate.token(), call)
    assert.deepEqual([seen.body.status, /Twice this week/.test(seen.text)], ['rejected', true])
  })

  it('decides several alike together, each line and the sum shown', async () => {
    for (const key of ['t1', 't2']) await held(key)
    const page = await signedIn('dana')
    for (const key of ['t1', 't2']) await page.getByLabel(`Mark Refund 60.00 USD on ch_${key}`).check()
    await page.getByRole('button', { name: 'Approve 2 together' }).click()
    await page.getByText('In all: 120.00 USD').waitFor()
    assert.equal(await page.getByRole('button', { name: /^Approve \(look first/ }).isDisabled(), true)
    await page.getByText('Facts, what the agent says').first().click()
    await page.getByText('POST /v1/refunds').first().waitFor()
    await page.getByRole('button', { name: 'Approve 2', exact: true }).click()
    await until(() => pay.effects.length === 3)
    await page.getByText('decided').nth(1).waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click()
    await page.getByText('No held calls.').waitFor()
    await until(() => pay.effects.length === 3)
  })

  it('says which page of another made the click that was refused', async () => {
    const call = await held('forged')
    const page = await signedIn('dana')
    const card = (await gate.admin('dana', 'GET', `/admin/v1/calls/${call}`)).body.card as string
    const forged = await page.evaluate(
      async ([path, body]) =>
        (await fetch(path ?? '', { method: 'POST', headers: { 'content-type': 'application/json' }, body: body ?? '' }))
          .status,
      [`/admin/v1/calls/${call}/approve`, JSON.stringify({ card })],
    )
    assert.equal(forged, 403, 'a click without the token of the page')
    assert.equal((await gate.admin('dana', 'GET', `/admin/v1/calls/${call}`)).body.status, 'held')
    await gate.admin('dana', 'POST', `/admin/v1/calls/${call}/reject`, { reason: 'over' })
  })

  it('lets someone of security freeze a role, and the next call is refused', async () => {
    const page = await signedIn('sam')
    await page.getByRole('link', { name: 'Roles & budgets' }).click()
    await page.getByRole('button', { name: 'Freeze the role agent' }).click()
    await page.getByLabel('Why (whoever it stops is told)').fill('Something is off.')
    await page.getByRole('button', { name: 'Freeze', exact: true }).click()
    await page.getByText('role:agent is on').waitFor()
    await page.screenshot({ path: join(SHOTS, 'frozen.png') })
    const frozen = await gate.call(await gate.token(), 'pay.refund', { charge: 'ch_f', amount: 100 }, 'f')
    assert.deepEqual([frozen.status, frozen.body.code], [403, 'frozen'])
    await page.getByRole('button', { name: 'Thaw role:agent' }).click()
    await page.getByLabel('Why (whoever it stops is told)').fill('It was nothing.')
    await page.getByRole('button', { name: 'Thaw', exact: true }).click()
    await page.getByText('Nothing is frozen.').waitFor()
    assert.equal((await gate.call(await gate.token(), 'pay.refund', { charge: 'ch_f', amount: 100 }, 'f')).status, 200)
  })

  it('offers no switch to someone who may not set it', async () => {
    const page = await signedIn('dana')
    await page.getByRole('link', { name: 'Roles & budgets' }).click()
    await page.getByText('Nothing is frozen.').waitFor()
    assert.equal(await page.getByRole('button', { name: /Freeze/ }).count(), 0)
  })

  it('exports exactly the filter that is shown', async () => {
    const page = await signedIn('dana')
    await page.goto(`${gate.running.adminUrl}/console/calls?status=done`)
    await page.getByRole('row', { name: /ch_read/ }).waitFor()
    const shown = await page.getByRole('table').getByRole('row').count()
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'CSV of this filter' }).click(),
    ])
    const path = await download.path()
    const lines = (await readFile(path, 'utf8')).trim().split('\r\n')
    assert.equal(lines.length, shown)
    assert.ok(lines.slice(1).every((line) => line.includes('"done"')))
  })

  // Each page in each state; the two other pairs too with KEYSTAY_TEST_LOOKS=all.
  const more =
    process.env['KEYSTAY_TEST_LOOKS'] === 'all'
      ? ([
          [true, 1280],
          [false, 320],
        ] as const)
      : []
  for (const [dark, width] of [[false, 1280], [true, 320], ...more] as const) {
    it(`has nothing that axe finds, ${dark ? 'dark' : 'light'}, ${width} px, with hostile words`, async () => {
      const key = `axe${dark ? 'D' : 'L'}${width}`
      const hostile = '‮evil <script>alert(1)</script> =HYPERLINK("x") مرحبا ' + 'long'.repeat(80)
      const call = await held(key, 6000, hostile)
      const page = await signedIn('dana', { dark, width })
      const found: string[] = []
      const look = async (name: string) => {
        found.push(...(await violations(page)))
        const wide = Number(
          await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'),
        )
        if (wide > 0) found.push(`${page.url()} is ${wide} px too wide`)
        await page.screenshot({ path: join(SHOTS, `${name}-${dark ? 'dark' : 'light'}-${width}.png`), fullPage: true })
      }
      await page.getByRole('button', { name: `Refund 60.00 USD on ch_${key}` }).click()
      await page.getByRole('article').waitFor()
      await page.getByRole('button', { name: 'Approve 60.00 USD', exact: true }).waitFor()
      await look('approvals')
      for (const [name, address, ready] of [
        ['calls', 'calls', 'link'],
        ['nothing', 'calls?status=expired', 'No calls match.'],
        ['call', `calls/${call}`, 'Timeline'],
        ['missing', 'calls/call_00000000000000000000000000', 'no_such_call'],
        ['roles', 'roles', 'daily'],
        ['policy', 'policy', 'decides'],
      ] as const) {
        await page.goto(`${gate.running.adminUrl}/console/${address}`)
        await (ready === 'link' ? page.getByRole('link', { name: /ch_read/ }) : page.getByText(ready).first()).waitFor()
        await look(name)
      }
      assert.deepEqual(found, [])
      await gate.admin('dana', 'POST', `/admin/v1/calls/${call}/reject`, { reason: 'over' })
    })
  }

  it('sends a policy with no unsafe source, to whoever asks', async () => {
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
  })

  it('asks who is not signed in to sign in, and shows nothing', async () => {
    const context = await browser.newContext({ locale: 'en-US' })
    contexts.push(context)
    const page = await context.newPage()
    await page.goto(`${gate.running.adminUrl}/console/calls`)
    await page.getByText('You are not signed in').waitFor()
    assert.equal(await page.getByRole('table').count(), 0)
  })
})

async function until(holds: () => boolean): Promise<void> {
  const over = Date.now() + 10_000
  while (!holds()) {
    if (Date.now() > over) throw new Error('it never came to hold')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
