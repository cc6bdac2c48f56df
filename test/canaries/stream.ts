import { request as ask } from 'node:http'

/**
 * Everything that an agent is given through a route, also of a stream that is cut: status and its text, headers as they
 * came, trailers, and the bytes of the body without the borders of their chunks. Never rejects.
 */
export function stream(
  url: string,
  method: string,
  headers: { readonly [name: string]: string },
): Promise<{ text: string; call: string; whole: boolean }> {
  return new Promise((resolve) => {
    ask(url, { method, headers: { ...headers, 'content-length': '0' }, agent: false }, (answer) => {
      const pieces: Buffer[] = []
      answer.on('data', (piece: Buffer) => pieces.push(piece))
      answer.on('error', () => {})
      answer.once('close', () => {
        const head = [answer.statusCode, answer.statusMessage, ...answer.rawHeaders].join('\n')
        const text = `${head}\n${Buffer.concat(pieces).toString('latin1')}\n${answer.rawTrailers.join('\n')}`
        resolve({ text, call: String(answer.headers['keystay-call'] ?? ''), whole: answer.complete })
      })
    })
      .on('error', (error) => resolve({ text: error.message, call: '', whole: false }))
      .end()
  })
}
