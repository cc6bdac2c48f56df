import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import type { ProblemBody } from '../../gateway/core/problem.ts'
import type { Json, JsonObject } from '../../gateway/core/types.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { modern } from './mcp.ts'
import { next } from './mechanic.ts'
import type { Attempt } from './mechanic.ts'

/** Inputs with everything that an input can have. */
const AWKWARD = `action: shop.ship
describe: Ship what was ordered, in parcels.
effect: write
input:
  parcels:
    type: array
    minItems: 1
    maxItems: 5
    items:
      type: object
      properties:
        item: { type: string, pattern: "^it_[0-9]{4}$" }
        count: { type: integer, minimum: 1, maximum: 12 }
        fragile?: { type: boolean }
  to:
    type: object
    properties:
      name: { type: string, minLength: 2, maxLength: 40, sensitive: true }
      mail: { type: string, format: email }
      country: { enum: [de, fr, nl] }
  day: { type: string, format: date }
  weight: { type: number, exclusiveMinimum: 0, maximum: 31.5 }
  boxes?: { type: integer, multipleOf: 6, minimum: 6, maximum: 60 }
  tags?: { type: array, maxItems: 4, uniqueItems: true, items: { type: string, maxLength: 12 } }
backend: shop
request: { POST: /v1/shipments, json: { day: "\${input.day}", call: "\${call.id}" } }
recheck:
  GET: /v1/shipments?call=\${call.id}
  happened: output.data.exists(o, has(o.call) && o.call == call.id)
output: { keep: [id, status] }
`
const MENDER = `role: mender
describe: Makes mistakes.
owners: [leads]
session: { lifetime: 2h }
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  pay.refund: { attempts: 100000, max: 200.00 USD }
${['pay.look', 'shop.order', 'blind.note', 'shop.ship'].map((name) => `  ${name}: { attempts: 100000 }`).join('\n')}
`

interface Answer {
  readonly status: string | null
  readonly problem: ProblemBody | null
}
type Door = (gate: House, token: string, action: string, attempt: Attempt) => Promise<Answer>

