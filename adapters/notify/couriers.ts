import type { Channel } from '../../gateway/core/notice.ts'
import type { Courier, SecretSource } from '../adapter.ts'
import type { Lookup } from '../egress.ts'
import { slack } from './slack.ts'
import { smtp } from './smtp.ts'
import { teams } from './teams.ts'
import { webhook } from './webhook.ts'

/** What a courier is made with. The network is as a test may bring it: its own names, its own certificate authority (PEM). */
export interface CourierParts {
  readonly secret: SecretSource
  /** Told which password a server refused: it may have been rotated. */
  readonly refused?: (secret: Awaited<ReturnType<SecretSource>>) => void
  /** Plain http: and plain SMTP go to loopback, and only then. */
  readonly dev: boolean
  readonly lookup?: Lookup
  readonly ca?: string
}

const KINDS: {
  readonly [kind in Channel['kind']]: (channel: Channel, parts: CourierParts) => Courier
} = { webhook, smtp, slack, teams }

/** The courier of a channel. Nothing is connected before something is to be brought. */
export function courierOf(channel: Channel, parts: CourierParts): Courier {
  return KINDS[channel.kind](channel, parts)
}
