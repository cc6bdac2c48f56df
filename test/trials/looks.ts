import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page, Route } from 'playwright-core'
import { loadPolicy } from '../../gateway/policy-dir.ts'
import { ledgerKey } from '../../gateway/secrets/ledger-key.ts'
import { startLying } from '../backends/lying.ts'
import { openBrowser } from '../console/browser.ts'
import { faultsOf, LOOKS, nameOf, visits } from '../console/visits.ts'
import { ROOT } from '../demo/demo.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { writeMillion } from './million/company.ts'
import { writeCalls } from './million/write.ts'

/**
 * `node test/trials/looks.ts`: every page of the console, empty, while it loads, when it fails, with 10,000 calls, and with
 * hostile, long and right-to-left words, in four looks: what axe finds, what is wider than the screen, how long the first
 * rows and a scroll take. Pictures go to coverage/screenshots. Ends with 1 when anything was found.
 */
const SHOTS = join(ROOT, 'coverage', 'screenshots')
const CALLS = 10_000
const HOSTILE = '\u202Eevil <script>alert(1)</script> =HYPERLINK("x") مرحبا بالعالم هذا نص طويل ' + 'long'.repeat(90)

type Address = readonly [page: string, path: string, ready: string]
const found: string[] = []
let count = 0

await mkdir(SHOTS, { recursive: true })
const browser = await openBrowser()
const pay = await startLying()
try {
  await inHouse('empty', async (gate) => {
    await look(gate, 'empty', [
      ['approvals', '', 'No held calls.'],
      ['calls', 'calls', 'No calls yet.'],
      ['call', 'calls/call_00000000000000000000000000', 'no_such_call'],
      ['roles', 'roles', 'No live session.'],
      ['policy', 'policy', 'decides'],
      ['nowhere', 'nowhere', 'There is no such page.'],
    ])
  })
  await inHouse('words', async (gate) => {
    const token = await gate.token()
    const refund = { charge: `ch_${'x'.repeat(64)}`, amount: 6000, note: HOSTILE.slice(0, 480) }
    const call = (await gate.call(token, 'pay.refund', refund, 'hostile')).body.call as string
    const other = (await gate.call(token, 'pay.refund', { ...refund, amount: 90_000 }, 'denied')).body.call as string
    await gate.admin('sam', 'PUT', '/admin/v1/switches/action%3Ablind.note', {
      on: true,
      reason: HOSTILE.slice(0, 400),
    })
    await look(gate, 'words', [
      ['approvals', `?call=${call}`, 'Why held'],
      ['calls', 'calls?q=x', 'Shown, newest'],
      ['call', `calls/${other}`, 'Timeline'],
      ['roles', 'roles', 'action:blind.note is on'],
      ['policy', 'policy', 'decides'],
    ])
    const pages: Address[] = [
      ['approvals', `?call=${call}`, ''],
      ['calls', 'calls', ''],
      ['call', `calls/${call}`, ''],
      ['roles', 'roles', ''],
      ['policy', 'policy', ''],
    ]
    // Who is there is known; all else is on its way, or fails.
    const others = /\/admin\/v1\/(?!me$)/
    await look(
      gate,
      'loading',
      pages.map(([page, path]) => [page, path, 'Fetching']),
      others,
      () => new Promise(() => {}),
    )
    await look(
      gate,
      'error',
      pages.map(([page, path]) => [page, path, 'No answer']),
      others,
      (route) => route.abort(),
    )
    const whole: Address[] = [['whole', '', 'No answer']]
    await look(gate, 'error', whole, /\/admin\/v1\/me$/, (route) => route.abort())
  })
  await inHouse('many', async (gate) => {
    const { calls } = (await gate.admin('dana', 'GET', '/admin/v1/calls?status=held&limit=1')).body
    await look(gate, 'many', [
      ['approvals', `?call=${calls[0].call}`, 'Why held'],
      ['calls', 'calls', 'Older'],
      ['call', `calls/${calls[0].call}`, 'Timeline'],
      ['roles', 'roles', 'agent-39'],
      ['policy', 'policy', 'decides'],
    ])
    const page = await visits(browser, gate.running).at('omar', 'calls')
    const began = performance.now()
    await page.getByRole('button', { name: 'Sum of the whole filter' }).click()
    await page.getByText(`The whole filter: ${CALLS} calls`).waitFor()
    console.log(`the sum of ${CALLS} calls, page by page: ${Math.round(performance.now() - began)} ms`)
  })
} finally {
  await browser.close()
  await pay.close()
}
for (const fault of found) console.log(fault)
console.log(`${count} pages looked at, ${found.length} faults; pictures in ${SHOTS}`)
process.exitCode = found.length === 0 ? 0 : 1

