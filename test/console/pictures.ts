import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { prepareDemo, interrupt, ROOT, startProcess } from '../demo/demo.ts'
import { openBrowser } from './browser.ts'

/**
 * `node test/console/pictures.ts`: the pictures of README.md and docs/console.md, made anew from the demo as it is, by a
 * browser: 1280 px wide, in light and dark. test/console/pictures.test.ts says which there are, and how large.
 */
const demo = await prepareDemo()
const gateway = demo.start()
const browser = await openBrowser()
try {
  const link = /console {4}(\S+)/.exec(await gateway.until('npm run agent'))?.[1] ?? ''
  await startProcess(['deploy/demo/agent.ts', '--no-wait'], demo.env).ended
  await startProcess(['deploy/demo/agent.ts', '--hold'], demo.env).ended
  const base = `${demo.env['KEYSTAY_ADMIN_URL']}/console/`
  const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 900 } })
  const page = await context.newPage()
  const keep = async (name: string, height: number) => {
    const clip = { x: 0, y: 0, width: 1280, height }
    await writeFile(join(ROOT, 'docs', name), await page.screenshot({ clip, animations: 'disabled' }))
  }
  await page.setViewportSize({ width: 1280, height: 1300 })
  await page.goto(link)
  await page.getByRole('button', { name: 'Refund 120.00 USD on ch_Demo00000003' }).click()
  await page.getByRole('button', { name: 'Approve 120.00 USD', exact: true }).waitFor()
  await keep('console-card.png', 1250)
  await page.goto(`${base}calls`)
  await page.getByRole('row', { name: /denied/ }).waitFor()
  await keep('console-calls.png', 660)
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.goto(`${base}roles`)
  await page.getByText('daily of stripe.refund').first().waitFor()
  await keep('console-roles-dark.png', 880)
} finally {
  await browser.close()
  await interrupt(gateway)
  await demo.remove()
}
