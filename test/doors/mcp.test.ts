import assert from 'node:assert/strict'
import { problemBody, Problem } from '../../gateway/core/problem.ts'
import type { Code } from '../../gateway/core/problem.ts'
import type { CallRequest } from '../../gateway/pipeline/gateway.ts'
import { house } from './house.ts'
import type { House } from './house.ts'
import { legacy, modern, post, TASKS } from './mcp.ts'
import type { McpAnswer } from './mcp.ts'
import { done, ended, envelope } from './plain-gateway.ts'

let home: House
before(async () => {
  // The second is a secret with a quote in it, as it stands in JSON.
  home = await house({
    scrub: (text) => text.replaceAll('sk_test_canary', '[secret]').replaceAll('sk_test_\\"quoted', '[secret]'),
  })
})
after(() => home.close())
beforeEach(() => {
  home.gateway.asked.length = 0
  home.gateway.refusals.length = 0
  home.faults.length = 0
  home.gateway.answer = null
  home.gateway.unready = null
  home.clock.now = Date.UTC(2026, 10, 23, 15)
})

const who = () => `${home.session} support-agent`
const ask = (method: string, params: { readonly [name: string]: unknown } = {}, options = {}) =>
  modern(home.agent.url, home.bearer, method, params, options)
const tool = (name: string, input: unknown = {}, options = {}) => ask('tools/call', { name, arguments: input }, options)
const refund = (input: object = {}, options = {}) => tool('refund', { request_key: 'T-1', ...input }, options)
const calls = () =>
  home.gateway.asked.filter(([name]) => name === 'call').map(([, , request]) => request as CallRequest)
const CALL = 'call_01M8292WJHGB62WRVFJRSXGH2J'
const ENTRY = 'ent_01M8292WNBZTX9D0X04NG825JQ'
const held = { need: [{ count: 1, of: 'finance', have: 0 }], expires_at: '2026-11-23T19:00:00.000Z' }

/** The problem in a result that is an error: the same as text and as structured content. */
function problemIn({ status, body }: McpAnswer): { readonly code: Code; readonly [member: string]: unknown } {
  assert.equal(status, 200, JSON.stringify(body))
  const { isError, content, structuredContent } = body.result
  assert.equal(isError, true)
  assert.deepEqual(content, [{ type: 'text', text: JSON.stringify(structuredContent) }])
  return structuredContent
}

