import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { addressOf, refusal, unreachable } from './ask.ts'
import { EXIT, Failure } from './exit.ts'

/** For the first byte, and between two pieces: a gateway reads 500 calls in milliseconds. */
const SILENCE_MS = 40_000

/**
 * An answer of any length, piece by piece. @throws Failure with what the gateway said, `unreachable` where nobody answers
 * or the answer is cut off: what came so far is then not the whole.
 */
export async function* streamFor(base: string, path: string, token?: string): AsyncGenerator<Uint8Array> {
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(), SILENCE_MS)
  try {
    const response = await fetch(addressOf(base, path), {
      redirect: 'manual',
      signal: silence.signal,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    }).catch((error: unknown) => {
      throw unreachable(base, error)
    })
    if (!response.ok) throw refusal(response.status, await response.json().catch(() => null))
    const pieces = response.body ?? new ReadableStream<Uint8Array>()
    for await (const piece of pieces) {
      timer.refresh()
      yield piece
    }
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure(EXIT.unreachable, `The answer of ${base} was cut off: it is not the whole. Ask again.`)
  } finally {
    clearTimeout(timer)
  }
}

/** A short text, such as a checkpoint. */
export async function askText(base: string, path: string): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of streamFor(base, path)) pieces.push(piece)
  return Buffer.concat(pieces).toString('utf8')
}

/** Copies, and counts lines on the way. @returns how many. */
export async function linesTo(
  stream: Writable,
  pieces: AsyncIterable<Uint8Array>,
  told: (lines: number) => void,
  end = false,
): Promise<number> {
  const ended = end ? finished(stream) : null
  // A full disk fails the stream while nobody waits for its end yet.
  ended?.catch(() => {})
  let lines = 0
  for await (const piece of pieces) {
    for (const byte of piece) if (byte === 10) lines++
    told(lines)
    if (!stream.write(piece)) await once(stream, 'drain')
  }
  if (end) stream.end()
  await ended
  return lines
}
