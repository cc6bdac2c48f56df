import type { Brought, Courier } from '../../adapters/adapter.ts'
import type { Channel, Message } from '../../gateway/core/notice.ts'
import type { Fault, Profile } from './faults.ts'
import type { Random } from './random.ts'
import { hostNow } from './time.ts'
import type { Host, Time } from './time.ts'

/** A message on its way to a channel, and what came of it there. */
export interface Post {
  readonly host: Host
  readonly channel: string
  readonly message: Message
  /** True times, ms. */
  readonly at: number
  /** Whoever receives it has it. */
  cameAt: number
  /** Whoever sent it was told so, in time. */
  saidAt: number
  isOver: boolean
}

export interface ChannelParts {
  readonly time: Time
  readonly random: Random
  readonly profile: Profile
  readonly posted: (post: Post) => void
  readonly struck: (fault: Fault) => void
  readonly trace: (line: string) => void
}

/** All of one try. */
const TRY_MS = 10_000

/** Where people read what they are told: a receiver that takes a message, or not, and says so, or not. */
export function openChannels(parts: ChannelParts): (channel: Channel) => Courier {
  const { time, random, profile, posted, struck, trace } = parts

  function strikes(fault: Fault, probability: number): boolean {
    if (!profile.strikes(fault, probability)) return false
    struck(fault)
    return true
  }
  function comes(post: Post): void {
    post.cameAt = time.now()
    trace(`${post.channel}: ${post.message.type} of ${String(post.message.data['call'])} (${post.message.id})`)
  }

  return ({ name }) => ({
    check: async () => null,
    close: async () => {},
    async bring(message, signal): Promise<Brought> {
      const host = hostNow()
      if (host === null) throw new Error('a notice of nobody')
      const post: Post = {
        host,
        channel: name,
        message,
        at: time.now(),
        cameAt: Infinity,
        saidAt: Infinity,
        isOver: false,
      }
      posted(post)
      if (strikes('notice fails', 0.25)) {
        await time.after(random.between(1, 60), host)
        post.isOver = true
        return { kind: 'failed', said: '500' }
      }
      const quick = random.between(1, 60)
      if (strikes('notice hangs', 0.1)) {
        // What was sent may come all the same.
        if (random.chance(0.5)) time.at(time.now() + quick, () => comes(post))
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
        post.isOver = true
        return { kind: 'failed', said: 'no answer in time' }
      }
      await time.after(quick, host)
      comes(post)
      const isSlow = strikes('notice slow', 0.15)
      await time.after(isSlow ? random.pick([500, 3000, 8000]) : random.between(1, 20), host)
      post.isOver = true
      if (strikes('answer lost', 0.15)) return { kind: 'failed', said: 'the connection was reset' }
      // A process that stood still has given the try up by then.
      if (time.now() - post.at < TRY_MS) post.saidAt = time.now()
      return { kind: 'delivered', said: '204' }
    },
  })
}
