import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Json } from '../../core/types.ts'

/** A repeat that is slower than this is answered without its body being compared. */
const READ_MS = 10_000

/**
 * Reads the body of a repeat, within bounds, and compares it with what the first one sent.
 *
 * @param digest `sha256:…` as it was kept; where there is none, nothing can be compared.
 * @returns false when it is certainly another body.
 */
export function isSameBody(request: IncomingMessage, digest: Json | undefined, max: number): Promise<boolean> {
  if (typeof digest !== 'string') return Promise.resolve(true)
  return new Promise((resolve) => {
    const hash = createHash('sha256')
    let size = 0
    const settle = (same: boolean): void => {
      clearTimeout(timer)
      request.off('data', onData).off('end', onEnd).off('close', onClose)
      request.pause()
      resolve(same)
    }
    const onData = (piece: Buffer): void => {
      size += piece.length
      hash.update(piece)
      if (size > max) settle(false)
    }
    const onEnd = (): void => settle(`sha256:${hash.digest('hex')}` === digest)
    const onClose = (): void => settle(true)
    const timer = setTimeout(() => settle(true), READ_MS)
    if (request.complete && request.readableLength === 0 && request.readableEnded) return onEnd()
    request.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}
