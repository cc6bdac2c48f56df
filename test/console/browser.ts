import chromium from '@sparticuz/chromium'
import { chromium as playwright } from 'playwright-core'
import type { Browser } from 'playwright-core'

/** A real Chromium, from npm. The package's own arguments would turn web security off: these leave it on. */
export async function openBrowser(): Promise<Browser> {
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu']
  return playwright.launch({ executablePath: await chromium.executablePath(), args, headless: true })
}
