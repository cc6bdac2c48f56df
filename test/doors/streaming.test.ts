import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { listen, SERVER_LIMITS } from '../../gateway/doors/server.ts'
import { takesItsTime } from '../../gateway/doors/streaming.ts'

describe('a request that takes its time', () => {
  it('is not cut off by the bound for bodies that are read whole; every other is', async () => {
    const refused: string[] = []
    const server = await listen(
      (request, response) => {
        if (request.url === '/proxy/x') takesItsTime(request)
        let text = ''
        request.on('data', (piece: Buffer) => (text += piece.toString())).on('end', () => response.end(text))
      },
      { host: '127.0.0.1', port: 0 },
      (code) => void refused.push(code),
      { ...SERVER_LIMITS, headers_ms: 100, request_ms: 150, check_ms: 30 },
    )
    const slowly = async (path: string): Promise<string> => {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
      let answer = ''
      socket.on('data', (piece) => (answer += piece.toString())).on('error', () => {})
      const over = new Promise((resolve) => socket.on('close', resolve))
      socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\na`)
      await pause(400)
      socket.write('b')
      await over
      return answer
    }
    const [streams, other] = await Promise.all([slowly('/proxy/x'), slowly('/v1/x')])
    assert.match(streams, /^HTTP\/1\.1 200 OK\r\n[^]*\r\nab$/)
    assert.match(other, /^HTTP\/1\.1 408 too_slow\r\n/)
    assert.deepEqual(refused, ['too_slow'])
    await server.close(100)
  })
})
