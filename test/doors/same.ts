import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { connect } from '../../client/index.ts'
import { exportLedger } from '../../gateway/store/export.ts'
import { startLying } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { legacy, modern, TASKS } from './mcp.ts'

/** A way in. Whoever adds one adds a row to `DOORS`. */
export interface Door {
  readonly name: string
  open(gate: House, token: string): Promise<Opened>
}
export interface Opened {
  /** What the agent is told: the envelope or the problem, whole, or as much of it as this door says. */
  call(call: Call): Promise<Said>
  close(): Promise<void>
}
/** Of a call, or why there is none. */
export interface Said {
  readonly call?: string
  readonly code?: string
  readonly status?: unknown
}

export type Call = {
  readonly kind: 'call'
  readonly action: string
  readonly input: { readonly [name: string]: unknown }
  readonly key: string | null
  /** By the older revision, where a door has two. */
  readonly old: boolean
}
/** Something that the agent asks, or that happens to one of its calls. */
export type Step = Call | { readonly kind: 'approve' | 'cancel'; readonly nth: number }

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
export const step: fc.Arbitrary<Step> = fc.oneof(
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

export interface Side {
  readonly name: string
  /** Said of each step, and how the call stands after it. */
  readonly answers: readonly { readonly said: unknown; readonly stands: unknown }[]
  take(one: Step): Promise<void>
  entries(): Promise<unknown[]>
  effects(): unknown[]
  close(): Promise<void>
}

/**
 * A company of its own behind one door, with what its agent and its people do.
 *
 * @param whole what is said is compared whole: nobody need look how the call stands.
 */
export async function side(door: Door, whole = false): Promise<Side> {
  const [pay, shop, blind] = await Promise.all([startLying(), startLying({ idempotency: false }), startLying()])
  const where = await company({ pay: pay.url, shop: shop.url, blind: blind.url })
  // What a busy machine delays on one side only must not look like a difference.
  const file = join(where.policies, 'backends.yaml')
  await writeFile(file, (await readFile(file, 'utf8')).replaceAll('timeout: 500ms', 'timeout: 10s'))
  const gate = await house(where)
  const token = await gate.token()
  const opened = await door.open(gate, token)
  const plain = nameless()
  const ids: string[] = []
  const answers: { said: unknown; stands: unknown }[] = []
  const stands = async (id: string) => (whole ? null : plain((await gate.show(token, id)).body))
  return {
    name: door.name,
    answers,
    async take(one) {
      if (one.kind === 'call') {
        const said = await opened.call(one)
        if (said.call !== undefined) ids.push(said.call)
        // What is missing is called by the name that each door has for it.
        const { code, status, call } = said
        answers.push({
          said: plain(code === 'key_required' ? { code, status } : said),
          stands: call === undefined ? code : await stands(call),
        })
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
      const said = plain({ status: body.status, code: body.code })
      answers.push({ said, stands: said })
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
      await opened.close()
      await gate.stop()
      await Promise.all([pay.close(), shop.close(), blind.close()])
      await where.remove()
    },
  }
}

export const REST: Door = {
  name: 'REST',
  open: async (gate, token) => ({
    call: async ({ action, input, key: named }) => (await gate.call(token, action, input, named ?? undefined)).body,
    close: async () => {},
  }),
}

/** Both revisions. A held call is a task where the client can take one; no test waits twenty seconds for people. */
const MCP: Door = {
  name: 'MCP',
  open: async (gate, token) => {
    const [url, bearer] = [gate.running.agentUrl, `Bearer ${token}`]
    const send = (what: object) => modern(url, bearer, 'tools/call', { ...what }, { capabilities: TASKS })
    return {
      async call({ action, input, key: named, old }) {
        const params = {
          name: action.replaceAll('.', '_'),
          arguments: { ...input, ...(named === null ? {} : { request_key: named }) },
        }
        const mayBeHeld = action === 'pay.refund' && Number(input['amount']) > 5000
        const answer = await (old && !mayBeHeld ? legacy(url, bearer, 'tools/call', params) : send(params))
        const { result } = answer.body
        if (result.resultType !== 'task') return result.structuredContent
        return (await send({ name: 'call_status', arguments: { call: result.taskId } })).body.result.structuredContent
      },
      close: async () => {},
    }
  },
}

/** The TypeScript client: it tells outcomes, not envelopes; of them what both have is compared. */
const CLIENT: Door = {
  name: 'the client',
  open: async (gate) => {
    const gw = await connect({
      url: gate.running.agentUrl,
      role: 'agent',
      identity: () => gate.person('bot'),
      patience_ms: 0,
    })
    return {
      async call({ action, input, key: named }) {
        const outcome: object = await gw.call(action, input, named === null ? {} : { key: named })
        return outcome as Said
      },
      close: () => gw.close(),
    }
  },
}

/** Every way in that is compared with REST. `whole`: what is said is the same too, not only what happens. */
export const DOORS: readonly { readonly door: Door; readonly whole: boolean }[] = [
  { door: MCP, whole: true },
  { door: CLIENT, whole: false },
]

/**
 * What two runs must have in common: ids become ordinals, and times, digests, addresses and what only one door says are
 * left out.
 */
function nameless(): (value: unknown) => unknown {
  const known = new Map<string, string>()
  const counts = new Map<string, number>()
  const ordinal = (id: string): string => {
    const kind = id.slice(0, id.indexOf('_'))
    if (!known.has(id)) {
      counts.set(kind, (counts.get(kind) ?? 0) + 1)
      known.set(id, `${kind}_${counts.get(kind)}`)
    }
    return known.get(id) ?? id
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