/** A company of its own; `many` is a large one, with 10,000 calls of the last ninety days in its ledger. */
async function inHouse(state: 'empty' | 'words' | 'many', work: (gate: House) => Promise<void>): Promise<void> {
  const where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
  try {
    if (state === 'many') {
      const [dir, policies] = [join(where.dir, 'large'), join(where.dir, 'large', 'policies')]
      await writeMillion(policies, pay.url)
      const loaded = await loadPolicy(policies)
      if (!loaded.ok) throw new Error(JSON.stringify(loaded.findings.slice(0, 3)))
      const file = join(dir, 'keystay.db')
      const { privateKey } = await ledgerKey(`file://${file}.ledger-key`)
      const signer = { name: 'keystay.ledger', privateKey }
      await writeCalls(file, loaded.policy, signer, { calls: CALLS, until: Date.now() - 60_000 }, () => {})
      return await served({ dir, policies }, work)
    }
    const backends = join(where.policies, 'backends.yaml')
    await writeFile(backends, (await readFile(backends, 'utf8')).replaceAll('timeout: 500ms', 'timeout: 5s'))
    await served(where, work)
  } finally {
    await where.remove()
  }
}

async function served(where: { dir: string; policies: string }, work: (gate: House) => Promise<void>): Promise<void> {
  const gate = await house(where)
  await work(gate).finally(() => gate.stop())
}

async function look(
  { running }: House,
  state: string,
  pages: readonly Address[],
  meets?: RegExp,
  answer: (route: Route) => Promise<unknown> = async () => {},
): Promise<void> {
  const people = visits(browser, running)
  for (const one of LOOKS) {
    for (const [name, path, ready] of pages) {
      const page = await people.at('dana', '', one)
      if (meets !== undefined) await page.route(meets, answer)
      const began = performance.now()
      await page.goto(`${running.adminUrl}/console/${path}`)
      await page.getByText(ready).first().waitFor()
      const shown_ms = Math.round(performance.now() - began)
      found.push(...(await faultsOf(page)).map((fault) => `${state} ${nameOf(one)}: ${fault}`))
      await page.screenshot({ path: join(SHOTS, `${name}-${state}-${nameOf(one)}.png`), fullPage: state !== 'many' })
      if (state === 'many') console.log(`${name} ${nameOf(one)}: shown in ${shown_ms} ms, ${await smoothness(page)}`)
      count++
      await page.context().close()
    }
  }
  found.push(...people.complaints)
}

/** The longest frame while the page is scrolled to its end and back. */
async function smoothness(page: Page): Promise<string> {
  const longest = await page.evaluate(`new Promise((resolve) => {
    let last = performance.now(), longest = 0, n = 0
    const step = () => {
      const now = performance.now()
      longest = Math.max(longest, now - last)
      last = now
      window.scrollTo(0, n % 2 === 0 ? document.body.scrollHeight : 0)
      if (n++ < 60) requestAnimationFrame(step)
      else resolve(Math.round(longest))
    }
    requestAnimationFrame(step)
  })`)
  return `longest frame of a scroll ${String(longest)} ms`
}
