import type { Brought, Courier } from '../../../adapters/adapter.ts'
import { waitOf, waits } from '../../core/notice-plan.ts'
import { messageOf, testMessage } from '../../core/notice-words.ts'
import type { Channel, Notice } from '../../core/notice.ts'
import type { House } from '../house.ts'
import { newId } from '../ids.ts'
import { end } from './find.ts'

/** Under way at one channel at a time: one that hangs holds up nobody but itself. */
const AT_ONCE = 4
/** All of one try, from the secret to the answer. */
const TRY_MS = 10_000
/** Who has claimed a notice and says nothing for so long is gone. */
const CLAIM_MS = 30_000

export interface Bringing {
  /** Begins what is due, as far as there is room; does not wait for it. */
  due(): Promise<void>
  test(channel: Channel): Promise<Brought>
  /** One line each. */
  dead(notices: readonly Notice[]): void
  close(drain_ms: number): Promise<void>
}

/** What this process knows of one channel. All of it may be lost at any moment. */
interface Line {
  readonly channel: Channel
  readonly courier: Courier
  readonly underway: Map<string, Promise<void>>
  /** It said that it wants nothing more: it is asked again when the policy says something else of it, or a person wants. */
  gone: boolean
  failing: boolean
  /** What is due is being looked for. */
  looking: boolean
}

export function bringing(house: House, courierOf: (channel: Channel) => Courier): Bringing {
  const lines = new Map<string, Line>()
  const stopped = new AbortController()
  /** Claimed by a process that is gone, where this one is alone. */
  let left: readonly Notice[] | null = null

  const lineOf = (channel: Channel): Line => {
    const text = JSON.stringify(channel)
    const line = lines.get(text) ?? {
      channel,
      courier: courierOf(channel),
      underway: new Map(),
      gone: false,
      failing: false,
      looking: false,
    }
    lines.set(text, line)
    return line
  }
  const forget = (channels: ReadonlyMap<string, Channel>): void => {
    const now = new Set([...channels.values()].map((channel) => JSON.stringify(channel)))
    for (const [text, line] of lines) {
      if (now.has(text) || line.underway.size > 0) continue
      lines.delete(text)
      void line.courier.close()
    }
  }
  const dead = (notices: readonly Notice[]): void => {
    for (const { id, kind, channel, call, tries, said } of notices)
      house.log('a notice came to nobody and is a dead letter', { notice: id, kind, channel, call, tries, said })
  }
  const bring = async (line: Line, notice: Notice): Promise<void> => {
    const again = notice.tries_before > 0 && notice.tries === notice.tries_before + 1
    const brought: Brought =
      line.gone && !again
        ? { kind: 'failed', said: 'it has said 410: it wants nothing more', final: true }
        : await tried(house, line.courier, messageOf(notice, house.adminUrl()), stopped.signal)
    // Nobody knows whether it came: it is due again once the claim is over.
    if (stopped.signal.aborted) return
    house.step('notice.sent')
    line.gone = brought.kind === 'failed' && (line.gone || brought.gone === true)
    if (brought.kind === 'failed' && !line.failing)
      house.log('a channel does not take a notice', { channel: notice.channel, notice: notice.id, said: brought.said })
    line.failing = brought.kind === 'failed'
    const outcome =
      brought.kind === 'delivered' ? brought : { kind: 'failed' as const, again_ms: againIn(house, notice, brought) }
    const { id, call, tries } = notice
    const said = brought.said.slice(0, 300)
    const settled = await house.store.write({
      op: 'notice.settle',
      id,
      call,
      tries,
      outcome: outcome.kind === 'delivered' ? { kind: 'delivered' } : outcome,
      said,
    })
    if (settled.notice?.state === 'dead') dead([settled.notice])
  }
  const begin = async (line: Line): Promise<void> => {
    if (line.looking) return
    line.looking = true
    await claim(line).finally(() => (line.looking = false))
  }
  const claim = async (line: Line): Promise<void> => {
    const { name } = line.channel
    const room = AT_ONCE - line.underway.size
    if (room <= 0) return
    const behind = (left ?? []).filter(({ channel }) => channel === name)
    const found = [...behind, ...(await house.store.told.due(name, house.clock.now(), room))].slice(0, room)
    if (found.length === 0) return
    await endOvers(house, found, dead)
    const taken = new Set(found.map(({ id }) => id))
    const { claimed, dead: missed } = await house.store.write({
      op: 'notice.claim',
      notices: found.map(({ id, call }) => ({ id, call })),
      for_ms: CLAIM_MS,
      alone: !house.store.shared,
    })
    left = (left ?? []).filter(({ id }) => !taken.has(id))
    dead(missed)
    house.step('notice.claimed')
    for (const notice of claimed) {
      const under = bring(line, notice)
        .catch((error: unknown) => {
          if (!house.stopping) house.log('what came of a notice could not be written down', { error: String(error) })
        })
        .finally(() => {
          line.underway.delete(notice.id)
          // Room again: what else is due does not wait for the next look.
          if (!house.stopping) void begin(line).catch(() => {})
        })
      line.underway.set(notice.id, under)
    }
  }

  return {
    async due() {
      const channels = house.policy().notify?.channels ?? new Map<string, Channel>()
      forget(channels)
      if (channels.size > 0) left ??= house.store.shared ? [] : await house.store.told.ofOthers(house.store.owner)
      for (const channel of channels.values()) await begin(lineOf(channel))
    },
    async test(channel) {
      const message = testMessage(newId(house, 'msg'), channel, house.clock.now(), house.adminUrl())
      const line = lineOf(channel)
      const brought = await tried(house, line.courier, message, stopped.signal)
      if (brought.kind === 'delivered') line.gone = false
      return brought
    },
    dead,
    async close(drain_ms) {
      const underway = [...lines.values()].flatMap((line) => [...line.underway.values()])
      if (underway.length > 0) await Promise.race([Promise.allSettled(underway), house.clock.sleep(drain_ms)])
      stopped.abort()
      await Promise.allSettled([...lines.values()].map(({ courier }) => courier.close()))
    },
  }
}

