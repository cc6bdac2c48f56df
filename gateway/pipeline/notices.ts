import type { Courier } from '../../adapters/adapter.ts'
import type { Channel } from '../core/notice.ts'
import type { House } from './house.ts'
import { bringing } from './notices/bring.ts'
import { finding } from './notices/find.ts'
import { noticesGateway } from './notices/people.ts'
import type { NoticesGateway } from './notices/people.ts'

/** How often it is looked who is to be told. */
const EVERY_MS = 500

export interface OpenNotices {
  readonly gateway: NoticesGateway
  /** Nothing new is sent; what is under way may end. What has not by then is due again at the next start. */
  stop(drain_ms: number): Promise<void>
}

/**
 * Tells people what waits for them. No call waits for this: what is to be told is derived from the ledger after its commit,
 * kept in the store, and sent by whichever process claims it. Whatever goes wrong here changes nothing of a call.
 *
 * @param courier of a channel of the policy; it is kept as long as the policy says the same of the channel.
 */
export function openNotices(house: House, courier: (channel: Channel) => Courier, every_ms = EVERY_MS): OpenNotices {
  const bring = bringing(house, courier)
  const find = finding(house, bring.dead)
  let busy: Promise<void> | null = null
  let failed = false
  const look = async (): Promise<void> => {
    // An old copy of the ledger would tell what was told and decided long ago.
    if (house.restored != null) return
    await find()
    await bring.due()
    failed = false
  }
  const timer = setInterval(() => {
    if (busy !== null || house.stopping) return
    busy = look()
      .catch((error: unknown) => {
        if (!failed) house.log('notices could not be looked after', { error: String(error) })
        failed = true
      })
      .finally(() => (busy = null))
  }, every_ms)
  timer.unref()
  return {
    gateway: noticesGateway(house, bring.test),
    async stop(drain_ms) {
      clearInterval(timer)
      await busy
      await bring.close(drain_ms)
    },
  }
}
