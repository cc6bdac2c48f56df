import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { exportLedger } from '../../gateway/store/export.ts'
import { startLying } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { legacy, modern, TASKS } from './mcp.ts'

type Call = {
  readonly kind: 'call'
  readonly action: string
  readonly input: { readonly [name: string]: unknown }
  readonly key: string | null
  /** By which revision of MCP. */
  readonly old: boolean
}
/** Something that the agent asks, or that happens to one of its calls. */
type Step = Call | { readonly kind: 'approve' | 'cancel'; readonly nth: number }

const amount = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 3000 }) },
  { weight: 3, arbitrary: fc.integer({ min: 5001, max: 20_100 }) },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(0, -1, 1.5, '7', null, 5000, 15_000, 20_000, 20_001) },
)
const charge = fc.constantFrom('ch_1', 'ch_2', 'ch_3', 'ch_4', 'ch_5', 'ch_6', 'ch_7', 'ch_8')
const text = fc.oneof(fc.string({ maxLength: 50 }), fc.constantFrom<unknown>('', 7, null, '\u202e', '${input.x}', '"}'))
// Few keys, so that they are met again with the same input and with another.
const key = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 60 }).map((n) => `T-${n}`) },
  { weight: 1, arbitrary: fc.constantFrom(null, '') },
)
const refund = fc.record({ charge, amount, note: text }, { requiredKeys: ['charge', 'amount'] })
const asked: fc.Arbitrary<readonly [string, { readonly [name: string]: unknown }]> = fc.oneof(
  { weight: 10, arbitrary: fc.tuple(fc.constant('pay.refund'), refund) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('pay.look'), fc.record({ charge })) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('shop.order'), fc.record({ item: text })) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('blind.note'), fc.record({ text })) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constant('pay.refund'), fc.dictionary(fc.string({ maxLength: 8 }), text, { maxKeys: 3 })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom('nothing', 'pay_nothing', 'constructor', 'toString'), fc.record({ charge })),
  },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 16,
    arbitrary: fc
      .tuple(asked, key, fc.boolean())
      .map(([[action, input], named, old]): Step => ({ kind: 'call', action, input, key: named, old })),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('approve' as const, 'cancel' as const), nth: fc.nat(50) }),
  },
)

/**
 * REST = MCP (I21): two companies alike, one asked over HTTP, the other over MCP in both of its revisions, with the same
 * random calls, repeats, approvals and cancellations in the same order.
 */
describe('200 random calls over REST and over MCP', function () {
  this.timeout(60_000)
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const steps = fc.sample(step, { numRuns: 200, seed })
  let rest: Side
  let mcp: Side
  before(async () => {
    ;[rest, mcp] = await Promise.all([open(overRest), open(overMcp)])
    for (const one of steps) await Promise.all([rest.take(one), mcp.take(one)])
  })
  after(async () => {
    await rest.close()
    await mcp.close()
  })

  it('are decided the same: status, code, why, what is left, what to do next', () => {
    for (const [index, one] of steps.entries()) {
      const where = `SEED=${seed}, step ${index}: ${JSON.stringify(one)}`
      assert.deepEqual(mcp.answers[index], rest.answers[index], where)
    }
    const met = JSON.stringify(rest.answers)
    for (const kind of [
      '"done"',
      '"held"',
      '"denied"',
      '"input_invalid"',
      '"not_granted"',
      '"key_reused"',
      '"key_required"',
    ])
      assert.ok(met.includes(kind), `SEED=${seed}: no call was ${kind}`)
  })

  it('are written down the same', async () => {
    const [one, other] = [await rest.entries(), await mcp.entries()]
    assert.deepEqual(other, one, `SEED=${seed}`)
    assert.ok(one.length > 200, `${one.length} entries`)
  })

  it('have the same effects', () => {
    assert.deepEqual(mcp.effects(), rest.effects(), `SEED=${seed}`)
    assert.ok(rest.effects().length > 20, `${rest.effects().length} effects`)
  })
})

interface Side {
  readonly answers: unknown[]
  take(one: Step): Promise<void>
  entries(): Promise<unknown[]>
  effects(): unknown[]
  close(): Promise<void>
}

type Ask = (gate: House, token: string, call: Call) => Promise<unknown>

