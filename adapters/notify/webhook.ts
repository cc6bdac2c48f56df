import { Webhook } from 'standardwebhooks'
import type { Channel, Message } from '../../gateway/core/notice.ts'
import { SecretUnavailable } from '../adapter.ts'
import type { Courier } from '../adapter.ts'
import { isPlainAllowed } from './address.ts'
import type { CourierParts } from './couriers.ts'
import { lineTo } from './post.ts'

/** `whsec_` and 24 to 64 bytes in base64 (Standard Webhooks, "Signature scheme"). */
const FORM = /^whsec_([A-Za-z0-9+/]{32,88}={0,2})$/

/**
 * A POST that is signed as Standard Webhooks 1.0 say: `webhook-id` stays over all tries of a notice, so that a receiver
 * knows a repeat; `webhook-timestamp` is of the try; `webhook-signature` has one `v1,` for each secret.
 */
export function webhook(channel: Channel, parts: CourierParts): Courier {
  const line = lineTo(channel, parts)
  const url = new URL(channel.address ?? 'https://invalid.invalid')
  const signers = async (): Promise<Webhook[]> =>
    Promise.all(
      channel.secrets.map(async (ref) => {
        const value = (await parts.secret(ref)).open().trim()
        const bytes = Buffer.from(FORM.exec(value)?.[1] ?? '', 'base64').length
        if (bytes < 24 || bytes > 64)
          throw new SecretUnavailable(ref, `${ref}: it is not whsec_ and 24 to 64 bytes in base64`)
        return new Webhook(value)
      }),
    )
  return {
    async check() {
      if (!isPlainAllowed(url, parts.dev)) return 'plain http: goes to loopback under --dev only'
      return signers().then(() => null, wordsOf)
    },
    async bring(message, signal) {
      if (!isPlainAllowed(url, parts.dev)) return { kind: 'failed', said: 'plain http: is for --dev', final: true }
      const now = new Date()
      const body = bodyOf(message)
      let signature: string
      try {
        signature = (await signers()).map((signer) => signer.sign(message.id, now, body)).join(' ')
      } catch (error) {
        return { kind: 'failed', said: wordsOf(error) }
      }
      return line.post(
        url,
        body,
        {
          'webhook-id': message.id,
          'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
          'webhook-signature': signature,
        },
        signal,
      )
    },
    close: () => line.close(),
  }
}

function bodyOf({ type, at, data }: Message): string {
  return JSON.stringify({ type, timestamp: new Date(at).toISOString(), data })
}

/** Whatever else a source throws may hold anything. */
export function wordsOf(error: unknown): string {
  return error instanceof SecretUnavailable ? error.message : 'the secret cannot be had'
}
