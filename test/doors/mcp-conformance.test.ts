import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

type Revision = '2026-07-28' | '2025-11-25'
const REVISIONS: readonly Revision[] = ['2026-07-28', '2025-11-25']

/**
 * The official conformance tool, its server scenarios as it requires them of each revision. It can send no token: a small
 * proxy on loopback adds it. Its own tools stand in a policy where they can: what it calls slow is held until a person
 * approves, what it calls failing is refused by its backend.
 *
 * Whatever does not pass is named below with its reason; whatever is named and passes fails the test too.
 */
describe('the official conformance tool', function () {
  this.timeout(60_000)
  let pay: LyingBackend
  let failing: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let proxy: Awaited<ReturnType<typeof withBearer>>
  let approving: NodeJS.Timeout
  const found = new Map<string, Promise<Found>>()
  before(async () => {
    pay = await startLying()
    failing = await startLying()
    failing.lie({ kind: 'status_without', status: 404, times: 1e9 })
    where = await company({ pay: pay.url, shop: failing.url, blind: pay.url }, POLICY)
    gate = await house(where)
    proxy = await withBearer(gate.running.agentUrl, await gate.token('bot', 'conformance'))
    approving = setInterval(() => void approve(gate).catch(() => {}), 150)
    for (const revision of REVISIONS) {
      const run = conformance(revision, `${proxy.url}/mcp`)
      run.catch(() => {})
      found.set(revision, run)
    }
  })
  after(async () => {
    clearInterval(approving)
    await proxy.close()
    await gate.stop()
    await pay.close()
    await failing.close()
    await where.remove()
  })

  for (const revision of REVISIONS) {
    it(`passes every check that applies to a server of tools, of revision ${revision}`, async () => {
      const { failed, passed } = (await found.get(revision)) as Found
      const unexpected = failed.filter(({ check }) => reasonFor(check) === undefined)
      assert.deepEqual(unexpected, [])
      assert.ok(passed.length >= LEAST_PASSED[revision], `only ${passed.length} checks passed`)
      for (const check of MUST_PASS[revision]) assert.ok(passed.includes(check), `${check} did not pass`)
    })
  }

  it('fails no other check than those that are named with a reason', async () => {
    const all = (await Promise.all(found.values())).flatMap(({ failed }) => failed)
    const named = Object.entries(NOT_APPLICABLE).flatMap(([reason, names]) => names.map((name) => ({ reason, name })))
    const stale = named.filter(({ name }) => !all.some(({ check }) => check === name))
    assert.deepEqual(stale, [])
  })
})

/** So that a tool that ran nothing is seen. */
const LEAST_PASSED: { readonly [revision in Revision]: number } = { '2026-07-28': 120, '2025-11-25': 35 }
const MUST_PASS: { readonly [revision in Revision]: readonly string[] } = {
  '2026-07-28': [
    'sep-2575-server-implements-discover',
    'tools-list',
    'tools-call-error',
    'tools-call-with-progress',
    'localhost-host-rebinding-rejected',
    'sep-2549-tools-list-caching-hints',
    'tasks-extension-advertised',
    'sep-2663-result-type-task-on-create',
    'sep-2663-tasks-get-status-completed',
    'sep-2663-tool-error-uses-completed-status',
    'sep-2663-cancel-ack-empty-result',
  ],
  '2025-11-25': [
    'server-initialize',
    'ping',
    'tools-list',
    'tools-call-error',
    'tools-call-with-progress',
    'localhost-host-rebinding-rejected',
  ],
}

/** Checks that ask for something that this is not. */
const NOT_APPLICABLE: { readonly [reason: string]: readonly string[] } = {
  'there are tools only: no resources, prompts, completions or log messages': [
    'sep-2549-prompts-list-caching-hints',
    'sep-2549-resources-list-caching-hints',
    'sep-2549-resources-templates-list-caching-hints',
    'completion-complete',
    'prompts-get-embedded-resource',
    'prompts-get-simple',
    'prompts-get-with-args',
    'prompts-get-with-image',
    'prompts-list',
    'resources-list',
    'resources-read-binary',
    'resources-read-text',
    'resources-templates-read',
    'sep-2164-error-code',
    'sep-2164-data-uri',
    'logging-set-level',
    'resources-subscribe',
    'resources-unsubscribe',
    'tools-call-with-logging',
  ],
  'an action answers with data: no pictures, sounds or embedded resources': [
    'tools-call-audio',
    'tools-call-embedded-resource',
    'tools-call-image',
    'tools-call-mixed-content',
  ],
  'people approve, elsewhere: nothing is ever asked through the client': [
    'sep-2322-elicitation-incomplete',
    'sep-2322-list-roots-incomplete',
    'sep-2322-sampling-incomplete',
    'sep-2322-respect-client-capabilities',
    'sep-2322-missing-response-rerequests',
    'sep-2322-multi-round-r1',
    'sep-2322-multiple-inputs-incomplete',
    'sep-2322-non-tool-incomplete',
    'sep-2322-request-state-incomplete',
    'sep-2322-result-type-included',
    'sep-2322-reject-tampered-state',
    'sep-2322-validate-input-responses',
    'sep-2322-error-on-protocol-error',
    'sep-2663-mrtr-synchronous-before-task-creation',
    'sep-2663-tasks-get-status-input-required',
    'tasks-mrtr-tasks-update-resumes',
    'tasks-mrtr-partial-fulfillment',
    'elicitation-sep1034-general',
    'elicitation-sep1330-general',
    'tools-call-elicitation',
    'tools-call-sampling',
  ],
  'no tool needs a capability of the client, so none is refused for want of it': [
    'sep-2575-server-rejects-undeclared-capability',
    'sep-2575-missing-capability-http-400',
    'sep-2663-server-returns-missing-capability-when-required',
  ],
  'no tool mirrors an argument in a header': [
    'sep-2243-server-no-xmcp-tool',
    'sep-2243-server-decode-base64',
    'sep-2243-server-validate-param-match',
    'sep-2243-server-reject-invalid-param-chars',
    'sep-2243-server-reject-param-mismatch',
  ],
  'inputs have the shapes of the policy language, not every keyword of JSON Schema': ['json-schema-2020-12-tool-found'],
  'nothing is kept between two requests: no session of the protocol, no stream to resume': [
    'server-sse-multiple-streams-session',
    'server-sse-polling-session',
    'incoming-sse-event',
    'server-sse-priming-event',
    'server-sse-retry-field',
  ],
  'a refused call is a result that is an error; no task fails': ['sep-2663-tasks-get-status-failed'],
  'the check wants the literal text of its own tool': ['tasks-headers-tolerate-mcp-method-on-tools-call'],
}

