import { AxeBuilder } from '@axe-core/playwright'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { Running } from '../../gateway/main.ts'

/** How a page is looked at. */
export interface Look {
  readonly width: 320 | 1280
  readonly dark: boolean
}

export const LOOKS: readonly Look[] = [
  { width: 1280, dark: false },
  { width: 320, dark: true },
  { width: 1280, dark: true },
  { width: 320, dark: false },
]

export function nameOf({ width, dark }: Look): string {
  return `${dark ? 'dark' : 'light'}-${width}`
}

/** People at their browsers. */
export interface Visits {
  /** Contexts that are open; a test closes its own. */
  readonly contexts: BrowserContext[]
  /** What a page said that it should not, or asked elsewhere for. */
  readonly complaints: string[]
  /** A page of this account, in a browser of its own that is signed in; the link is used once, and its cookie after that. */
  page(account: string, look?: Partial<Look>): Promise<Page>
  /** The same, at this address of the console and with its heading there. */
  at(account: string, path: string, look?: Partial<Look>): Promise<Page>
}

export function visits(browser: Browser, running: Running): Visits {
  const contexts: BrowserContext[] = []
  const complaints: string[] = []
  const states = new Map<string, Awaited<ReturnType<BrowserContext['storageState']>>>()
  const open = async (account: string, { width = 1280, dark = false }: Partial<Look>) => {
    const state = states.get(account)
    const context = await browser.newContext({
      // The container has no locale of its own.
      locale: 'en-US',
      viewport: { width, height: 900 },
      colorScheme: dark ? 'dark' : 'light',
      reducedMotion: 'reduce',
      ...(state === undefined ? {} : { storageState: state }),
    })
    contexts.push(context)
    if (state === undefined) {
      const answer = await context.request.get(running.signInLink(account) ?? '', { maxRedirects: 0 })
      if (answer.status() >= 400) throw new Error(`${account} cannot sign in: ${await answer.text()}`)
      states.set(account, await context.storageState())
    }
    const page = await context.newPage()
    watch(page, running, complaints)
    return page
  }
  const at = async (account: string, path: string, look: Partial<Look> = {}) => {
    const page = await open(account, look)
    await page.goto(`${running.adminUrl}/console/${path}`)
    await page.getByRole('heading', { level: 1 }).waitFor()
    return page
  }
  return { contexts, complaints, page: (account, look = {}) => at(account, '', look), at }
}

/** Nothing may fail on a page, and nothing may be asked of another origin than these. */
export function watch(page: Page, { adminUrl }: Running, complaints: string[], others: readonly string[] = []): void {
  page.on('pageerror', ({ message }) => complaints.push(message))
  page.on('console', (line) => {
    // Chromium tells of each refused request; those are answers, and looked at by the tests.
    if (line.type() === 'error' && !line.text().startsWith('Failed to load resource')) complaints.push(line.text())
  })
  page.on('request', (request) => {
    const url = request.url()
    if (![adminUrl, ...others].some((origin) => url.startsWith(`${origin}/`))) complaints.push(`asked ${url}`)
  })
}

/** What axe finds on the page as it stands, and whether it is wider than the screen. */
export async function faultsOf(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  const wide = Number(
    await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'),
  )
  return [
    ...violations.map(({ id, nodes }) => `${page.url()}: ${id}: ${nodes.map(({ html }) => html).join(' | ')}`),
    ...(wide > 0 ? [`${page.url()} is ${wide} px too wide`] : []),
  ]
}