const REST: Door = async (gate, token, action, { input, key, body, headers, query }) => {
  const response = await fetch(`${gate.running.agentUrl}/v1/actions/${action}${query}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
      ...(key === null ? {} : { 'idempotency-key': key }),
      ...(headers as { [name: string]: string }),
    },
    body: body ?? JSON.stringify(input),
  })
  const said = (await response.json()) as { status: string } & ProblemBody
  return 'code' in said
    ? { status: null, problem: said }
    : { status: (said as { status: string }).status, problem: null }
}
const MCP: Door = async (gate, token, action, { input, key }) => {
  const named = typeof input === 'object' && input !== null && !Array.isArray(input) && key !== null
  const params = { name: action.replaceAll('.', '_'), arguments: named ? { ...input, request_key: key } : input }
  const { body } = await modern(gate.running.agentUrl, `Bearer ${token}`, 'tools/call', params)
  const said = body.result.structuredContent
  return 'code' in said ? { status: null, problem: said } : { status: said.status, problem: null }
}
const DOORS: { readonly [name: string]: Door } = { REST, MCP }

/** What a call without any fault of its own may still be told. */
const FAULTS = ['malformed', 'key_required', 'not_json', 'too_large', 'input_invalid', 'key_reused']

let pay: LyingBackend
let where: Awaited<ReturnType<typeof company>>
let gate: House
let demo: House
let dir: string
let keys = 0
const newKey = () => `T-${++keys}/mended`

before(async function () {
  this.timeout(20_000)
  pay = await startLying()
  where = await company(
    { pay: pay.url, shop: pay.url, blind: pay.url },
    { 'actions/awkward.yaml': AWKWARD, 'roles/mender.yaml': MENDER },
  )
  dir = await mkdtemp(join(tmpdir(), 'keystay-'))
  const policies = join(dir, 'policies')
  await cp(join(import.meta.dirname, '../../policies'), policies, { recursive: true })
  const backends = await readFile(join(policies, 'backends.yaml'), 'utf8')
  // Nothing answers there: what gets as far as a backend has no fault of its own.
  const nowhere = backends
    .replaceAll(/age:\/\/[a-z_/]+/g, 'env://KEYSTAY_TEST_KEY')
    .replaceAll(/http:\/\/127[^\s"]+/g, 'http://127.0.0.1:9')
  await writeFile(join(policies, 'backends.yaml'), nowhere)
  ;[gate, demo] = await Promise.all([house(where), house({ dir, policies })])
})
after(async () => {
  await Promise.all([gate.stop(), demo.stop()])
  await pay.close()
  await where.remove()
  await rm(dir, { recursive: true })
})

interface Example {
  readonly name: string
  readonly example: JsonObject
}
const actionsOf = async (at: House, token: string): Promise<Example[]> =>
  (await at.agent('/v1/actions', { headers: { authorization: `Bearer ${token}` } })).body.actions

const strange = fc.constantFrom<Json>('', '7', 'x'.repeat(2500), '\u202e', 0, -1, 1.5, null, true, [], {}, [1, [2]], {
  a: 1,
})
const fault = fc.record({
  at: fc.nat(50),
  as: fc.constantFrom('value', 'missing', 'misspelt', 'more', 'whole', 'number', 'key', 'reading'),
  value: strange,
})
const faults = fc.array(fault, { minLength: 1, maxLength: 4 })
type Fault = { readonly at: number; readonly as: string; readonly value: Json }

/** A good call with so many faults in it. */
function faulty(example: JsonObject, all: readonly Fault[]): Attempt {
  // What cannot be read at all hides what else is wrong.
  const unread = all.filter(({ as }) => as === 'reading')
  const list = unread.length > 0 ? unread : all
  let [input, key, body]: [Json, string | null, string | undefined] = [structuredClone(example), newKey(), undefined]
  for (const { at, as, value } of list) {
    if (as === 'key') key = null
    else if (as === 'whole') input = at % 4 === 0 ? value : input
    else if (as === 'reading') body = JSON.stringify(input).replace('}', at % 2 === 0 ? '' : ',"a":1,"a":1}')
    else if (typeof input === 'object' && input !== null && !Array.isArray(input))
      input = spoilt(input as JsonObject, as, at, value)
  }
  // 1e3 and 1.0: what only the text shows.
  const odd = list.some(({ as }) => as === 'number') && body === undefined
  if (odd) body = JSON.stringify(input).replaceAll(/:(\d+)(?=[,}])/g, ':$1.0')
  return { input, key, body, headers: {}, query: '' }
}

function spoilt(input: JsonObject, as: string, at: number, value: Json): JsonObject {
  const entries = Object.entries(input)
  const index = at % Math.max(1, entries.length)
  const [name = 'x', old = 1] = entries[index] ?? []
  if (as === 'more') return { ...input, [['colour', 'a.b', 'amount\u202e', 'Charge'][at % 4] ?? 'x']: value }
  if (as === 'missing') return Object.fromEntries(entries.filter((_, one) => one !== index))
  if (as === 'misspelt')
    return Object.fromEntries(entries.map(([one, inside], i) => [i === index ? `${name}x` : one, inside]))
  const inside = typeof old === 'object' && old !== null && !Array.isArray(old) && at % 2 === 0
  return { ...input, [name]: inside ? spoilt(old as JsonObject, 'more', at, value) : value }
}

describe('an agent that reads only the body of an error', function () {
  this.timeout(60_000)

  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const rounds = Number(process.env['RUNS'] ?? 6)
  for (const [door, ask] of Object.entries(DOORS)) {
    it(`mends every call that can be mended in one retry, over ${door}: every action, whatever is wrong`, async () => {
      const sessions = [
        { at: gate, token: await gate.token('bot', 'mender') },
        { at: demo, token: await demo.token('support-bot', 'support-agent') },
        { at: demo, token: await demo.token('order-bot', 'order-desk') },
        { at: demo, token: await demo.token('night-bot', 'returns-night') },
      ]
      let [asked, wrong] = [0, 0]
      for (const { at, token } of sessions) {
        for (const { name, example } of await actionsOf(at, token)) {
          for (const list of fc.sample(faults, { numRuns: rounds, seed: seed + asked })) {
            asked++
            const first = faulty(example, door === 'MCP' ? list.filter(({ as }) => as !== 'reading') : list)
            const told = await ask(at, token, name, first)
            if (told.problem === null || !FAULTS.includes(told.problem.code)) continue
            wrong++
            const step = next(first, told.problem, newKey)
            const why = `SEED=${seed} ${name} ${JSON.stringify(first)} ${JSON.stringify(told.problem)}`
            if (step.kind !== 'again') {
              assert.ok(
                told.problem.errors?.some(({ got }) => /^"?\d/.test(got)),
                why,
              )
              continue
            }
            const { problem } = await ask(at, token, name, step.attempt)
            const again = `${why} ${JSON.stringify(step.attempt)} ${JSON.stringify(problem)}`
            assert.ok(problem === null || !FAULTS.includes(problem.code), again)
          }
        }
      }
      assert.ok(wrong > asked * 0.5 && asked >= rounds * 15, `${wrong} of ${asked}`)
    })
  }
})