function reasonFor(check: string): string | undefined {
  return Object.keys(NOT_APPLICABLE).find((reason) => NOT_APPLICABLE[reason]?.includes(check))
}

interface Found {
  readonly passed: readonly string[]
  readonly failed: readonly { readonly scenario: string; readonly check: string; readonly said: string }[]
}

async function conformance(revision: string, url: string): Promise<Found> {
  const out = await mkdtemp(join(tmpdir(), 'keystay-conformance-'))
  const tool = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/dist/index.js'))
  // It ends with 1 where anything failed; what failed is in its files.
  await new Promise<void>((resolve) => {
    const args = [tool, 'server', '--url', url, '--requirements', revision, '--timeout', '20000', '-o', out]
    execFile(process.execPath, args, { timeout: 50_000, maxBuffer: 64 * 1024 * 1024 }, () => resolve())
  })
  const passed: string[] = []
  const failed: { scenario: string; check: string; said: string }[] = []
  for (const folder of await readdir(out)) {
    const scenario = folder.replace(/^server-/, '').replace(/-\d{4}-\d{2}-\d{2}T.*$/, '')
    const checks = JSON.parse(await readFile(join(out, folder, 'checks.json'), 'utf8')) as Check[]
    for (const { id, status, errorMessage = '' } of checks) {
      if (status === 'SUCCESS') passed.push(id)
      if (status === 'FAILURE' || status === 'WARNING') failed.push({ scenario, check: id, said: errorMessage })
    }
  }
  await rm(out, { recursive: true })
  return { passed, failed }
}

interface Check {
  readonly id: string
  readonly status: string
  readonly errorMessage?: string
}

/** A proxy on loopback that adds the token, and changes nothing else. */
async function withBearer(to: string, token: string): Promise<{ url: string; close: () => Promise<void> }> {
  const { hostname, port } = new URL(to)
  const server = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, authorization: `Bearer ${token}` }
    const onward = request({ hostname, port, path: incoming.url, method: incoming.method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => onward.destroy())
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** A person who says yes after a while, by what the input says; what would be slow is left alone. */
async function approve(gate: House): Promise<void> {
  const { body } = await gate.admin('dana', 'GET', '/admin/v1/calls?status=held&role=conformance')
  for (const { call, at, action } of body.calls as { call: string; at: string; action: string }[]) {
    const story = await gate.admin('dana', 'GET', `/admin/v1/calls/${call}`)
    // Three words of progress, two seconds apart; the others are not waited for as long as they say.
    const seconds = action === 'test_tool_with_progress' ? 4.3 : Number(story.body.agent_says.seconds ?? 1) / 6
    if (seconds > 10 || Date.now() - Date.parse(at) < seconds * 1000) continue
    await gate.approve('dana', call)
  }
}

const read = (name: string, input = '', backend = 'pay') => `action: ${name}
describe: A tool of the conformance tool.
effect: read
${input}backend: ${backend}
request: { GET: /v1/charges/ch_1 }
output: { keep: [id, amount] }
`
const POLICY = {
  'actions/conformance.yaml': [
    read('test_simple_text'),
    read('test_error_handling'),
    read('test_tool_with_progress'),
    read('greet', 'input: { name: { type: string, maxLength: 100 } }\n'),
    read(
      'slow_compute',
      'input: { seconds: { type: integer, minimum: 0 }, label?: { type: string, maxLength: 100 } }\n',
    ),
    read('failing_job', '', 'shop'),
  ].join('---\n'),
  'roles/conformance.yaml': `role: conformance
describe: What the conformance tool asks.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
session: { lifetime: 1h }
grants:
  test_simple_text:
  test_error_handling: { require: [{ that: "1 == 2", else: This always fails. }] }
  test_tool_with_progress: { approval: [{ by: 1 of finance, expires: 1h }] }
  greet:
  slow_compute: { approval: [{ by: 1 of finance, expires: 1h }], holds_max: 100 }
  failing_job: { approval: [{ by: 1 of finance, expires: 1h }] }
`,
}
