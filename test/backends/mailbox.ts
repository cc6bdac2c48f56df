import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

export interface Mail {
  readonly from: string
  readonly to: readonly string[]
  /** As it came, head and body. */
  readonly text: string
  readonly secure: boolean
  readonly user: string | null
}

export interface Mailbox {
  readonly port: number
  readonly mails: Mail[]
  /** The next mails are refused so, to this one address where it is said; null: taken. */
  refuse(code: number | null, address?: string): void
  close(): Promise<void>
}

/** A mail server on loopback. With `tls` it offers STARTTLS, or speaks TLS from the first byte. */
export async function startMailbox(
  more: {
    readonly tls?: { readonly cert: string; readonly key: string }
    readonly secure?: boolean
    readonly user?: string
    readonly password?: string
  } = {},
): Promise<Mailbox> {
  const mails: Mail[] = []
  let refusing: number | null = null
  let whom: string | undefined
  const server = new SMTPServer({
    ...more.tls,
    secure: more.secure === true,
    authOptional: more.user === undefined,
    disabledCommands: [...(more.user === undefined ? ['AUTH'] : []), ...(more.tls === undefined ? ['STARTTLS'] : [])],
    logger: false,
    closeTimeout: 500,
    onAuth({ username, password }, _session, done) {
      if (username === more.user && password === more.password) return done(null, { user: username })
      done(new Error(`no sign-in with ${password}`))
    },
    onRcptTo({ address }, _session, done) {
      if (refusing === null || (whom !== undefined && whom !== address)) return done()
      done(Object.assign(new Error('TheServerSaysThis'), { responseCode: refusing }))
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope
        mails.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          text: Buffer.concat(chunks).toString('utf8'),
          secure: session.secure,
          user: session.user === undefined ? null : String(session.user),
        })
        done()
      })
    },
  })
  server.on('error', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.server.address() as AddressInfo).port,
    mails,
    refuse(code, address) {
      refusing = code
      whom = address
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
