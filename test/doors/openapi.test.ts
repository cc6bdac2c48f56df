import assert from 'node:assert/strict'
import { Ajv2020 } from 'ajv/dist/2020.js'
import request from 'supertest'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema: object }[]
  readonly requestBody?: { required: boolean; content: { [type: string]: { schema: object; example: unknown } } }
  readonly responses: { [status: string]: { description: string; content?: { [type: string]: { schema: object } } } }
}

describe('the OpenAPI document of a role', () => {
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let document: { [member: string]: any } // oxlint-disable-line typescript/no-explicit-any
  before(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    gate = await house(where)
    const token = await gate.token()
    const answer = await gate.agent('/openapi.json', { headers: { authorization: `Bearer ${token}` } })
    assert.equal(answer.status, 200, answer.text)
    assert.match(answer.headers.get('content-type') ?? '', /^application\/openapi\+json/)
    document = answer.body
  })
  after(async () => {
    await gate.stop()
    await pay.close()
    await where.remove()
  })

  const operations = (): [string, string, Operation][] =>
    Object.entries(document['paths'] as { [path: string]: { [method: string]: Operation } }).flatMap(
      ([path, methods]) =>
        Object.entries(methods).map(([method, operation]): [string, string, Operation] => [path, method, operation]),
    )

  it('needs a token of a session', async () => {
    for (const headers of [{}, { authorization: 'Bearer kst_nobody' }]) {
      const { status, body } = await request(gate.running.agentUrl).get('/openapi.json').set(headers)
      assert.deepEqual([status, /token_(missing|invalid)/.test(body.code)], [401, true])
    }
  })

  it('has exactly the actions of the role, with their own schemas and examples', async () => {
    const token = await gate.token()
    const { body } = await gate.agent('/v1/actions', { headers: { authorization: `Bearer ${token}` } })
    const actions = body.actions as { name: string; input_schema: object; example: unknown; effect: string }[]
    const posts = operations().filter(([path]) => path.startsWith('/v1/actions/'))
    assert.deepEqual(
      posts.map(([path, method]) => `${method} ${path}`),
      actions.map(({ name }) => `post /v1/actions/${name}`),
    )
    for (const [index, [, , operation]] of posts.entries()) {
      const { input_schema, example, effect } = actions[index] as (typeof actions)[number]
      const sent = operation.requestBody?.content['application/json']
      assert.deepEqual([sent?.schema, sent?.example], [input_schema, example])
      assert.equal(new Ajv2020({ strict: false, logger: false }).compile(sent?.schema ?? false)(example), true)
      const key = operation.parameters?.find(({ name }) => name === 'Idempotency-Key')
      assert.equal(key?.required, effect !== 'read')
    }
  })

  it('is OpenAPI 3.1 in its structure: versions, unique operations, declared parameters, references that lead somewhere', () => {
    assert.match(document['openapi'], /^3\.1\.\d$/)
    assert.deepEqual(Object.keys(document['info']).sort(), ['description', 'summary', 'title', 'version'])
    const ids = operations().map(([, , { operationId }]) => operationId)
    assert.equal(new Set(ids).size, ids.length)
    for (const [path, method, { parameters = [], responses, summary }] of operations()) {
      assert.ok(['get', 'post', 'delete'].includes(method) && summary.length > 0, path)
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      assert.deepEqual(
        parameters.filter((one) => one.in === 'path' && one.required === true).map(({ name }) => name),
        inPath,
      )
      assert.equal(new Set(parameters.map((one) => `${one.in} ${one.name}`)).size, parameters.length)
      for (const [status, { description }] of Object.entries(responses))
        assert.ok(/^([1-5]\d\d|default)$/.test(status) && description.length > 0, `${path} ${status}`)
    }
    for (const [, target = ''] of JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)) {
      const found = target
        .slice(2)
        .split('/')
        .reduce<unknown>((at, name) => (at as { [name: string]: unknown } | undefined)?.[name], document)
      assert.ok(target.startsWith('#/components/schemas/') && found !== undefined, target)
    }
    const schemes = Object.keys(document['components'].securitySchemes)
    assert.deepEqual(
      document['security'],
      schemes.map((name) => ({ [name]: [] })),
    )
  })

  it('describes what the gateway really answers', async () => {
    const ajv = new Ajv2020({ strict: false, logger: false, validateFormats: false })
    ajv.addSchema(document, 'doc')
    const token = await gate.token()
    const done = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'openapi-1')
    const denied = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 99_999 }, 'openapi-2')
    const held = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 6000 }, 'openapi-3')
    for (const [name, { body }] of Object.entries({ Call: done, Problem: denied })) {
      const valid = ajv.getSchema(`doc#/components/schemas/${name}`)
      assert.equal(valid?.(body), true, JSON.stringify(valid?.errors))
    }
    const { responses } = document['paths']['/v1/actions/pay.refund'].post as Operation
    for (const { status } of [done, denied, held]) assert.ok(String(status) in responses)
    const whole = `doc#/paths/~1v1~1actions~1pay.refund/post/responses/200/content/application~1json/schema`
    assert.equal(ajv.getSchema(whole)?.(done.body), true)
  })
})
