const FETCH_MS = 5_000
/** After decompression. */
const ANSWER_BYTES_MAX = 256 * 1024

/**
 * fetch for an OAuth library: no redirect is followed, an answer is bounded in time and size, whoever sends it.
 *
 * @throws Error.
 */
export async function boundedFetch(url: string, options: object): Promise<Response> {
  const answer = await fetch(url, { ...options, redirect: 'manual', signal: AbortSignal.timeout(FETCH_MS) })
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of answer.body ?? []) {
    bytes += piece.byteLength
    if (bytes > ANSWER_BYTES_MAX) throw new Error('the answer is too large')
    pieces.push(piece)
  }
  const { status, statusText, headers } = answer
  return new Response(bytes === 0 ? null : Buffer.concat(pieces), { status, statusText, headers })
}