describe('POST /mcp', () => {
  for (const [revision, send] of [
    ['2026-07-28', modern],
    ['2025-11-25', legacy],
  ] as const) {
    it(`hands in who asks for what under which key, as it was read (${revision})`, async () => {
      const input = { amount: 3000, price: 1.5, note: 'ünï', nested: { a: [1, null, true] } }
      const params = { name: 'refund', arguments: { ...input, request_key: 'T-1' } }
      const { status, body } = await send(home.agent.url, home.bearer, 'tools/call', params)
      const { content, structuredContent, isError } = body.result
      assert.deepEqual([status, structuredContent, isError], [200, done().envelope, undefined])
      assert.deepEqual(content, [{ type: 'text', text: JSON.stringify(done().envelope) }])
      assert.deepEqual(home.gateway.asked, [
        ['call', who(), { action: 'refund', input, key: 'T-1', wait_ms: 20_000, wait_held: true }],
      ])
    })
  }

  it('keeps a member called __proto__ a member, and no argument is held to a schema of the library', async () => {
    const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'refund' } }).replace(
      '"refund"',
      '"refund","arguments":{"request_key":"T-1","__proto__":{"admin":true}}',
    )
    const headers = { authorization: home.bearer, accept: 'application/json, text/event-stream' }
    await post(home.agent.url, headers, text)
    const input = calls()[0]?.input as object
    assert.deepEqual(
      [Object.keys(input), Object.getPrototypeOf(input) === Object.prototype, 'admin' in input],
      [['__proto__'], true, false],
    )
  })

  it('takes the action’s own name for the tool’s', async () => {
    await tool('charge.get', { charge: 'ch_1', request_key: 'T-1' })
    assert.deepEqual(
      calls().map(({ action, key, input }) => [action, key, input]),
      [['charge.get', 'T-1', { charge: 'ch_1' }]],
    )
    await tool('secret.write', { request_key: 'T-1' })
    assert.equal(calls()[1]?.key, null)
  })

  it('needs no key to read, and takes none for input', async () => {
    await tool('charge_get', { charge: 'ch_1' })
    await tool('charge_get', { charge: 'ch_1', request_key: 'T-1' })
    assert.deepEqual(
      calls().map(({ action, key, input }) => [action, key, input]),
      [
        ['charge.get', null, { charge: 'ch_1' }],
        ['charge.get', 'T-1', { charge: 'ch_1' }],
      ],
    )
  })

  it('asks for a key in words that can be followed, and nothing is asked of the pipeline', async () => {
    for (const missing of [{}, { request_key: '' }, { request_key: null }]) {
      const problem = problemIn(await tool('refund', { amount: 1, ...missing }))
      const errors = problem['errors'] as { path: string; example: string }[]
      assert.deepEqual(
        [problem.code, errors[0]?.path, errors[0]?.example],
        ['key_required', 'request_key', 'T-481/refund-1'],
      )
    }
    assert.deepEqual([calls(), home.gateway.refusals], [[], Array(3).fill('key_required 127.0.0.1')])
  })

  for (const key of [7, true, {}, [], 'two words', 'ünï', 'x'.repeat(256), 'a\u0000b']) {
    it(`takes no key for another: ${JSON.stringify(key).slice(0, 20)}`, async () => {
      assert.equal(problemIn(await tool('refund', { request_key: key })).code, 'malformed')
      assert.deepEqual(calls(), [])
    })
  }

  it('says of what only the text shows that it is no input, as every door does', async () => {
    const wrong: readonly (readonly [string, unknown])[] = [
      [
        '{"request_key":"T-1","amount":1e3}',
        [{ path: 'input.amount', got: '1e3', want: 'an integer written in digits', example: 1000 }],
      ],
      ['[1]', null],
      ['"text"', null],
    ]
    for (const [text, errors] of wrong) {
      const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"refund","arguments":${text}}}`
      const headers = { authorization: home.bearer, accept: 'application/json, text/event-stream' }
      const problem = problemIn(await post(home.agent.url, headers, body))
      if (errors !== null) assert.deepEqual([problem.code, problem['errors']], ['input_invalid', errors])
      else assert.equal(problem.code, 'key_required')
    }
    const list = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"charge_get","arguments":[1]}}`
    const headers = { authorization: home.bearer, accept: 'application/json, text/event-stream' }
    const problem = problemIn(await post(home.agent.url, headers, list))
    assert.deepEqual(problem['errors'], [{ path: 'input', got: 'a list', want: 'an object' }])
  })

  const problems: readonly Parameters<typeof ended>[] = [
    ['denied', 'denied', 'No.'],
    ['denied', 'not_granted', 'No such action.'],
    ['denied', 'frozen', 'Stopped.'],
    ['denied', 'rate_limited', 'Too many.', 17],
    ['denied', 'input_invalid', 'Errors.'],
    ['denied', 'key_reused', 'Differs.'],
    ['refused', 'backend_refused', 'It said no.'],
    ['rejected', 'rejected', 'A person said no.'],
    ['cancelled', 'cancelled', 'Taken back.'],
    ['not_sent', 'backend_unavailable', 'Nothing was sent.'],
  ]
  for (const [status, code, detail, after] of problems) {
    it(`answers a call that is ${status} (${code}) with the problem, as a result that is an error`, async () => {
      home.gateway.answer = ended(status, code, detail, after)
      const more = { call: 'call_1', entry: 'ent_1', ...(after === undefined ? {} : { retry_after: after }) }
      assert.deepEqual(problemIn(await refund()), problemBody(code, detail, more))
      assert.deepEqual(home.gateway.refusals, [])
    })
  }

  it('says what to do while a call is held: look, and never send it again under another key', async () => {
    home.gateway.answer = { replayed: false, envelope: envelope('held', { call: CALL, ...held }), problem: null }
    const { body } = await refund()
    const { do_next, ...rest } = body.result.structuredContent
    assert.deepEqual([body.result.isError, rest], [undefined, envelope('held', { call: CALL, ...held })])
    assert.equal(
      do_next,
      `Held: 1 of finance must approve (0 so far), until 2026-11-23T19:00:00.000Z. Ask call_status with {"call":"${CALL}","wait":20}, or go on with other work; it runs by itself once approved. Asking again with the same request_key is safe; another key would be another effect. call_cancel takes it back.`,
    )
  })

  it('says of a call in doubt that another key would be another effect', async () => {
    for (const status of ['running', 'unknown', 'needs_human'] as const) {
      home.gateway.answer = { replayed: false, envelope: envelope(status), problem: null }
      const { do_next } = (await refund()).body.result.structuredContent
      assert.match(do_next, /call_status.*another key would be another effect/)
    }
  })

  it('marks a repeat', async () => {
    home.gateway.answer = { ...done(), replayed: true }
    assert.equal((await refund()).body.result.structuredContent.replayed, true)
    home.gateway.answer = { ...ended('rejected', 'rejected', 'No.'), replayed: true }
    assert.equal(problemIn(await refund())['replayed'], true)
  })

  it('marks a repeat for who asked for progress too', async () => {
    home.gateway.answer = { replayed: true, envelope: envelope('held', { call: CALL, ...held }), problem: null }
    const { show } = home.gateway
    Object.assign(home.gateway, { show: () => Promise.resolve(done()) })
    const answer = await refund({}, { meta: { progressToken: 1 } })
    Object.assign(home.gateway, { show })
    const { status, replayed } = answer.body.result.structuredContent
    assert.deepEqual([status, replayed, answer.before.length], ['done', true, 1])
  })

  it('tells who asked for progress how a held call stands, on a stream that ends with the result', async () => {
    home.gateway.answer = { replayed: false, envelope: envelope('held', { call: CALL, ...held }), problem: null }
    for (const send of [modern, legacy]) {
      const params = { name: 'refund', arguments: { request_key: 'T-1' } }
      const meta = { progressToken: 'p-1' }
      const answer =
        send === modern
          ? await ask('tools/call', params, { meta })
          : await legacy(home.agent.url, home.bearer, 'tools/call', { ...params, _meta: meta })
      const told = answer.before.map((one) => {
        const { progressToken, progress, message } = one.params
        return [one.method, progressToken, progress, message.slice(0, 32)]
      })
      assert.deepEqual(told.slice(0, 2), [
        ['notifications/progress', 'p-1', 1, 'Held: 1 of finance must approve '],
        ['notifications/progress', 'p-1', 2, 'Held: 1 of finance must approve '],
      ])
      assert.deepEqual([answer.body.result.structuredContent.status, told.length], ['held', 10])
    }
    const [[asked, , first] = [], ...then] = home.gateway.asked.slice(0, 11)
    assert.deepEqual(
      [asked, (first as CallRequest).wait_ms, (first as CallRequest).wait_held],
      ['call', 2000, undefined],
    )
    assert.deepEqual(
      then,
      Array.from({ length: 10 }, () => ['show', who(), CALL, 2000]),
    )
  })

  it('answers with what stood last when it cannot look again', async () => {
    home.gateway.answer = { replayed: false, envelope: envelope('held', { call: CALL, ...held }), problem: null }
    const show = home.gateway.show
    Object.assign(home.gateway, { show: () => Promise.reject(new Problem('ledger_unavailable', 'Away.')) })
    try {
      const answer = await refund({}, { meta: { progressToken: 1 } })
      assert.equal(answer.body.result.structuredContent.status, 'held')
    } finally {
      Object.assign(home.gateway, { show })
    }
  })

  it('says in a result what a fault of ours is worth, and no word of it', async () => {
    const fault = new Error('cannot read sk_test_canary')
    home.gateway.answer = fault
    const answer = await refund()
    assert.deepEqual(problemIn(answer), problemBody('internal', 'The gateway met a fault of its own.'))
    assert.deepEqual([home.faults, home.gateway.refusals], [[fault], ['internal 127.0.0.1']])
    home.gateway.answer = Object.assign(new Error('SQLITE_FULL'), { name: 'StoreUnavailable' })
    assert.equal(problemIn(await refund()).code, 'ledger_unavailable')
    home.gateway.answer = new Problem('session_revoked', 'The session ended meanwhile.')
    assert.equal(problemIn(await refund()).code, 'session_revoked')
    home.gateway.answer = null
    home.gateway.unready = 'the clock is behind'
    assert.equal(problemIn(await refund()).code, 'ledger_unavailable')
  })

  it('lets no secret out: not in text, structured content, progress, errors, or the list', async () => {
    home.gateway.answer = done({ output: { echo: 'a "sk_test_canary" b', deep: [{ key: 'sk_test_canary' }] } })
    const texts = [(await refund()).text]
    home.gateway.answer = {
      replayed: false,
      envelope: envelope('held', { need: [{ count: 1, of: 'sk_test_canary', have: 0 }] }),
      problem: null,
    }
    texts.push((await refund({}, { meta: { progressToken: 1 } })).text)
    home.gateway.answer = new Problem('not_granted', 'sk_test_canary is no action')
    texts.push((await refund()).text, (await ask('tools/list')).text)
    home.gateway.answer = done({ output: { echo: 'a sk_test_"quoted b' } })
    texts.push((await refund()).text)
    assert.ok(!texts.at(-1)?.includes('quoted'))
    for (const text of texts) assert.ok(!text.includes('sk_test_canary') && text.includes('[secret]'), text)
  })
})

