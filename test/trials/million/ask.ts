import { clientOf } from '../../house/gateway.ts'

export interface Page {
  readonly calls: readonly { readonly [member: string]: unknown }[]
  readonly cursor: string | null
}

/** One person's requests, and how long each takes until its last byte is read, ms. */
export interface Asking {
  get(path: string): Promise<{ readonly ms: number; readonly text: string }>
  page(query: string): Promise<Page & { readonly ms: number }>
}

export async function asking(agentUrl: string, adminUrl: string, account = 'dana'): Promise<Asking> {
  let token = ''
  let signed = -Infinity
  const get: Asking['get'] = async (path) => {
    if (performance.now() - signed > 120_000) {
      token = await clientOf(agentUrl, adminUrl).person(account)
      signed = performance.now()
    }
    const began = performance.now()
    const answer = await fetch(`${adminUrl}${path}`, { headers: { authorization: `Bearer ${token}` } })
    const text = await answer.text()
    const ms = performance.now() - began
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${text}`)
    return { ms, text }
  }
  return {
    get,
    async page(query) {
      const { ms, text } = await get(`/admin/v1/calls?${query}`)
      return { ...(JSON.parse(text) as Page), ms }
    },
  }
}

/** The first call that a filter finds, on whichever page. */
export async function first(asked: Asking, query: string): Promise<Page['calls'][number] | undefined> {
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Page = await asked.page(`${query}&limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`)
    if (page.calls[0] !== undefined) return page.calls[0]
    cursor = page.cursor
  }
  return undefined
}

export interface Walked {
  readonly pages: number
  readonly found: number
  readonly worst_ms: number
  readonly all_ms: number
  readonly isWhole: boolean
}

/** Page after page, as who sums a whole filter does. */
export async function walk(asked: Asking, query: string, pages_max = Infinity): Promise<Walked> {
  let [pages, found, worst_ms, all_ms] = [0, 0, 0, 0]
  for (let cursor: string | null | undefined; cursor !== null && pages < pages_max;) {
    const page = await asked.page(`${query}&limit=500${cursor === undefined ? '' : `&cursor=${cursor}`}`)
    pages++
    found += page.calls.length
    worst_ms = Math.max(worst_ms, page.ms)
    all_ms += page.ms
    cursor = page.cursor
    if (cursor === null) return { pages, found, worst_ms, all_ms, isWhole: true }
  }
  return { pages, found, worst_ms, all_ms, isWhole: false }
}

export interface Spans {
  readonly median: number
  readonly p95: number
  readonly max: number
}

export function spansOf(all: readonly number[]): Spans {
  const sorted = all.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
  return { median: at(0.5), p95: at(0.95), max: at(1) }
}
