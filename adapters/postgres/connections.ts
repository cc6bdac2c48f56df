import { createHash } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import { Socket } from 'node:net'
import pg from 'pg'
import { checkedLookup, refusedLiteral } from '../egress.ts'
import type { Lookup } from '../egress.ts'
import type { Address } from './address.ts'

/** A connection to the server, logged in, outside of any transaction when it is given back. */
export interface Line {
  readonly client: pg.Client
  /** Ends it at once, whatever is under way on it. */
  drop(): void
}

/** Whom the server sees. */
export interface Login {
  readonly user: string
  readonly password: string
}

interface Open extends Line {
  readonly login: string
  readonly opened_at: number
  readonly socket: Socket
  lost: boolean
}

/** Whoever can answer in the server's place would be told the password (a server of today asks for SCRAM). */
export class Cleartext extends Error {
  override readonly name = 'Cleartext'
}

/** A connection is not kept longer, so that a server that moves is found at its new address. */
const LIVES_MS = 300_000

/**
 * The connections to one backend. Whoever takes one is alone on it; how many there are is bounded by the queue before it.
 * One that was made with another login than today's is not used again.
 */
export class Connections {
  readonly #address: Address
  readonly #private: boolean
  readonly #lookup: Lookup | undefined
  readonly #all = new Set<Open>()
  readonly #idle = new Set<Open>()

  constructor(address: Address, isPrivate: boolean, lookup: Lookup | undefined) {
    this.#address = address
    this.#private = isPrivate
    this.#lookup = lookup
  }

  /** One that stands already, or null. */
  take(login: Login): Line | null {
    const digest = digestOf(login)
    for (const open of this.#idle) {
      this.#idle.delete(open)
      if (open.login === digest && performance.now() - open.opened_at < LIVES_MS) return open
      open.drop()
    }
    return null
  }

  /** A new one. Rejects with EgressRefused, pg's error or a system error; `started` is told how to end it early. */
  async open(login: Login, started: (drop: () => void) => void): Promise<Line> {
    const { host, port, database, ssl } = this.#address
    const refused = refusedLiteral(host, this.#private)
    if (refused !== null) throw refused
    const socket = this.#socket()
    let inTheClear = false
    const client = new pg.Client({
      host,
      port,
      database,
      ssl,
      user: login.user,
      // asked by pg when the server wants it, so that it stands in no settings
      password: () => {
        if (inTheClear && ssl === false) throw new Cleartext('the server asks for the password in the clear')
        return login.password
      },
      application_name: 'keystay',
      sslnegotiation: 'postgres',
      keepAlive: true,
      stream: () => socket,
    })
    const open: Open = {
      client,
      socket,
      login: digestOf(login),
      opened_at: performance.now(),
      lost: false,
      drop: () => {
        open.lost = true
        this.#all.delete(open)
        this.#idle.delete(open)
        socket.destroy()
      },
    }
    this.#all.add(open)
    // pg's types do not have it; ours is asked before pg's own listener, which is added in connect()
    const { connection } = client as unknown as { readonly connection: EventEmitter }
    connection.once('authenticationCleartextPassword', () => (inTheClear = true))
    // what is under way learns of it by itself
    client.on('error', open.drop)
    client.on('end', open.drop)
    started(open.drop)
    try {
      await client.connect()
    } catch (error) {
      open.drop()
      throw error
    }
    return open
  }

  give(line: Line): void {
    const open = line as Open
    if (!open.lost) this.#idle.add(open)
  }

  /** Says goodbye on those that wait, and drops those that are still in use. */
  async close(): Promise<void> {
    const waiting = [...this.#idle]
    await Promise.all(waiting.map(({ client }) => Promise.race([client.end(), pause(500)]).catch(() => {})))
    for (const open of this.#all) open.drop()
  }

  /** A socket that goes to addresses that were checked, and to no other. */
  #socket(): Socket {
    const socket = new Socket()
    const lookup = checkedLookup(this.#private, this.#lookup)
    const connect = socket.connect.bind(socket) as (options: object) => Socket
    // pg calls connect(port, host)
    socket.connect = ((port: number, host: string) => connect({ port, host, lookup })) as typeof socket.connect
    return socket
  }
}

function digestOf({ user, password }: Login): string {
  // neither holds a NUL
  return createHash('sha256').update(`${user}\0${password}`).digest('hex')
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref()
  })
}
