import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { randomBytes } from 'node:crypto'

/** So many connections, each with one request at a time, for so long. */
export interface Load {
  readonly url: string
  readonly path: string
  readonly headers: { readonly [name: string]: string }
  readonly body: string
  readonly connections: number
  readonly ms: number
}

export interface Loaded {
  readonly requests: number
  readonly seconds: number
  /** ms. */
  readonly p50: number
  readonly p99: number
  /** CPU that the loader took, µs a request. */
  readonly cpu_us: number
  /** Answers that were no 200: a benchmark of refusals would be a fast one. */
  readonly failed: number
}

/** Stands in the headers or the body where the number of the request is written. */
export const NUMBER = '#'.repeat(12)

/**
 * Asks as fast as answers come. A loader of our own, because two cores carry everything here: it writes prepared bytes
 * in which only the number of the request changes, and looks at no more of an answer than status and length.
 */
export async function load({ url, path, headers, body, connections, ms }: Load): Promise<Loaded> {
  const { hostname, port } = new URL(url)
  const run = randomBytes(6).toString('hex')
  const head = Object.entries({ ...headers, 'Content-Length': String(Buffer.byteLength(body)) })
  const text = [
    `POST ${path} HTTP/1.1`,
    `Host: ${hostname}:${port}`,
    ...head.map(([name, value]) => `${name}: ${value}`),
    // What this run asks is no repeat of another's.
    `Idempotency-Key: ${run}-${NUMBER}`,
    '',
    body,
  ].join('\r\n')
  const places = [...text.matchAll(new RegExp(NUMBER, 'g'))].map(({ index }) => index)
  const latencies: number[] = []
  let next = 0
  let failed = 0
  const sockets = await Promise.all(Array.from({ length: connections }, () => connected(hostname, Number(port))))
  const cpu = process.cpuUsage()
  const began = performance.now()
  const end = began + ms
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve, reject) => {
          const bytes = Buffer.from(text, 'latin1')
          let sent = 0
          let answer = ''
          const ask = () => {
            sent = performance.now()
            if (sent >= end) {
              socket.destroy()
              return resolve()
            }
            const number = String(next++).padStart(NUMBER.length, '0')
            for (const place of places) bytes.write(number, place, 'latin1')
            socket.write(bytes)
          }
          socket.on('error', reject).on('close', () => reject(new Error(`${url} closed the connection`)))
          socket.setEncoding('latin1').on('data', (piece: unknown) => {
            answer += String(piece)
            if (!isWhole(answer)) return
            latencies.push(performance.now() - sent)
            if (!answer.startsWith('HTTP/1.1 200 ')) failed++
            answer = ''
            ask()
          })
          ask()
        }),
    ),
  )
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpu)
  latencies.sort((a, b) => a - b)
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? Number.NaN
  const cpu_us = (user + system) / latencies.length
  return { requests: latencies.length, seconds, p50: at(0.5), p99: at(0.99), cpu_us, failed }
}

function isWhole(answer: string): boolean {
  const head = answer.indexOf('\r\n\r\n')
  if (head < 0) return false
  const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(answer)?.[1]
  if (length === undefined) throw new Error('an answer without a length cannot be told from its successor')
  return answer.length >= head + 4 + Number(length)
}

function connected(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true }, () => {
      socket.off('error', reject)
      resolve(socket)
    })
    socket.once('error', reject)
  })
}
