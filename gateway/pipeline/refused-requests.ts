import type { House } from './house.ts'

/** More sources than this in one second are summed up under `*`. */
const SOURCES_MAX = 100

/**
 * Unauthenticated, malformed and shed requests are counted and written as one `requests.refused` entry per second, code
 * and source (I14): a flood of them must not flood the ledger.
 */
export function refusedRequests(house: House): { count(code: string, source: string): void; stop(): Promise<void> } {
  let counts = new Map<string, { code: string; source: string; count: number }>()
  const flush = async (): Promise<void> => {
    const full = [...counts.values()]
    counts = new Map()
    for (const { code, source, count } of full) {
      await house.store
        .write({ op: 'note', kind: 'requests.refused', fields: { code, source, count } })
        .catch((error: unknown) => house.log('refused requests could not be written down', { error: String(error) }))
    }
  }
  const timer = setInterval(() => void flush(), 1000)
  timer.unref()
  return {
    count(code, address) {
      const source = counts.size < SOURCES_MAX ? address : '*'
      const key = `${code} ${source}`
      const sofar = counts.get(key) ?? { code, source, count: 0 }
      counts.set(key, { ...sofar, count: sofar.count + 1 })
    },
    async stop() {
      clearInterval(timer)
      await flush()
    },
  }
}
