import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import type { Browser, Page } from 'playwright-core'
import { verifyStore } from '../../gateway/store/verify.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { ROOT } from '../demo/demo.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import type { Json } from '../passkeys/authenticator.ts'
import { aged, asksPasskeys } from '../passkeys/company.ts'
import { openBrowser } from './browser.ts'

const SHOTS = join(ROOT, 'coverage', 'screenshots')

/** With the authenticator of a real Chromium: what it signs is what the gateway must understand. */
describe('passkeys, in a real browser', function () {
  this.timeout(120_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let browser: Browser
  let page: Page
  const complaints: string[] = []
  /** The yes as the browser sent it. */
  let sent: Json

  before(async () => {
    await mkdir(SHOTS, { recursive: true })
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    await asksPasskeys(where.policies)
    const backends = join(where.policies, 'backends.yaml')
    await writeFile(backends, (await readFile(backends, 'utf8')).replaceAll('timeout: 500ms', 'timeout: 5s'))
    gate = await house(where)
    browser = await openBrowser()
    const context = await browser.newContext({ locale: 'en-US', reducedMotion: 'reduce' })
    page = await context.newPage()
    page.on('pageerror', ({ message }) => complaints.push(message))
    page.on('request', (request) => {
      if (request.url().endsWith('/approve')) sent = request.postDataJSON() as Json
    })
  })
  after(async () => {
    await browser?.close()
    await gate?.stop()
    await pay?.close()
    await where?.remove()
  })
  afterEach(async function () {
    if (this.currentTest?.state === 'failed')
      console.error(page.url(), await page.locator('body').innerText({ timeout: 1000 }).catch(String))
    assert.deepEqual(complaints.splice(0), [])
  })

  const held = async (key: string): Promise<string> => {
    const answer = await gate.call(await gate.token(), 'pay.refund', { charge: `ch_${key}`, amount: 6000 }, key)
    assert.equal(answer.body.status, 'held', answer.text)
    return answer.body.call as string
  }

  it('are not to be had at an address: the page takes the person to the name, signed in, to the same card', async () => {
    const call = await held('one')
    await page.goto(gate.running.signInLink('dana') ?? '')
    await page.waitForURL(/\/console\/$/)
    await page.goto(`${gate.running.adminUrl}/console/?call=${call}`)
    await page.getByText('A passkey must sign this yes.').waitFor()
    assert.equal(await page.getByRole('button', { name: /^Approve/ }).count(), 0)
    const name = `http://localhost:${new URL(gate.running.adminUrl).port}`
    await page.getByRole('button', { name: `Go on at ${name}` }).click()
    await page.waitForURL(`${name}/console/?call=${call}`)
    await page.getByText('you have none here').waitFor()
  })

  it('are registered there, lately signed in, with the person verified', async () => {
    const cdp = await page.context().newCDPSession(page)
    await cdp.send('WebAuthn.enable')
    const options = {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
    } as const
    await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: { ...options, isUserVerified: true, automaticPresenceSimulation: true },
    })
    await page.getByRole('link', { name: 'register one' }).click()
    await page.getByRole('heading', { name: 'Your passkeys' }).waitFor()
    await page.getByText('You have none.').waitFor()
    await page.getByLabel('Name of a new one').fill('Test <b>laptop</b>')
    await page.getByRole('button', { name: 'Register a passkey' }).click()
    await page.getByRole('row', { name: /Test <b>laptop<\/b>.*never.*localhost/ }).waitFor()
    // The authenticator itself knows that it has one here.
    await page.getByLabel('Name of a new one').fill('Again')
    await page.getByRole('button', { name: 'Register a passkey' }).click()
    await page.getByText('This passkey is registered already.').waitFor()
    await page.screenshot({ path: join(SHOTS, 'passkeys.png') })
    const { violations } = await new AxeBuilder({ page }).analyze()
    assert.deepEqual(
      violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`),
      [],
    )
  })

  it('sign exactly the card that is on the screen, and it is done', async () => {
    await page.goBack()
    const approve = page.getByRole('button', { name: /^Approve 60\.00 USD with passkey/ })
    await approve.waitFor()
    assert.equal(await approve.isDisabled(), true, 'nobody has looked yet')
    await page.screenshot({ path: join(SHOTS, 'card-passkey.png') })
    await page.getByRole('button', { name: 'Approve 60.00 USD with passkey', exact: true }).click()
    await page.getByText(/ch_one: done/).waitFor()
    assert.equal(pay.effects.length, 1)
    const client = JSON.parse(Buffer.from(sent['passkey'].response.clientDataJSON, 'base64url').toString()) as Json
    assert.equal(client['challenge'], Buffer.from(sent['card'].split(':')[1], 'hex').toString('base64url'))
    const { ok, passkeys } = await verifyStore(`sqlite:${join(where.dir, 'keystay.db')}`)
    assert.deepEqual({ ok, passkeys }, { ok: true, passkeys: { checked: 1, erased: 0 } })
  })

  it('sign no second card by the same word, and no several together', async () => {
    const calls = [await held('two'), await held('three')]
    const { card } = (await gate.admin('dana', 'GET', `/admin/v1/calls/${calls[0]}`)).body
    const replayed = await gate.admin('dana', 'POST', `/admin/v1/calls/${calls[0]}/approve`, { ...sent, card })
    assert.deepEqual([replayed.status, replayed.body.code], [403, 'passkey_required'], replayed.text)
    assert.match(replayed.body.detail, /something else/)
    // Else it would look by itself within two seconds.
    await page.goto(`${new URL(page.url()).origin}/console/`)
    for (const key of ['two', 'three']) await page.getByLabel(`Mark Refund 60.00 USD on ch_${key}`).check()
    assert.equal(await page.getByRole('button', { name: /together/ }).count(), 0)
  })

  it('show that it is still them: what a cookie alone does not', async () => {
    aged(where.dir, 'visits', 'auth_at', 5 * 60_000)
    await page.getByRole('link', { name: 'Dana, finance' }).click()
    await page.getByText('within the last five minutes').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Remove Test <b>laptop</b>' }).isDisabled(), true)
    await page.getByRole('button', { name: 'Confirm with a passkey' }).click()
    await page.getByLabel('Name of a new one').waitFor()
    await page.getByRole('button', { name: 'Remove Test <b>laptop</b>' }).click()
    await page.getByText('You have none.').waitFor()
  })
})
