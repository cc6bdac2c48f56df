import type { Reply } from '../../gateway/pipeline/gateway.ts'
import type { Database } from './database.ts'
import { isOpen } from './track.ts'
import type { Track, Violated } from './track.ts'

/** A request that names no effect: who asks, in the words that travel to the backend, and what an SDK made up for it. */
export interface Unnamed {
  readonly client: string
  /** The same for each repeat of this request; null: it has none, and cannot be repeated. */
  readonly key: string | null
  /** True time of its first send, ms. */
  readonly sent: number
}

/**
 * What equal requests without a key of their own come to, as whoever asks can see it (docs/decisions/009): while an equal
 * call is open, or its end was told to nobody, there is no other; a made-up key is one request for ever; who asks after an
 * answer gets work of its own.
 */
export interface Joins {
  /** A call was held or began; nobody knows of it yet. */
  opened(track: Track): void
  /** It was denied at once: no name that has a call is told that. */
  denied(track: Track): void
  /** The corridor has answered, and nothing of it has left yet. */
  answers(asked: Unnamed, reply: Reply): void
  /** The answer has left its process. */
  left(asked: Unnamed, reply: Reply): void
  /** Something that may lose a mark in the ledger, or the time by which it counts. */
  cut(): void
  /** `owed`: somebody is to be told; `telling`: an answer is on its way. */
  states(): readonly string[]
}

/** Of one call that requests without a key may have asked for. */
interface Asked {
  readonly track: Track
  /** Somebody without a key has asked for it, for all that can be seen. */
  isUnnamed: boolean
  /** True time at which its end left for somebody without a key. */
  toldAt: number
}

/** Equal requests travel under a name that ends so: whatever happens more than once under it is judged here. */
const SAME = /\/same-\d+$/
/** A mark that nobody follows up counts so long (10 s), with what may lie in front of it. */
const MARK_MS = 15_000

export function isSame(client: string): boolean {
  return SAME.test(client)
}

export function joins(database: Pick<Database, 'rows'>, now: () => number, violated: Violated): Joins {
  /** By what their requests say: equal ones. */
  const calls = new Map<string, Asked[]>()
  const byId = new Map<string, Asked>()
  /** Which call a key was told to be, or made. */
  const keys = new Map<string, Track>()
  let cutAt = -Infinity

  const isFree = ({ state }: Track): boolean => state === 'not_sent'

  function wordsOf(call: string): [client: string, key: string | null] {
    const [row] = database.rows<{ key: string | null; input: string | null }>(
      'SELECT key, input FROM calls JOIN bodies ON bodies.call = calls.id WHERE calls.id = ?',
      call,
    )
    return [String((JSON.parse(row?.input ?? '{}') as { client?: string }).client), row?.key ?? null]
  }

  function named(client: string, key: string, track: Track): void {
    // Of what was not sent nothing is left to name.
    if (isFree(track)) return
    const name = `${client} ${key}`
    const before = keys.get(name)
    if (before !== undefined && before !== track && !isFree(before)) {
      violated('I2', `${name} is ${before.id} (${before.state}), and now it is ${track.id}`)
    }
    keys.set(name, track)
  }

  return {
    opened(track) {
      const [client, key] = wordsOf(track.id)
      if (!isSame(client)) return
      const isUnnamed = key === null || key.startsWith('sdk-')
      const before = calls.get(client) ?? []
      const here = { track, isUnnamed, toldAt: Infinity }
      calls.set(client, [...before, here])
      byId.set(track.id, here)
      if (key !== null) named(client, key, track)
      if (!isUnnamed) return
      for (const { track: other, isUnnamed: wasAsked, toldAt } of before) {
        if (isOpen(other))
          violated('I2', `${track.id} is opened, and ${other.id} (${other.state}) is the same for ${client}`)
        else if (wasAsked && toldAt === Infinity && !isFree(other)) {
          violated('I2', `${track.id} is opened, and of ${other.id} (${other.state}) nobody was told: ${client}`)
        }
      }
    },
    denied(track) {
      const [client, key] = wordsOf(track.id)
      const bound = key === null ? undefined : keys.get(`${client} ${key}`)
      if (bound === undefined || isFree(bound)) return
      violated('I9', `${client} ${key} is ${bound.id} (${bound.state}), and was denied as ${track.id}`)
    },
    answers({ client, key, sent }, { envelope }) {
      const asked = byId.get(envelope.call)
      // A no at once is no call that anybody joins.
      if (asked === undefined) return
      const isKnown = key !== null && keys.get(`${client} ${key}`) === asked.track
      asked.isUnnamed = true
      if (key !== null) named(client, key, asked.track)
      if (isKnown || asked.toldAt >= sent || cutAt > asked.toldAt - MARK_MS) return
      violated('I2', `${client} was told of ${envelope.call} again: it was sent after the answer`)
    },
    left(_asked, { envelope }) {
      const asked = byId.get(envelope.call)
      if (asked === undefined || isOpen(asked.track)) return
      if (!['held', 'running', 'unknown', 'needs_human'].includes(envelope.status)) {
        asked.toldAt = Math.min(asked.toldAt, now())
      }
    },
    cut: () => void (cutAt = now()),
    states() {
      const rows = database.rows<{ join: string | null; state: string }>(
        `SELECT json_extract(data, '$.join') AS "join", state FROM calls WHERE joins IS NOT NULL`,
      )
      const over = rows.filter(
        ({ state }) => !['held', 'intent', 'executing', 'unknown', 'needs_human'].includes(state),
      )
      return [...new Set(over.flatMap(({ join }) => (join === 'owed' || join === 'telling' ? [join] : [])))]
    },
  }
}
