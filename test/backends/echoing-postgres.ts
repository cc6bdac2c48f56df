import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { TLSSocket, createSecureContext } from 'node:tls'
import { certificateFor } from './certificate.ts'

/** What a hostile PostgreSQL does with a password that it asked for in the clear. */
export const TURNS = [
  'refuses the login',
  'raises',
  'quotes a row',
  'names a constraint',
  'notices',
  'answers',
] as const

/**
 * Speaks TLS and as much of PostgreSQL's protocol (version 3, chapter 55 of its documentation) as shows the password
 * back. Which turn it takes is the name of the database.
 */
export async function startEchoingPostgres(): Promise<{
  readonly port: number
  readonly ca: string
  shown(): ReadonlySet<string>
  close(): Promise<void>
}> {
  const { cert, key } = certificateFor(['localhost'])
  const secureContext = createSecureContext({ cert, key })
  const shown = new Set<string>()
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket.on('error', () => {}).on('close', () => open.delete(socket)))
    socket.once('data', () => {
      socket.write('S')
      const secure = new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => {})
      secure.once('data', (hello: Buffer) => {
        const turn = /database\0([^\0]+)/.exec(hello.toString('latin1'))?.[1] ?? ''
        secure.write(message('R', int32(3)))
        secure.once('data', (said: Buffer) => {
          const password = said.toString('utf8', 5, said.length - 1)
          shown.add(password)
          converse(secure, password, TURNS[Number(turn.replace(/\D/g, '')) % TURNS.length] ?? 'answers')
        })
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    ca: cert,
    shown: () => shown,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
      }),
  }
}

function converse(socket: TLSSocket, password: string, turn: (typeof TURNS)[number]): void {
  if (turn === 'refuses the login') return void socket.end(failure('28P01', password))
  socket.write(Buffer.concat([message('R', int32(0)), message('S', text('server_version', password)), ready('I')]))
  socket.on('data', (bytes: Buffer) => {
    for (const { type, body } of messagesOf(bytes)) {
      if (type === 'X') return void socket.end()
      const ends = /^(commit|rollback)/i.test(body)
      if (type === 'Q' && (ends || /^begin/i.test(body)))
        socket.write(Buffer.concat([message('C', text(body.split(/\W/)[0] ?? '')), ready(ends ? 'I' : 'T')]))
      else if (type === 'Q' || type === 'S') socket.write(Buffer.concat([...answer(password, turn), ready('T')]))
    }
  })
}

function answer(password: string, turn: (typeof TURNS)[number]): Buffer[] {
  if (turn === 'raises') return [failure('P0001', password)]
  if (turn === 'quotes a row') return [failure('22P02', password)]
  if (turn === 'names a constraint') return [failure('23505', password)]
  const columns = Buffer.concat([
    text('text'),
    int32(0),
    Buffer.from([0, 0]),
    int32(25),
    Buffer.from([0xff, 0xff]),
    int32(-1),
    Buffer.from([0, 0]),
  ])
  const value = Buffer.from(password)
  return [
    ...(turn === 'notices' ? [message('N', fields('01000', password))] : []),
    message('1', Buffer.alloc(0)),
    message('2', Buffer.alloc(0)),
    message('T', Buffer.concat([Buffer.from([0, 1]), columns])),
    message('D', Buffer.concat([Buffer.from([0, 1]), int32(value.length), value])),
    message('C', text('SELECT 1')),
  ]
}

function failure(code: string, password: string): Buffer {
  return message('E', fields(code, password))
}

/** Severity, code, message, detail, hint, where, table, column, constraint. */
function fields(code: string, password: string): Buffer {
  const parts = ['SERROR', `C${code}`, ...[...'MDHWtcn'].map((field) => `${field}it is ${password}`)]
  return Buffer.concat([...parts.map((part) => text(part)), Buffer.from([0])])
}

function* messagesOf(bytes: Buffer): Generator<{ type: string; body: string }> {
  for (let at = 0; at + 5 <= bytes.length;) {
    const length = bytes.readInt32BE(at + 1)
    yield { type: bytes.toString('latin1', at, at + 1), body: bytes.toString('utf8', at + 5, at + length) }
    at += 1 + length
  }
}

function ready(state: 'I' | 'T'): Buffer {
  return message('Z', Buffer.from(state))
}

function message(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body])
}

function text(...parts: readonly string[]): Buffer {
  return Buffer.from(parts.map((part) => `${part}\0`).join(''))
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