describe('the tools of a role', () => {
  it('are its actions by name, then the gateway’s own, the same each time', async () => {
    const [first, again, old] = [
      await ask('tools/list'),
      await ask('tools/list'),
      await legacy(home.agent.url, home.bearer, 'tools/list'),
    ]
    const { tools, ttlMs, cacheScope } = first.body.result
    assert.equal(first.text, again.text)
    assert.deepEqual(old.body.result.tools, tools)
    assert.deepEqual([ttlMs, cacheScope], [5000, 'private'])
    assert.deepEqual(
      tools.map(({ name, title }: { name: string; title: string }) => [name, title]),
      [
        ['refund', 'refund'],
        ['call_status', 'Status of a call'],
        ['call_cancel', 'Cancel a call'],
        ['limits', 'Limits'],
        ['session_info', 'Session'],
      ],
    )
    assert.deepEqual(tools[0].annotations, {
      readOnlyHint: false,
      destructiveHint: true,
      idempotentHint: true,
      openWorldHint: true,
    })
    assert.deepEqual(tools[1].annotations, {
      readOnlyHint: true,
      destructiveHint: false,
      idempotentHint: true,
      openWorldHint: false,
    })
    assert.deepEqual(tools[0].inputSchema.required, ['request_key'])
    assert.equal(
      tools[0].inputSchema.properties.request_key.description,
      'Names this one effect, e.g. T-481/refund-1; a retry with the same key never acts twice; two refunds on one ticket are two keys.',
    )
  })

  it('are told of no tool that the role has not, and one that exists elsewhere is answered as one that does not', async () => {
    home.gateway.answer = ended('denied', 'not_granted', 'No.')
    const answers = [
      await tool('secret_write'),
      await tool('nothing'),
      await tool('a'.repeat(5000)),
      await tool('../x'),
    ]
    for (const answer of answers) assert.deepEqual(problemIn(answer), problemIn(answers[0] as McpAnswer))
    assert.deepEqual(
      calls().map(({ action, key }) => [action.slice(0, 20), key]),
      [
        ['secret_write', null],
        ['nothing', null],
        ['a'.repeat(20), null],
        ['../x', null],
      ],
    )
  })

  it('of the gateway look at calls, take them back, and say what is left', async () => {
    home.gateway.answer = ended('denied', 'denied', 'No.')
    const { result } = (await tool('call_status', { call: CALL, wait: 20 })).body
    const problem = problemBody('denied', 'No.', { call: 'call_1', entry: 'ent_1' })
    assert.deepEqual([result.isError, result.structuredContent], [undefined, envelope('denied', { problem })])
    home.gateway.answer = null
    await tool('call_cancel', { call: CALL })
    assert.deepEqual((await tool('limits')).body.result.structuredContent, {
      role: 'support-agent',
      tools: [{ tool: 'refund', action: 'refund', limits: [] }],
    })
    const info = (await tool('session_info')).body.result.structuredContent
    assert.deepEqual([info.session, info.role, info.expires_in], [home.session, 'support-agent', 7200])
    assert.deepEqual(home.gateway.asked, [
      ['show', who(), CALL, 20_000],
      ['cancel', who(), CALL],
      ['actions', who()],
    ])
  })

  const wrong: readonly (readonly [string, unknown, readonly string[]])[] = [
    ['call_status', {}, ['input.call']],
    ['call_status', { call: 7 }, ['input.call']],
    ['call_status', { call: '../admin' }, ['input.call']],
    ['call_status', { call: CALL, wait: 21 }, ['input.wait']],
    ['call_status', { call: CALL, wait: '5' }, ['input.wait']],
    ['call_status', { wait: -1, more: 1 }, ['input.call', 'input.wait', 'input.more']],
    ['call_cancel', { call: CALL, wait: 1 }, ['input.wait']],
    ['call_cancel', [], ['input']],
    ['limits', { call: CALL }, ['input.call']],
    ['session_info', { a: 1 }, ['input.a']],
    ['session_info', 'x', ['input']],
  ]
  for (const [name, input, paths] of wrong) {
    it(`say all that is wrong with ${name} ${JSON.stringify(input)}`, async () => {
      const problem = problemIn(await tool(name, input))
      assert.deepEqual(
        [problem.code, (problem['errors'] as { path: string }[]).map(({ path }) => path), home.gateway.asked],
        ['input_invalid', paths, []],
      )
    })
  }

  it('tell nothing of a call of somebody else', async () => {
    home.gateway.answer = new Problem('no_such_call', 'There is no such call of yours.')
    assert.equal(problemIn(await tool('call_status', { call: CALL })).code, 'no_such_call')
    assert.equal(problemIn(await tool('call_cancel', { call: CALL })).code, 'no_such_call')
  })
})

