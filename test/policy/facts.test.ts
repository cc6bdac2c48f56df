import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

const PROMPT = '---\nactions: [list.sum, list.owner, list.whole]\n---\nYou count.\n'
const FILES = {
  'prompts/counter.md': PROMPT,
  'counter.yaml': `role: counter
describe: Counts.
prompt: { file: prompts/counter.md, required: true }
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  list.sum: { require: { that: "size(facts.list.data) == 5 && facts.list.data[4].n == 5", else: Not all five. } }
  list.owner: { require: [{ that: facts.owner == null || facts.owner.name == "Dana", else: Not Dana’s. }] }
  list.whole:
---
action: list.sum
describe: Needs every page.
effect: read
input: { list: { type: string, maxLength: 20 } }
backend: pay
facts:
  list:
    GET: /lists/\${input.list}?limit=2
    page: { after: last.id, while: output.has_more }
    keep: { data: [{ id: string, n: integer }] }
request: { GET: "/items/\${input.list}" }
output: { keep: [id] }
---
action: list.owner
describe: A fact that is asked for by another one.
effect: read
input: { list: { type: string, maxLength: 20 } }
backend: pay
facts:
  item: { GET: "/items/\${input.list}", keep: { owner: string } }
  owner: { GET: "/owners/\${facts.item.owner}", keep: { name: string }, absent: [404] }
request: { GET: "/items/\${input.list}" }
output: { keep: [id] }
---
action: list.whole
describe: One page that says itself whether it is all.
effect: read
input: { list: { type: string, maxLength: 20 } }
backend: pay
facts:
  list:
    GET: /lists/\${input.list}
    complete: size(output.data) == output.total
    keep: { total: integer }
request: { GET: "/items/\${input.list}" }
output: { keep: [id] }
`,
}

describe('facts that take more than one answer', function () {
  this.timeout(20_000)
  let server: Server
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let token: string
  const asked: string[] = []

  before(async () => {
    server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://backend')
      asked.push(url.pathname + url.search)
      const [, kind = '', name = ''] = url.pathname.split('/')
      const say = (status: number, body: unknown): void =>
        void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      if (kind === 'items') return say(200, { id: name, owner: name === 'orphan' ? 'nobody' : name })
      if (kind === 'owners')
        return name === 'nobody'
          ? say(404, {})
          : say(name === 'broken' ? 403 : 200, { name: name === 'mine' ? 'Dana' : 'Omar' })
      const after = Number(url.searchParams.get('after')?.slice(1) ?? 0)
      const limit = Number(url.searchParams.get('limit') ?? 2)
      const all = [1, 2, 3, 4, 5].slice(0, name === 'short' ? 2 : 5).map((n) => ({ id: `i${n}`, n }))
      return say(200, {
        data: all.slice(after, after + limit),
        has_more: kind === 'lists' && url.searchParams.has('limit') && after + limit < all.length,
        total: all.length,
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    where = await company({ pay: url, shop: url, blind: url }, FILES)
    gate = await house(where)
    token = await session(`sha256:${createHash('sha256').update(PROMPT).digest('hex')}`).then(
      ({ body }) => body.access_token,
    )
  })
  after(async () => {
    await gate.stop()
    await new Promise((resolve) => server.close(resolve))
    await where.remove()
  })

  const session = async (prompt_digest?: string) =>
    gate.agent('/oauth/token', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: await gate.person('bot'),
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        scope: 'role:counter',
        ...(prompt_digest === undefined ? {} : { prompt_digest }),
      }).toString(),
    })

  it('a session states the prompt that its role requires', async () => {
    assert.equal(typeof token, 'string')
    assert.equal((await session()).status, 400)
    assert.equal((await session(`sha256:${'0'.repeat(64)}`)).status, 400)
  })

  it('a paged fact is every page of it', async () => {
    asked.length = 0
    assert.equal((await gate.call(token, 'list.sum', { list: 'long' })).status, 200)
    assert.deepEqual(asked, [
      '/lists/long?limit=2',
      '/lists/long?limit=2&after=i2',
      '/lists/long?limit=2&after=i4',
      '/items/long',
    ])
    assert.deepEqual((await gate.call(token, 'list.sum', { list: 'short' })).body.because, [
      'grants.list.sum.require[0]',
    ])
  })

  it('a fact may be asked for by an earlier one; absent is null, another failure denies', async () => {
    const because = async (list: string) => (await gate.call(token, 'list.owner', { list })).body.because ?? 'done'
    assert.equal(await because('mine'), 'done')
    assert.equal(await because('orphan'), 'done')
    assert.deepEqual(await because('yours'), ['grants.list.owner.require[0]'])
    assert.deepEqual(await because('broken'), ['facts.owner'])
  })

  it('half a list is no fact', async () => {
    assert.equal((await gate.call(token, 'list.whole', { list: 'short' })).status, 200)
    const half = await gate.call(token, 'list.whole', { list: 'long' })
    assert.deepEqual([half.status, half.body.because], [403, ['facts.list']])
  })
})