/**
 * Of those that say nothing any more, who was told is told how it ended. They are claimed all the same: what somebody was
 * sending when they died ends there, and is not found due for ever in the place of others.
 */
async function endOvers(
  house: House,
  notices: readonly Notice[],
  dead: (notices: readonly Notice[]) => void,
): Promise<void> {
  const over = new Set<string>()
  for (const { call: id, wait, kind } of notices) {
    const call = kind === 'call.decided' ? null : await house.store.call(id)
    if (call !== null && (!waits(call) || waitOf(call).id !== wait)) over.add(id)
  }
  if (over.size > 0) await end(house, [...over], dead)
}

/** In bounded time, and never a rejection. */
async function tried(
  house: House,
  courier: Courier,
  message: ReturnType<typeof messageOf>,
  stopped: AbortSignal,
): Promise<Brought> {
  const late = new AbortController()
  const timeout = house.clock.sleep(TRY_MS).then((): Brought => {
    late.abort()
    return { kind: 'failed', said: 'no answer in time' }
  })
  const brought = courier.bring(message, AbortSignal.any([late.signal, stopped])).catch((): Brought => {
    return { kind: 'failed', said: 'a fault of ours' }
  })
  return Promise.race([brought, timeout])
}

/** How long until it is tried again; null: it is not. Longer each time, and not at the moment at which everybody else is. */
function againIn(
  house: House,
  { tries, tries_before }: Notice,
  brought: Extract<Brought, { kind: 'failed' }>,
): number | null {
  const wait_ms = house.policy().notify?.retry_ms[tries - tries_before - 1]
  if (brought.final === true || wait_ms === undefined) return null
  const jitter = 0.85 + ((house.random(1)[0] ?? 0) / 255) * 0.3
  return Math.round(Math.max(wait_ms * jitter, brought.after_ms ?? 0))
}