describe('a call as a task, where the client declares the extension', () => {
  const going = () => {
    home.gateway.answer = {
      replayed: false,
      envelope: envelope('held', { call: CALL, entry: ENTRY, ...held }),
      problem: null,
    }
  }
  const options = { capabilities: TASKS }

  it('is answered at once, and keeps nothing: its id is the call’s', async () => {
    going()
    const { result } = (await refund({}, options)).body
    const { content, _meta, ...task } = result
    assert.deepEqual(task, {
      resultType: 'task',
      taskId: CALL,
      status: 'working',
      statusMessage: 'Held: 1 of finance must approve (0 so far), until 2026-11-23T19:00:00.000Z.',
      createdAt: '2026-11-22T18:42:50.577Z',
      lastUpdatedAt: '2026-11-22T18:42:50.667Z',
      ttlMs: null,
      pollIntervalMs: 5000,
    })
    assert.equal(content.length, 1)
    assert.deepEqual(
      calls().map(({ wait_ms, wait_held }) => [wait_ms, wait_held]),
      [[10_000, undefined]],
    )
  })

  it('is a plain result where it is over already, and for every client that did not declare it', async () => {
    assert.equal((await refund({}, options)).body.result.resultType, 'complete')
    going()
    assert.equal((await refund()).body.result.resultType, 'complete')
    const old = await legacy(home.agent.url, home.bearer, 'tools/call', {
      name: 'refund',
      arguments: { request_key: 'T-1' },
      _meta: { 'io.modelcontextprotocol/clientCapabilities': TASKS },
    })
    assert.equal(old.body.result.structuredContent.status, 'held')
  })

  const states: readonly (readonly [string, () => void, unknown])[] = [
    ['held', going, { status: 'working', error: undefined }],
    ['done', () => (home.gateway.answer = done()), { status: 'completed', error: false }],
    [
      'denied',
      () => (home.gateway.answer = ended('rejected', 'rejected', 'No.')),
      { status: 'completed', error: true },
    ],
    [
      'cancelled',
      () => (home.gateway.answer = ended('cancelled', 'cancelled', 'No.')),
      { status: 'cancelled', error: undefined },
    ],
  ]
  for (const [state, set, expected] of states) {
    it(`is shown by tasks/get when the call is ${state}`, async () => {
      set()
      const { result } = (await ask('tasks/get', { taskId: CALL }, options)).body
      const error = result.result === undefined ? undefined : result.result.isError === true
      assert.deepEqual({ status: result.status, error }, expected)
      assert.equal(result.resultType, 'complete')
    })
  }

  it('is taken back by tasks/cancel while it is held, and only then', async () => {
    going()
    const { result } = (await ask('tasks/cancel', { taskId: CALL }, options)).body
    assert.deepEqual(Object.keys(result).sort(), ['_meta', 'resultType'])
    home.gateway.answer = done()
    await ask('tasks/cancel', { taskId: CALL }, options)
    await ask('tasks/update', { taskId: CALL, inputResponses: {} }, options)
    assert.deepEqual(
      home.gateway.asked.map(([name]) => name),
      ['show', 'cancel', 'show', 'show'],
    )
  })

  it('is none of another’s: -32602, and -32021 without the extension, whoever’s it is', async () => {
    home.gateway.answer = new Problem('no_such_call', 'There is no such call of yours.')
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
      const unknown = await ask(method, { taskId: CALL }, options)
      assert.deepEqual([unknown.body.error.code, unknown.body.error.data.code], [-32_602, 'no_such_call'])
      const undeclared = await ask(method, { taskId: CALL })
      assert.deepEqual([undeclared.status, undeclared.body.error.code], [400, -32_021])
    }
    const old = await legacy(home.agent.url, home.bearer, 'tasks/get', { taskId: CALL })
    assert.equal(old.body.error.code, -32_601)
  })
})