async function open(ask: Ask): Promise<Side> {
  const [pay, shop, blind] = await Promise.all([startLying(), startLying({ idempotency: false }), startLying()])
  const where = await company({ pay: pay.url, shop: shop.url, blind: blind.url })
  // What a busy machine delays on one side only must not look like a difference.
  const file = join(where.policies, 'backends.yaml')
  await writeFile(file, (await readFile(file, 'utf8')).replaceAll('timeout: 500ms', 'timeout: 10s'))
  const gate = await house(where)
  const token = await gate.token()
  const plain = nameless()
  const ids: string[] = []
  const answers: unknown[] = []
  return {
    answers,
    async take(one) {
      if (one.kind === 'call') {
        const said = (await ask(gate, token, one)) as { call?: string; code?: string; status?: unknown }
        if (said.call !== undefined) ids.push(said.call)
        // What is missing is called by the name that each door has for it.
        const { code, status } = said
        answers.push(plain(code === 'key_required' ? { code, status } : said))
        return
      }
      const id = ids[one.nth % Math.max(1, ids.length)] ?? 'call_none'
      const { body } =
        one.kind === 'approve'
          ? await gate.approve('dana', id)
          : await gate.agent(`/v1/calls/${id}/cancel`, {
              method: 'POST',
              headers: { authorization: `Bearer ${token}` },
            })
      // An approved call runs by itself: the next step must find it where the other side does.
      if (one.kind === 'approve') await gate.show(token, id, 5)
      answers.push(plain({ status: body.status, code: body.code }))
    },
    async entries() {
      const directory = join(where.dir, 'export')
      await exportLedger(`sqlite:${join(where.dir, 'keystay.db')}`, { directory })
      const lines = (await readFile(join(directory, 'entries.jsonl'), 'utf8')).trim().split('\n')
      const all = lines.map((line) => JSON.parse(line) as { kind: string })
      const again = nameless()
      // How many were refused at the door is summed up second by second.
      return all.filter(({ kind }) => /^(call|approval|credential)\./.test(kind)).map(again)
    },
    effects: () => [pay, shop, blind].map((backend) => backend.effects.map(plain)).flat(),
    async close() {
      await gate.stop()
      await Promise.all([pay.close(), shop.close(), blind.close()])
      await where.remove()
    },
  }
}

const overRest: Ask = async (gate, token, { action, input, key: named }) => {
  const { body } = await gate.call(token, action, input, named ?? undefined)
  return body
}

/** A held call is a task where the client can take one; no test waits twenty seconds for people. */
const overMcp: Ask = async (gate, token, { action, input, key: named, old }) => {
  const url = gate.running.agentUrl
  const bearer = `Bearer ${token}`
  const params = {
    name: action.replaceAll('.', '_'),
    arguments: { ...input, ...(named === null ? {} : { request_key: named }) },
  }
  const mayBeHeld = action === 'pay.refund' && Number(input['amount']) > 5000
  const send = (what: object) => modern(url, bearer, 'tools/call', { ...what }, { capabilities: TASKS })
  const answer = await (old && !mayBeHeld ? legacy(url, bearer, 'tools/call', params) : send(params))
  const { result } = answer.body
  if (result.resultType !== 'task') return result.structuredContent
  return (await send({ name: 'call_status', arguments: { call: result.taskId } })).body.result.structuredContent
}

/**
 * What two runs must have in common: ids become ordinals, and times, digests, addresses and what only one door says are
 * left out.
 */
function nameless(): (value: unknown) => unknown {
  const known = new Map<string, string>()
  const ordinal = (id: string): string => {
    const kind = id.slice(0, id.indexOf('_'))
    const name = known.get(id) ?? `${kind}_${[...known.keys()].filter((one) => one.startsWith(kind)).length + 1}`
    known.set(id, name)
    return name
  }
  return (value) =>
    JSON.parse(
      JSON.stringify(value, (member, inside: unknown) => (LEFT_OUT.has(member) ? undefined : inside))
        .replaceAll(/\b(?:call|ent|ses|gw)_[0-9A-HJKMNP-TV-Z]{26}|\blim_[0-9a-f]{26}/g, ordinal)
        .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, 'TIME')
        .replaceAll(/\b[0-9a-f]{64}\b/g, 'DIGEST')
        .replaceAll(/127\.0\.0\.1:\d+/g, 'HOST'),
    )
}

const LEFT_OUT: ReadonlySet<string> = new Set(['do_next', 'replayed', 'expires_in', 'retry_after'])
