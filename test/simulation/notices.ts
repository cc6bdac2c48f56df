import type { Post } from './channels.ts'
import type { Database } from './database.ts'
import type { EntryRow, Fields } from './entries.ts'
import { isLease } from './leases.ts'
import type { Track, Violated } from './track.ts'

/**
 * Who is told that a call waits (docs/decisions/017), as those who are told see it: each wait is told of, once under one
 * name where nothing was cut, not after it is over, and who was told is told how it ended.
 */
export interface Notices {
  /** An entry of a call, with the state that it has come to. */
  entry(track: Track, row: EntryRow, fields: Fields): void
  posted(post: Post): void
  /** Something that may lose a claim, or what came of it. */
  cut(): void
  /** The clock went forward: what is told of an end is worth telling for a day. */
  skipped(): void
  /** Who was told has not been told the end yet. */
  isWaiting(): boolean
  end(now_ms: number): void
  states(): readonly string[]
}

/** One hold under one card, or one call in doubt. */
interface Wait {
  readonly call: string
  /** As a message has it; null of a call in doubt. */
  readonly expires: string | null
  /** True times. */
  readonly from: number
  over: number
}

/** A look every half second, three times slower in most runs and every four seconds where nothing else happens. */
const LOOK_MS = 6000
/** A claim, a try and a pause. */
const CUT_MS = 60_000

export function notices(database: Pick<Database, 'rows'>, now: () => number, violated: Violated): Notices {
  const waits: Wait[] = []
  const posts: Post[] = []
  /** What a message is about → its ids, and the other way round. */
  const ids = new Map<string, Set<string>>()
  const abouts = new Map<string, string>()
  let cutAt = -Infinity
  let isSkipped = false

  const isCut = (since: number): boolean => cutAt > since - CUT_MS
  const callOf = ({ message }: Post): string => String(message.data['call'])
  const expiresOf = ({ message }: Post): string | null => (message.data['expires_at'] ?? null) as string | null
  const isOf = (post: Post, wait: Wait): boolean => callOf(post) === wait.call && expiresOf(post) === wait.expires

  function over(call: string): void {
    for (const wait of waits) {
      if (wait.call !== call || wait.over !== Infinity) continue
      wait.over = now()
      if (wait.over - wait.from < LOOK_MS || isCut(wait.from)) continue
      if (!posts.some((post) => post.cameAt < Infinity && isOf(post, wait))) {
        violated('notice', `${call} has waited ${wait.over - wait.from} ms, and nobody was told`)
      }
    }
  }

  /** Waits that somebody was told of, and has heard no end of, by channel. */
  function untold(): string[] {
    const told = (wait: Wait, isEnd: boolean): Set<string> =>
      new Set(
        posts.flatMap((post) => {
          const is = (post.message.type === 'call.decided') === isEnd && isOf(post, wait)
          return is && (isEnd ? post.cameAt : post.saidAt) < Infinity ? post.channel : []
        }),
      )
    return waits.flatMap((wait) => {
      if (wait.over === Infinity) return []
      const ends = told(wait, true)
      return [...told(wait, false)].flatMap((channel) => (ends.has(channel) ? [] : `${channel} of ${wait.call}`))
    })
  }

  return {
    entry({ id, action, state }, { kind }, fields) {
      const { expires_at } = fields
      if (kind === 'call.held') {
        over(id)
        waits.push({ call: id, expires: expires_at ?? null, from: now(), over: Infinity })
      } else if (kind === 'call.needs_human') {
        if (!waits.some(({ call, over: ended }) => call === id && ended === Infinity)) {
          waits.push({ call: id, expires: null, from: now(), over: Infinity })
        }
      } else if (kind === 'call.approved' ? isLease(action) : state !== 'held') over(id)
    },
    posted(post) {
      const { id, type } = post.message
      const about = [post.channel, type, callOf(post), expiresOf(post)].join(' ')
      const named = (ids.get(about) ?? new Set()).add(id)
      ids.set(about, named)
      // A call that is held afresh at the same instant is another wait of the same words.
      const waited = waits.filter((wait) => isOf(post, wait)).length
      if (named.size > Math.max(1, waited)) violated('notice', `${about} has the names ${[...named].join()}`)
      if ((abouts.get(id) ?? about) !== about) violated('notice', `${id} is ${about}, and was ${abouts.get(id)}`)
      abouts.set(id, about)
      for (const before of posts) {
        if (before.message.id !== id || isCut(before.at)) continue
        if (before.saidAt < Infinity) violated('notice', `${id} (${about}) was taken, and is sent again`)
        else if (!before.isOver) violated('notice', `${id} (${about}) is sent twice at once`)
      }
      posts.push(post)
      const wait = waits.findLast((one) => isOf(post, one))
      if (type === 'call.decided' || wait === undefined || isCut(wait.from)) return
      if (now() - wait.over > LOOK_MS) violated('notice', `${about} is said ${now() - wait.over} ms after its end`)
    },
    cut: () => void (cutAt = now()),
    skipped: () => void (isSkipped = true),
    isWaiting: () => !isSkipped && untold().length > 0,
    end(now_ms) {
      if (isSkipped) return
      for (const who of untold()) violated('liveness', `${who} was never told how it ended`)
      const late = database.rows<{ id: string; channel: string }>(
        `SELECT id, channel FROM notices WHERE state = 'waiting' AND due_at < ?`,
        now_ms - CUT_MS,
      )
      for (const { id, channel } of late) violated('liveness', `${channel} hears nothing: ${id} is due`)
    },
    states() {
      const underway = posts.some(({ isOver, host }) => !isOver && host.alive)
      const due = waits.some((wait) => wait.over === Infinity && !posts.some((post) => isOf(post, wait)))
      return [...(underway ? ['notice under way'] : []), ...(due ? ['notice due'] : [])]
    },
  }
}
