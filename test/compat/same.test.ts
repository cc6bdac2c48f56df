import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { exportLedger } from '../../gateway/store/export.ts'
import { startLying } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { standing } from './house.ts'

type Input = { readonly [name: string]: string | number }
type Call = { readonly kind: 'call'; readonly action: string; readonly input: Input; readonly key: string | null }
type Step = Call | { readonly kind: 'approve' | 'cancel'; readonly nth: number }

const amount = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 3000 }) },
  { weight: 3, arbitrary: fc.integer({ min: 5001, max: 20_100 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, -1, 1.5, 5000, 15_000, 20_000, 20_001) },
)
const charge = fc.constantFrom('ch_1', 'ch_2', 'ch_3', 'ch_4', 'ch_5', 'ch_6', 'ch_7', 'ch_8', 'ch_', 'x')
const text = fc.oneof(
  fc.string({ maxLength: 50, unit: 'binary' }).filter((value) => value.isWellFormed()),
  fc.constantFrom('', '\u202e', '${input.x}', '"}', 'a=b&c[d]=e', '%', '+ +'),
)
const key = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 60 }).map((n) => `T-${n}`) },
  { weight: 1, arbitrary: fc.constant(null) },
)
const asked: fc.Arbitrary<readonly [string, Input]> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.tuple(
      fc.constant('pay.refund'),
      fc.record({ charge, amount, note: text }, { requiredKeys: ['charge', 'amount'] }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constant('pay.look'), fc.record({ charge })),
  },
  { weight: 3, arbitrary: fc.tuple(fc.constant('shop.order'), fc.record({ item: text })) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('blind.note'), fc.record({ text })) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constant('pay.refund'),
      fc.dictionary(fc.constantFrom('charge', 'amounts', 'object', 'constructor', '__proto__'), charge, { maxKeys: 3 }),
    ),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constant('stripe.POST.v1.payouts'), fc.constant({})) },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 16,
    arbitrary: fc
      .tuple(asked, key)
      .map(([[action, input], named]): Step => ({ kind: 'call', action, input, key: named })),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('approve' as const, 'cancel' as const), nth: fc.nat(50) }),
  },
)

/** Companies are fresh after so many: budgets are spent, and everything would be refused. */
const ROUND = 500
const ALL = Number(process.env['CALLS'] ?? 200)

/**
 * REST = the Stripe-shaped door (I21): two companies alike are asked the same in the same order, one over HTTP, one with
 * forms as Stripe's SDKs send them.
 */
describe(`${ALL} random calls over REST and at the Stripe-shaped door`, function () {
  this.timeout(60_000 + ALL * 100)
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

  for (let from = 0; from < ALL; from += ROUND) {
    it(`have the same decisions, entries and effects: ${from} to ${Math.min(ALL, from + ROUND)}`, async () => {
      const steps = fc.sample(step, { numRuns: Math.min(ROUND, ALL - from), seed: seed + from })
      const [rest, stripe] = await Promise.all([open(overRest), open(overStripe)])
      try {
        for (const [index, one] of steps.entries()) {
          const [said, other] = await Promise.all([rest.take(one), stripe.take(one)])
          assert.deepEqual(other, said, `SEED=${seed + from}, step ${index}: ${JSON.stringify(one)}`)
        }
        assert.deepEqual(await stripe.entries(), await rest.entries(), `SEED=${seed + from}`)
        assert.deepEqual(stripe.effects(), rest.effects(), `SEED=${seed + from}`)
        assert.ok(rest.effects().length > 10, `${rest.effects().length} effects`)
        const met = JSON.stringify(rest.said)
        for (const kind of ['done', 'held', 'denied', 'input_invalid', 'not_granted', 'key_required'])
          assert.ok(met.includes(`"${kind}"`), `SEED=${seed + from}: no call was ${kind}`)
      } finally {
        await Promise.all([rest.close(), stripe.close()])
      }
    })
  }
})

/** The id of the call that came of it, or why there is none. */
type Ask = (gate: House, token: string, call: Call) => Promise<{ readonly call?: string; readonly code?: string }>