describe('a client that leaves', () => {
  it('loses nothing: the call goes on, and its place is taken until it ends', async () => {
    const own = await house({ waiting_max: 3 })
    try {
      let open = () => {}
      own.gateway.gate = new Promise((resolve) => (open = resolve))
      const leave = (options: object) =>
        modern(
          own.agent.url,
          own.bearer,
          'tools/call',
          { name: 'refund', arguments: { request_key: 'a' } },
          {
            ...options,
            signal: AbortSignal.timeout(150),
          },
        ).catch(() => 'left')
      const old = legacy(
        own.agent.url,
        own.bearer,
        'tools/call',
        { name: 'refund', arguments: { request_key: 'a' } },
        {},
        AbortSignal.timeout(150),
      ).catch(() => 'left')
      // One that waits for plain JSON, one that may listen to a stream, one that does.
      const left = [leave({}), leave({ meta: { progressToken: 1 } }), old]
      assert.deepEqual(await Promise.all(left), ['left', 'left', 'left'])
      const shed = await modern(own.agent.url, 'Bearer of nobody', 'tools/list')
      assert.deepEqual([shed.status, shed.body.error.data.code], [503, 'overloaded'])
      own.gateway.gate = null
      open()
      await new Promise((resolve) => setTimeout(resolve, 50))
      const { status } = await modern(own.agent.url, own.bearer, 'tools/list')
      assert.deepEqual([status, own.gateway.asked.map(([name]) => name)], [200, ['call', 'call', 'call', 'actions']])
    } finally {
      await own.close()
    }
  })
})
