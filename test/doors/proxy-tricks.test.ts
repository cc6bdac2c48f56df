import assert from 'node:assert/strict'
import { PROBLEMS } from '../../gateway/core/problem.ts'
import type { Code } from '../../gateway/core/problem.ts'
import { raw } from './house.ts'
import { proxyHouse } from './proxy-house.ts'
import type { ProxyHouse } from './proxy-house.ts'
import { TRICKS } from './proxy-tricks.ts'

describe('tricks with the path, the head and the framing of a proxied request', () => {
  let h: ProxyHouse
  before(async () => {
    h = await proxyHouse()
  })
  after(() => h.close())

  it('are many', () => assert.ok(TRICKS.length >= 200))

  it('are each refused with its own answer, one and no more, and never reach the backend', async () => {
    const got: unknown[] = []
    const wanted: unknown[] = []
    // A few at a time, as they would come.
    for (let at = 0; at < TRICKS.length; at += 25) {
      const some = TRICKS.slice(at, at + 25)
      const answers = await Promise.all(some.map(({ bytes }) => raw(h.home.running.agentUrl, bytes(h.token))))
      for (const [index, { what, code }] of some.entries()) {
        wanted.push([what, [PROBLEMS[code as Code].status]])
        got.push([what, (answers[index] ?? []).map(({ status }) => status)])
        for (const answer of answers[index] ?? []) if (answer.body !== '') assert.equal(answer.code, code, what)
      }
    }
    assert.deepEqual(got, wanted)
    assert.deepEqual(h.backend.seen, [])
  })

  it('would be seen: what is no trick reaches the backend by the same way', async () => {
    const head = `Host: keystay.example\r\nAuthorization: Bearer ${h.token}\r\nConnection: close\r\n\r\n`
    h.backend.acts['/v1/models'] = (_request, response) => response.writeHead(204).end()
    const [answer] = await raw(h.home.running.agentUrl, `GET /proxy/llm.chat/v1/models HTTP/1.1\r\n${head}`)
    assert.deepEqual([answer?.status, h.backend.seen.length], [204, 1])
  })
})
