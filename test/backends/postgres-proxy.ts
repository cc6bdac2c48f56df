import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** What happens to the next COMMIT that passes. `…_with_effect` and `lost_answer`: the server gets it and commits. */
export type Cut =
  | 'fails_with_effect'
  | 'fails_without_effect'
  | 'lost_answer'
  | 'lost_request'
  | 'silent_with_effect'
  | 'silent_without_effect'

/** A wire between a client and PostgreSQL that reads the client's messages and fails where it hurts. */
export interface Proxy {
  readonly port: number
  /** Statements in the extended protocol that came by. */
  statements(): number
  /** One for each of the next COMMITs. */
  cut(cut: Cut): void
  /** The connection on which the next BEGIN comes is lost there. */
  hangUp(): void
  /** From now on each COMMIT takes so many ms longer. */
  slow(ms: number): void
  /** What was asked for and has not met a message yet is forgotten. @returns how many cuts that were. */
  mend(): number
  close(): Promise<void>
}

export async function startProxy(port: number): Promise<Proxy> {
  const cuts: Cut[] = []
  const sockets = new Set<Socket>()
  let statements = 0
  let hangUps = 0
  let slow_ms = 0
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    let told: 'all' | 'nothing' | ((chunk: Buffer) => void) = 'all'
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one)
      one.setNoDelay(true)
      one.on('error', () => {})
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
    upstream.on('data', (chunk) => {
      if (told === 'all') client.write(chunk)
      else if (told !== 'nothing') told(chunk)
    })
    const fail = (): void => {
      client.end(fatal())
    }
    client.on(
      'data',
      messages((type, message) => {
        if (type === 'P') statements += 1
        if (isQuery('begin', type, message) && hangUps > 0) {
          hangUps -= 1
          client.resetAndDestroy()
          return
        }
        const cut = isQuery('commit', type, message) ? cuts.shift() : undefined
        if (cut === undefined || cut === 'fails_with_effect' || cut === 'lost_answer' || cut === 'silent_with_effect') {
          if (slow_ms > 0 && isQuery('commit', type, message)) setTimeout(() => upstream.write(message), slow_ms)
          else upstream.write(message)
        }
        if (cut === 'lost_request') client.destroy()
        if (cut === 'fails_without_effect') fail()
        if (cut === 'silent_with_effect') told = 'nothing'
        // its answer is the proof that it has committed
        if (cut === 'lost_answer') told = () => client.resetAndDestroy()
        if (cut === 'fails_with_effect') told = fail
      }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    statements: () => statements,
    cut: (cut) => void cuts.push(cut),
    hangUp: () => void (hangUps += 1),
    slow: (ms) => void (slow_ms = ms),
    mend() {
      const forgotten = cuts.length + hangUps
      cuts.length = 0
      hangUps = 0
      slow_ms = 0
      return forgotten
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** The client's messages one by one (54.7): the first has no type, then a letter and a length that counts itself. */
function messages(each: (type: string, message: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0)
  let begun = false
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      const head = begun ? 1 : 0
      if (rest.length < head + 4) return
      const length = head + rest.readUInt32BE(head)
      if (rest.length < length) return
      each(begun ? String.fromCharCode(rest[0] ?? 0) : '', rest.subarray(0, length))
      rest = rest.subarray(length)
      begun = true
    }
  }
}

function isQuery(word: string, type: string, message: Buffer): boolean {
  return type === 'Q' && message.subarray(5).toString().toLowerCase().startsWith(word)
}

/** FATAL 57P01, as of a server that is stopped. */
function fatal(): Buffer {
  const fields = Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0')
  const head = Buffer.alloc(5)
  head.write('E')
  head.writeUInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}
