/** A message of the stdio transport is a line; the gateway takes far shorter ones, and says so itself. */
const LINE_MAX = 1024 * 1024

/**
 * Lines of a stream, without their ends. One that is too long is dropped as it comes, so that no client fills our memory.
 *
 * @returns null in place of such a line.
 */
export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer | null> {
  let pieces: Buffer[] = []
  let size = 0
  for await (const piece of stream) {
    let from = 0
    for (let at = piece.indexOf(10); at !== -1; at = piece.indexOf(10, from)) {
      yield whole(pieces, size, piece.subarray(from, at))
      pieces = []
      size = 0
      from = at + 1
    }
    const rest = piece.subarray(from)
    size += rest.length
    if (size <= LINE_MAX) pieces.push(rest)
    else pieces = []
  }
  if (size > 0) yield whole(pieces, size, Buffer.alloc(0))
}

function whole(pieces: readonly Buffer[], size: number, last: Buffer): Buffer | null {
  return size + last.length > LINE_MAX ? null : Buffer.concat([...pieces, last])
}
