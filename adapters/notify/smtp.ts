import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Channel, Message } from '../../gateway/core/notice.ts'
import { isLoopback } from '../../gateway/core/policy/backends.ts'
import { SecretUnavailable } from '../adapter.ts'
import type { Brought, Courier, Secret } from '../adapter.ts'
import { checkedLookup, refusedLiteral } from '../egress.ts'
import type { CourierParts } from './couriers.ts'
import { connectReason } from './post.ts'
import { wordsOf } from './webhook.ts'

const CONNECT_MS = 5000
const ANSWER_MS = 8000

/**
 * Mail, as text alone, over TLS from the first byte (`smtps:`) or from STARTTLS on (`smtp:`, RFC 3207), which a server must
 * offer. To loopback under --dev it goes as it is.
 */
export function smtp(channel: Channel, parts: CourierParts): Courier {
  const url = new URL(channel.address ?? 'smtps://invalid.invalid')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const secure = url.protocol === 'smtps:'
  const port = Number(url.port) || (secure ? 465 : 587)
  const plain = !secure && parts.dev && isLoopback(host)
  const password = async (): Promise<Secret | null> => {
    const [ref] = channel.secrets
    return ref === undefined ? null : parts.secret(ref)
  }
  return {
    check: () => password().then(() => null, wordsOf),
    async bring(message, signal) {
      let shown: Secret | null = null
      let socket: Socket | undefined
      try {
        shown = await password()
        // Few send mail: the others start faster without it.
        const { createTransport } = await import('nodemailer')
        const stream = await connected(host, port, channel, parts, signal)
        socket = stream
        const transport = createTransport({
          host,
          port,
          secure,
          requireTLS: !plain,
          ignoreTLS: plain,
          tls: { rejectUnauthorized: true, ...(parts.ca === undefined ? {} : { ca: parts.ca }) },
          ...(shown === null || channel.user === null ? {} : { auth: { user: channel.user, pass: shown.open() } }),
          // What was checked is what is called: it looks no name up itself.
          getSocket: (_options: unknown, callback: (error: Error | null, socket: object) => void) =>
            callback(null, { connection: stream }),
          connectionTimeout: CONNECT_MS,
          greetingTimeout: CONNECT_MS,
          socketTimeout: ANSWER_MS,
          disableFileAccess: true,
          disableUrlAccess: true,
        })
        const sent = await ended(transport.sendMail(mailOf(channel, message)), signal)
        const missed = sent.rejected.length
        const but = missed === 0 ? '' : `, but refused for ${missed} of ${channel.to.length} addresses`
        return { kind: 'delivered', said: `${codeOf(sent.response) ?? 250}${but}` }
      } catch (error) {
        const failed = failureOf(error)
        if (shown !== null && (error as { code?: unknown }).code === 'EAUTH') parts.refused?.(shown)
        return failed
      } finally {
        socket?.destroy()
      }
    },
    close: async () => {},
  }
}

/** Every mail about one wait names the first: a mail program shows them as one. RFC 3834, section 5: no machine answers it. */
function mailOf({ from, to }: Channel, { id, thread, title, lines, link, at }: Message) {
  const domain = from?.split('@')[1] ?? 'keystay.invalid'
  const named = (name: string): string => `<${name}@${domain}>`
  return {
    from: { name: 'Keystay', address: from ?? '' },
    to: to.map((address) => ({ name: '', address })),
    subject: title,
    text: [title, '', ...lines.map(([label, value]) => `${label}: ${value}`), '', link, ''].join('\n'),
    date: new Date(at),
    messageId: named(id),
    ...(thread === null ? {} : { inReplyTo: named(thread), references: named(thread) }),
    headers: { 'Auto-Submitted': 'auto-generated' },
  }
}

function connected(
  host: string,
  port: number,
  channel: Channel,
  { lookup }: CourierParts,
  signal: AbortSignal,
): Promise<Socket> {
  const refused = refusedLiteral(host, channel.private)
  if (refused !== null) return Promise.reject(refused)
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, lookup: checkedLookup(channel.private, lookup), timeout: CONNECT_MS, signal })
    const late = (): void => void socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }))
    socket.once('timeout', late)
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.off('timeout', late)
      socket.setTimeout(0)
      // Until the transport listens itself.
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}

/** The transport's own times bound each step; this bounds all of them. */
async function ended<T>(sending: Promise<T>, signal: AbortSignal): Promise<T> {
  sending.catch(() => {})
  const late = Promise.withResolvers<never>()
  const stop = (): void => late.reject(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }))
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop)
  try {
    return await Promise.race([sending, late.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** RFC 5321, section 4.2.1: 5yz is final, 4yz is not. What the server wrote beside it is not repeated. */
function failureOf(error: unknown): Brought {
  if (error instanceof SecretUnavailable) return { kind: 'failed', said: error.message }
  const failed = (error ?? {}) as { code?: unknown; originalCode?: unknown; responseCode?: unknown }
  const { responseCode, code = null } = failed
  const status = typeof responseCode === 'number' && responseCode >= 400 && responseCode < 600 ? responseCode : null
  if (code === 'EAUTH') return { kind: 'failed', said: `the sign-in was refused (${status ?? 'EAUTH'})` }
  if (code === 'ETLS') return { kind: 'failed', said: 'TLS could not be begun (ETLS)' }
  if (status === null) return { kind: 'failed', said: connectReason(failed.originalCode ?? code) }
  return { kind: 'failed', said: String(status), ...(status >= 500 ? { final: true as const } : {}) }
}

function codeOf(response: unknown): string | null {
  return typeof response === 'string' ? (/^\d{3}/.exec(response)?.[0] ?? null) : null
}
