import type { Channel, Message } from '../../gateway/core/notice.ts'
import type { Courier } from '../adapter.ts'
import { secretAddress } from './address.ts'
import type { CourierParts } from './couriers.ts'
import { lineTo } from './post.ts'
import type { Judge } from './post.ts'
import { wordsOf } from './webhook.ts'

/** A chat's incoming webhook: whoever knows the address may write there, so the address is the secret. */
export function posting(
  channel: Channel,
  parts: CourierParts,
  bodyOf: (message: Message) => object,
  judge?: Judge,
): Courier {
  const line = lineTo(channel, parts)
  const address = async (): Promise<URL> => {
    const [ref = ''] = channel.secrets
    return secretAddress(await parts.secret(ref), parts.dev)
  }
  return {
    check: () => address().then(() => null, wordsOf),
    async bring(message, signal) {
      try {
        return await line.post(await address(), JSON.stringify(bodyOf(message)), {}, signal, judge)
      } catch (error) {
        return { kind: 'failed', said: wordsOf(error) }
      }
    },
    close: () => line.close(),
  }
}
