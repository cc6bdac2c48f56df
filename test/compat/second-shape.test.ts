import assert from 'node:assert/strict'
import { Problem } from '../../gateway/core/problem.ts'
import { compile } from '../../gateway/core/compile.ts'
import { compatApp } from '../../gateway/doors/compat-app.ts'
import type { Shape } from '../../gateway/doors/compat/shape.ts'
import { listen } from '../../gateway/doors/server.ts'
import type { Listening } from '../../gateway/doors/server.ts'
import { envelope, ended, plainGateway } from '../doors/plain-gateway.ts'
import type { PlainGateway } from '../doors/plain-gateway.ts'
import { changed, compileChanged, schemas } from '../policy/company.ts'

/** All that another API needs: how its clients send parameters and name an effect, and what its answers look like. */
const forge: Shape = {
  name: 'forge',
  body: 'json',
  refused: ['x-forge-impersonate'],
  // Its clients know no keys: what is open is joined.
  keyOf: () => ({ key: null, unnamed: true }),
  paramOf: (path) => path.join('/'),
  done: (body, { call }) => ({ status: 201, body, headers: { 'X-Request-Id': call } }),
  refusal: ({ code, message, param }) => ({
    status: code === 'input_invalid' ? 422 : code.startsWith('token') ? 401 : 403,
    body: { message, errors: param === undefined ? [] : [{ field: param, code }], documentation_url: 'about:blank' },
  }),
}

const change = {
  file: 'actions.yaml',
  from: 'effect: read',
  to: `effect: write
compat:
  forge:
    POST /repos/{repo}/issues/{order}:
      input: { title: content.title, labels: tags }
      ignore: [repo]
      add: { state: open }
      answer: { number: "\${output.id}", url: "https://forge.example/\${input.title}" }`,
} as const
const input = {
  file: 'actions.yaml',
  from: '  order: { type: string, format: uuid }',
  to: '  order: { type: string }\n  title: { type: string }\n  labels?: { type: array, items: { type: string } }',
} as const
const { texts, files } = changed(change, input)

describe('a door of a second shape', () => {
  let door: Listening
  let gateway: PlainGateway
  before(async () => {
    const compiled = compile(texts, schemas, { files, shapes: ['stripe', 'forge'] })
    assert.ok(compiled.ok, JSON.stringify(compiled))
    gateway = plainGateway()
    const session = { id: 'ses_1', role: 'agent', expires_at: 0 }
    const authenticate = async (header?: string) => {
      if (header !== 'Bearer kst') throw new Problem('token_missing', 'Who are you?')
      return session
    }
    const parts = {
      gateway: { ...gateway, policy: () => compiled.policy },
      identity: { authenticate } as never,
      scrub: (text: string) => text,
      now: Date.now,
      fault: (error: unknown) => assert.fail(String(error)),
    }
    door = await listen(compatApp(parts, forge), { host: '127.0.0.1', port: 0 }, gateway.refused)
  })
  after(() => door.close(100))

  const post = async (path: string, body: unknown, headers: { [name: string]: string } = {}) => {
    gateway.asked.length = 0
    const answer = await fetch(`${door.url}${path}`, {
      method: 'POST',
      headers: { authorization: 'Bearer kst', 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    const [, , asked] = gateway.asked[0] ?? []
    return { status: answer.status, body: (await answer.json()) as { [name: string]: unknown }, asked }
  }

  it('needs a declaration and a shape, and speaks JSON with types of its own', async () => {
    gateway.answer = { replayed: false, envelope: envelope('done', { output: { id: 7 } }), problem: null }
    const { status, body, asked } = await post('/repos/acme/issues/o-1', { content: { title: 'x' }, tags: ['a', 'b'] })
    assert.deepEqual([status, body], [201, { state: 'open', number: 7, url: 'https://forge.example/x' }])
    const { unnamed, ...request } = asked as { unnamed: { gone(): boolean } }
    assert.deepEqual(request, {
      action: 'shop.get',
      input: { order: 'o-1', title: 'x', labels: ['a', 'b'] },
      key: null,
      wait_ms: 20_000,
    })
    assert.equal(unnamed.gone(), true)
  })

  it('says in its own form what is wrong, and what is not here', async () => {
    gateway.answer = null
    const wrong = await post('/repos/acme/issues/o-1', { content: { title: 7 }, owner: 'me' })
    assert.deepEqual([wrong.status, wrong.body['errors']], [422, [{ field: 'owner', code: 'input_invalid' }]])
    gateway.answer = ended('denied', 'not_granted', 'no')
    const { status, body, asked } = await post('/repos/acme/forks', {})
    assert.equal((asked as { action: string }).action, 'forge.POST.repos.acme.forks')
    assert.equal(status, 403)
    assert.match(
      String(body['message']),
      /has no POST \/repos\/acme\/forks\. It has here: POST \/repos\/\{repo\}\/issues/,
    )
    assert.equal((await post('/repos/acme/issues/o-1', {}, { 'x-forge-impersonate': 'root' })).status, 403)
    assert.equal((await post('/repos/acme/issues/o-1', {}, { authorization: 'Bearer no' })).status, 401)
  })

  it('is no shape where the program has no door of it', () => {
    const compiled = compileChanged(change, input)
    assert.ok(!compiled.ok)
    assert.match(compiled.findings[0]?.message ?? '', /no door has the shape `forge`/)
  })
})

describe('two actions of one role at one endpoint', () => {
  const both = [
    {
      file: 'actions.yaml',
      from: 'effect: write',
      to: 'effect: write\ncompat: { stripe: { "POST /v1/things/{charge}": {} } }',
    },
    {
      file: 'actions.yaml',
      from: 'effect: read',
      to: 'effect: read\ncompat: { stripe: { "POST /v1/things/{order}": {} } }',
    },
  ]
  it('are a finding at the grant', () => {
    const compiled = compileChanged(...both)
    assert.ok(!compiled.ok)
    assert.deepEqual(
      compiled.findings.map(({ message, hint }) => [message, hint]),
      [
        [
          '`pay.refund` and `shop.get` both stand at POST /v1/things/{charge} of the shape `stripe`',
          'grant one of the two, or give one of them another endpoint',
        ],
      ],
    )
    assert.equal(compiled.findings[0]?.file, 'role.yaml')
  })

  it('are none where no role has both', () => {
    const alone = { file: 'role.yaml', from: '  shop.get:\n', to: '' }
    const next = { file: 'role.yaml', from: '    next: [shop.get]\n', to: '' }
    const prompt = { file: 'prompts/agent.md', from: 'shop.get, ', to: '' }
    const compiled = compileChanged(...both, alone, next, prompt)
    assert.ok(compiled.ok, JSON.stringify(!compiled.ok && compiled.findings))
  })
})
