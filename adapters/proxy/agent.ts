import { AsyncLocalStorage } from 'node:async_hooks'
import { Agent as HttpAgent } from 'node:http'
import type { AgentOptions, ClientRequestArgs } from 'node:http'
import { connect as connectPlain } from 'node:net'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectSecure } from 'node:tls'
import { checkedLookup, refusedLiteral } from '../egress.ts'
import type { Lookup } from '../egress.ts'

export interface Where {
  readonly base: URL
  readonly isPrivate: boolean
  readonly timeout_ms: number
  readonly lookup?: Lookup
  /** PEM. */
  readonly ca?: string
}

/** Why nothing may be sent on a connection that stands by now; null: it may. */
export type LastLook = () => Error | null
export const lastLook = new AsyncLocalStorage<LastLook>()

/** A kept connection that is idle for longer may be gone on the other side: a request on it would break. */
const IDLE_MS = 4000
/** A connection is not kept longer, so that a backend that moves is found at its new address. */
const LIVES_MS = 300_000

/**
 * Connections to the one origin of a backend, for node:http. Each is made to an address that the egress rules let pass,
 * with TLS verified against the host's name, and is handed over only once it stands and the last look lets it: node
 * writes in the same turn. One that was refused there is kept for the next attempt, which needs no handshake then.
 */
export class BackendAgent extends HttpAgent {
  readonly #where: Where
  readonly #spare: { readonly socket: Socket; readonly since: number }[] = []
  readonly #since = new WeakMap<Duplex, number>()
  readonly defaultPort: number
  readonly protocol: string

  constructor(where: Where, options: AgentOptions = {}) {
    super({ keepAlive: true, timeout: IDLE_MS, scheduling: 'lifo', ...options })
    this.#where = where
    this.protocol = where.base.protocol
    this.defaultPort = where.base.protocol === 'https:' ? 443 : 80
  }

  override createConnection(
    _options: ClientRequestArgs,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const look = lastLook.getStore()
    // Nobody sends here without having asked.
    const refused = look === undefined ? new Error('nobody looked whether it may be sent') : null
    const hand = (socket: Socket): void => {
      const why = refused ?? look?.() ?? null
      if (why === null) return callback(null, socket)
      this.#spare.push({ socket, since: performance.now() })
      callback(why, socket)
    }
    const spare = this.#spareSocket()
    if (spare !== undefined) process.nextTick(hand, spare)
    else this.#connect(hand, (error) => callback(error, undefined as unknown as Duplex))
    return undefined
  }

  override keepSocketAlive(socket: Duplex): boolean {
    const since = this.#since.get(socket) ?? 0
    // oxlint-disable-next-line typescript/no-confusing-void-expression -- typed void, and answers whether it is kept
    return performance.now() - since < LIVES_MS && (super.keepSocketAlive(socket) as unknown as boolean)
  }

  override destroy(): void {
    for (const { socket } of this.#spare.splice(0)) socket.destroy()
    super.destroy()
  }

  #spareSocket(): Socket | undefined {
    for (let one = this.#spare.pop(); one !== undefined; one = this.#spare.pop()) {
      if (!one.socket.destroyed && performance.now() - one.since < IDLE_MS) return one.socket
      one.socket.destroy()
    }
    return undefined
  }

  #connect(up: (socket: Socket) => void, failed: (error: Error) => void): void {
    const { base, isPrivate, timeout_ms, lookup, ca } = this.#where
    const hostname = base.hostname.replace(/^\[(.*)\]$/, '$1')
    const refused = refusedLiteral(hostname, isPrivate)
    if (refused !== null) {
      process.nextTick(failed, refused)
      return
    }
    const secure = base.protocol === 'https:'
    const to = {
      host: hostname,
      port: Number(base.port) || this.defaultPort,
      lookup: checkedLookup(isPrivate, lookup) as never,
    }
    const socket = secure
      ? connectSecure({
          ...to,
          servername: servername(hostname),
          rejectUnauthorized: true,
          ca,
          ALPNProtocols: ['http/1.1'],
        })
      : connectPlain(to)
    socket.setNoDelay(true)
    const late = Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' })
    const timer = setTimeout(() => socket.destroy(late), timeout_ms)
    const onError = (error: Error): void => {
      clearTimeout(timer)
      failed(error)
    }
    socket.once('error', onError)
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer)
      socket.off('error', onError)
      // Until node listens, and while it is spare, a reset must not end the process.
      socket.on('error', () => socket.destroy())
      this.#since.set(socket, performance.now())
      up(socket)
    })
  }
}

/** An address is no name that a certificate's host could be asked for (RFC 6066, section 3). */
function servername(hostname: string): string {
  return /^[0-9.]+$|:/.test(hostname) ? '' : hostname
}
