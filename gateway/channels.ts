import { courierOf } from '../adapters/notify/couriers.ts'
import type { CourierParts } from '../adapters/notify/couriers.ts'
import type { Courier } from '../adapters/adapter.ts'
import type { Channel } from './core/notice.ts'
import type { Policy } from './core/types.ts'

export interface Channels {
  readonly courier: (channel: Channel) => Courier
  /**
   * Fetches what is secret of the channels that the policy before did not have like this: a wrong name is told now, and
   * not by a hold that nobody hears of.
   * @returns what to say of the first that cannot be used, or null
   */
  readonly check: (policy: Pick<Policy, 'notify'>, before?: Pick<Policy, 'notify'>) => Promise<string | null>
}

/** The channels of a policy, by couriers that share one network. */
export function channels(parts: CourierParts): Channels {
  const courier = (channel: Channel): Courier => courierOf(channel, parts)
  return {
    courier,
    async check({ notify }, before) {
      const old = new Set([...(before?.notify?.channels.values() ?? [])].map((channel) => JSON.stringify(channel)))
      for (const channel of notify?.channels.values() ?? []) {
        if (old.has(JSON.stringify(channel))) continue
        const made = courier(channel)
        const wrong = await made.check()
        await made.close()
        if (wrong !== null) return `channel ${channel.name}: ${wrong}`
      }
      return null
    },
  }
}
