import { randomFrom } from '../../simulation/random.ts'
import { startRacingBank } from './bank.ts'
import { COMBINATIONS } from './combinations.ts'
import { files } from './company.ts'
import { openGates } from './gates.ts'
import { judge } from './oracle.ts'
import type { Judged } from './oracle.ts'
import { startTrack } from './track.ts'

export interface Races {
  readonly store: 'sqlite' | 'postgres'
  readonly processes: boolean
  readonly races: number
  readonly seed: number
  /** Parts of the names of those that are run; all unless said. */
  readonly only?: readonly string[]
  readonly said?: (line: string) => void
}

export interface Raced {
  /** Combination → outcome → how often. */
  readonly won: ReadonlyMap<string, ReadonlyMap<string, number>>
  readonly judged: Judged
  /** Empty, or it failed: what is wrong, and which side of which combination never won. */
  readonly wrong: readonly string[]
}

/** At the same time, in one round of a combination: more of them would wait for each other and race no more. */
const ROUND = 32

export async function race({ store, processes, races, seed, only, said = () => {} }: Races): Promise<Raced> {
  const bank = await startRacingBank()
  const backends = `backends:
  pay: { adapter: http, url: "${bank.url}", auth: { bearer: "env://KEYSTAY_TEST_KEY" }, private: true, timeout: 5s, lands_within: 200ms,
    idempotency: { header: Idempotency-Key, lives: 24h }, request_id: Request-Id, breaker: { open_after: 100%, of: 10000, for: 1s } }
`
  const gates = await openGates({ store, processes, files: { ...files(), 'backends.yaml': backends } })
  const track = startTrack(gates, bank, randomFrom(seed))
  const chosen = COMBINATIONS.filter(({ name }) => only === undefined || only.some((part) => name.includes(part)))
  const shares = chosen.reduce((sum, { share }) => sum + share, 0)
  const won = new Map<string, Map<string, number>>()
  const wrong: string[] = []
  try {
    for (const { name, sides, share, run } of chosen) {
      const outcomes = new Map<string, number>()
      won.set(name, outcomes)
      let left = Math.ceil((races * share) / shares)
      while (left > 0) {
        const all = await run(track, Math.min(left, ROUND))
        for (const outcome of all) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        left -= all.length
      }
      said(`${name}: ${[...outcomes].map(([outcome, times]) => `${outcome} ${times}`).join(', ')}`)
      for (const side of sides)
        if (!outcomes.has(side)) wrong.push(`${name}: never won by ${side}, so it shows nothing`)
    }
    await gates.stop()
    const judged = await judge(gates.store, bank, track.clicks)
    return { won, judged, wrong: [...judged.wrong, ...wrong] }
  } finally {
    await gates.close()
    await bank.close()
  }
}