async function open(ask: Ask) {
  const [pay, shop, blind] = await Promise.all([startLying(), startLying({ idempotency: false }), startLying()])
  const where = await company({ pay: pay.url, shop: shop.url, blind: blind.url })
  await standing(where.policies)
  // What a busy machine delays on one side only must not look like a difference.
  const file = join(where.policies, 'backends.yaml')
  await writeFile(file, (await readFile(file, 'utf8')).replaceAll('timeout: 500ms', 'timeout: 10s'))
  const gate = await house(where, { stripeListen: '127.0.0.1:0' })
  const token = await gate.token()
  const plain = nameless()
  const ids: string[] = []
  const said: unknown[] = []
  return {
    said,
    async take(one: Step): Promise<unknown> {
      if (one.kind === 'call') {
        const { call, code } = await ask(gate, token, one)
        if (call === undefined) return said[said.push(code) - 1]
        ids.push(call)
        return said[said.push(plain((await gate.show(token, call)).body)) - 1]
      }
      const id = ids[one.nth % Math.max(1, ids.length)] ?? 'call_none'
      const headers = { authorization: `Bearer ${token}` }
      const { body } =
        one.kind === 'approve'
          ? await gate.approve('dana', id)
          : await gate.agent(`/v1/calls/${id}/cancel`, { method: 'POST', headers })
      if (one.kind === 'approve') await gate.show(token, id, 5)
      return plain({ status: body.status, code: body.code })
    },
    async entries(): Promise<unknown[]> {
      const directory = join(where.dir, 'export')
      await exportLedger(`sqlite:${join(where.dir, 'keystay.db')}`, { directory })
      const lines = (await readFile(join(directory, 'entries.jsonl'), 'utf8')).trim().split('\n')
      const all = lines.map((line) => JSON.parse(line) as { kind: string })
      return all.filter(({ kind }) => /^(call|approval|credential)\./.test(kind)).map(nameless())
    },
    effects: () => [pay, shop, blind].flatMap((backend) => backend.effects.map(plain)),
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

/** Where each action stands, and by what name its members go there. */
const PLACES: { readonly [action: string]: (input: Input) => readonly [string, Input] } = {
  'pay.refund': ({ note, ...input }) => [
    'POST /v1/refunds',
    note === undefined ? input : { ...input, 'metadata[note]': note },
  ],
  'pay.look': ({ charge: id }) => [`GET /v1/charges/${id}`, {}],
  'shop.order': (input) => ['POST /v1/orders', input],
  'blind.note': ({ text: said = '' }) => ['POST /v1/notes', { 'content[text]': said }],
}

const overStripe: Ask = async (gate, token, { action, input, key: named }) => {
  const [endpoint, form] = PLACES[action]?.(input) ?? ['POST /v1/payouts', {}]
  const [method = '', path = ''] = endpoint.split(' ')
  const body = Object.entries(form)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&')
  const answer = await fetch(`${gate.running.stripeUrl}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(named === null ? {} : { 'idempotency-key': named }),
      ...(method === 'POST' ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
    },
    ...(method === 'POST' ? { body } : {}),
  })
  const call = answer.headers.get('request-id')
  if (call !== null) return { call }
  const { error } = (await answer.json()) as { error: { code: string } }
  return { code: error.code }
}

/** What two runs must have in common: ids become ordinals; times, digests and addresses are left out. */
function nameless(): (value: unknown) => unknown {
  const known = new Map<string, string>()
  const counts = new Map<string, number>()
  const ordinal = (id: string): string => {
    const kind = id.slice(0, id.indexOf('_'))
    if (!known.has(id)) counts.set(kind, (counts.get(kind) ?? 0) + 1)
    const name = known.get(id) ?? `${kind}_${counts.get(kind)}`
    known.set(id, name)
    return name
  }
  return (value) =>
    JSON.parse(
      JSON.stringify(value, (member, inside: unknown) => (member === 'expires_in' ? undefined : inside))
        .replaceAll(/\b(?:call|ent|ses|gw)_[0-9A-HJKMNP-TV-Z]{26}|\blim_[0-9a-f]{26}/g, ordinal)
        .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, 'TIME')
        .replaceAll(/"retry_after":\d+/g, '"retry_after":0')
        .replaceAll(/\b[0-9a-f]{64}\b/g, 'DIGEST')
        .replaceAll(/127\.0\.0\.1:\d+/g, 'HOST'),
    )
}
