import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Call, Outcome } from '../../gateway/core/types.ts'
import { World, admitting, approving, need, plan, want } from './world.ts'

const OPEN = new Set(['held', 'intent', 'executing', 'unknown', 'needs_human'])
const MAX = 10_000

type Step =
  | { do: 'admit'; key: number; amount: number; needs: number; stale: boolean }
  | { do: 'settle'; pick: number; outcome: Outcome['kind']; attempt: number }
  | { do: 'start' | 'take_over' | 'cancel'; pick: number }
  | { do: 'approve' | 'reject'; pick: number; person: number; card: boolean; amount: number }
  | { do: 'reconcile'; pick: number; found: 'done' | 'refused' | 'cannot_tell' }
  | { do: 'person'; pick: number; person: number; outcome: 'done' | 'refused' }
  | { do: 'revoke' | 'expire' }
  | { do: 'freeze'; on: boolean }
  | { do: 'wait'; ms: number }

const pick = fc.nat(7)
const person = fc.nat(3)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('admit' as const),
      key: fc.nat(5),
      amount: fc.integer({ min: 1, max: 6000 }),
      needs: fc.nat(2),
      stale: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      pick,
      outcome: fc.constantFrom('done', 'refused', 'unknown', 'not_sent'),
      attempt: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('start' as const, 'take_over' as const, 'cancel' as const), pick }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('approve' as const, 'reject' as const),
      pick,
      person,
      card: fc.boolean(),
      amount: fc.constantFrom(0, 0, 0, 1),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('reconcile' as const),
      pick,
      found: fc.constantFrom('done', 'refused', 'cannot_tell'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('person' as const),
      pick,
      person,
      outcome: fc.constantFrom('done', 'refused'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('revoke' as const, 'expire' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('freeze' as const), on: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 5 * 3_600_000 }) }),
  },
)

const PEOPLE = [
  { id: 'demo:dana', name: 'Dana', groups: ['finance'] },
  { id: 'demo:omar', name: 'Omar', groups: ['finance'] },
  { id: 'demo:bot', name: 'Bot', groups: ['finance'] },
  { id: 'demo:lee', name: 'Lee', groups: ['finance', 'support-leads'] },
] as const

function act(world: World, one: Step, turn: number): void {
  const calls = [...world.calls.values()]
  const chosen = 'pick' in one ? calls[one.pick % Math.max(1, calls.length)] : undefined
  const policies = { switches: world.switches.version }
  const weighed = (amount: number, needs: number) =>
    plan({
      ...policies,
      cost: { unit: 'USD', amount },
      request: { POST: '/v1/refunds', form: { amount } },
      want: [
        want('daily', amount, MAX),
        want('rate', 1, 50, { kind: 'rate', unit: 'calls', window: { kind: 'rolling', length_ms: 3_600_000 } }),
      ],
      need: needs === 0 ? [] : [need('approval[0]', needs, 'finance', { expires_ms: 3_600_000 })],
    })
  switch (one.do) {
    case 'admit':
      world.write(
        admitting(`call_${turn}`, {
          key: `k${one.key}`,
          plan: { ...weighed(one.amount, one.needs), ...(one.stale ? { policy: 'old' } : {}) },
        }),
      )
      return
    case 'wait':
      world.now += one.ms
      return
    case 'expire':
      world.write({ op: 'expire' })
      return
    case 'revoke':
      if (turn % 3 === 0) world.write({ op: 'session.end', session: 'ses_1', reason: 'revoked', by: 'demo:sam' })
      return
    case 'freeze':
      world.write({ op: 'switch', name: 'all', on: one.on, reason: 'x', person: 'demo:sam' })
      return
  }
  if (chosen === undefined) return
  const by = 'person' in one ? (PEOPLE[one.person] ?? PEOPLE[0]) : PEOPLE[0]
  switch (one.do) {
    case 'settle': {
      const outcomes: { [kind: string]: Outcome } = {
        done: { kind: 'done', output: null, evidence: {} },
        refused: { kind: 'refused', status: 400, message: 'no', evidence: {} },
        unknown: { kind: 'unknown', reason: 'timeout', evidence: {} },
        not_sent: { kind: 'not_sent', reason: 'refused connection' },
      }
      world.write({
        op: 'settle',
        call: chosen.id,
        attempt: one.attempt,
        outcome: outcomes[one.outcome] as Outcome,
        output: null,
        replay_ms: 1,
      })
      return
    }
    case 'start':
      world.write({ op: 'start', call: chosen.id, attempt: chosen.attempt, timeout_ms: 1000, until: Infinity })
      return
    case 'take_over':
      world.write({ op: 'take_over', call: chosen.id, from: 'rep_1' })
      return
    case 'cancel':
      world.write({ op: 'cancel', call: chosen.id, by: 'demo:bot', reason: 'x' })
      return
    case 'approve': {
      const amount = (chosen.cost?.amount ?? 0) + one.amount
      const approval = approving(chosen, by.id, [...by.groups], { plan: weighed(amount, chosen.need[0]?.count ?? 0) })
      world.write(one.card ? approval : { ...approval, approval: { ...approval.approval, card: 'another' } })
      return
    }
    case 'reject':
      world.write({ op: 'reject', call: chosen.id, person: by, reason: 'no' })
      return
    case 'reconcile':
      world.write({
        op: 'reconcile',
        call: chosen.id,
        attempt: chosen.attempt,
        found: one.found,
        reason: 'x',
        evidence: {},
        output: null,
        replay_ms: 1,
      })
      return
    case 'person':
      world.write({ op: 'person_settles', call: chosen.id, person: by, outcome: one.outcome, reason: 'x' })
  }
}

/** What the ledger says every limit comes to: every entry that moves a limit says so (I13). */
function folded(world: World): Map<string, { held: number; used: number }> {
  const sums = new Map<string, { held: number; used: number }>()
  const move = (moves: unknown, held: -1 | 0 | 1, used: 0 | 1): void => {
    for (const { limit, amount } of (moves ?? []) as { limit: string; amount: number }[]) {
      const sum = sums.get(limit) ?? { held: 0, used: 0 }
      sums.set(limit, { held: sum.held + held * amount, used: sum.used + used * amount })
    }
  }
  for (const { kind, fields } of world.entries) {
    move(fields['release'], -1, 0)
    move(fields['reserve'], 1, 0)
    // A refused attempt is charged at once; anything else was reserved before it is spent.
    move(fields['spend'], kind === 'call.denied' ? 0 : -1, 1)
  }
  return sums
}

describe('whatever happens in whatever order', () => {
  it('limits hold, the ledger explains them, and nothing ends twice', function () {
    this.timeout(60_000)
    const seen = new Map<string, number>()
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const world = new World()
        world.session()
        const ended = new Map<string, string>()
        for (const [turn, one] of steps.entries()) {
          act(world, one, turn)
          const open = [...world.calls.values()].filter(({ state }) => OPEN.has(state))
          const reserved = (limit: string) =>
            open
              .flatMap((call: Call) => call.reserve.filter((mine) => mine.limit === limit))
              .reduce((sum, { amount }) => sum + amount, 0)
          // I3: what is held is what open calls reserve, and with what was used it never exceeds the maximum.
          for (const limit of ['daily', 'rate', 'holds']) assert.equal(world.held(limit), reserved(limit), limit)
          const day = Math.floor(world.now / 86_400_000) * 86_400_000
          assert.ok((world.limits.get('daily')?.buckets.get(day) ?? 0) + world.held('daily') <= MAX)
          // I13: limits are the fold of the ledger.
          for (const [limit, { held, used }] of folded(world)) {
            assert.deepEqual([limit, world.held(limit), world.used(limit)], [limit, held, used])
          }
          // I9, R1: a key binds one call.
          const bound = [...world.calls.values()].filter((call) => call.bound).map(({ key }) => key)
          assert.equal(new Set(bound).size, bound.length)
          // I19, I17: what ended stays as it ended.
          for (const { id, state } of world.calls.values()) {
            if (ended.has(id)) assert.equal(state, ended.get(id))
            else if (!OPEN.has(state)) ended.set(id, state)
          }
        }
        for (const { state } of world.calls.values()) seen.set(state, (seen.get(state) ?? 0) + 1)
        // I6: nobody who asked or owns is among those who said yes, and nobody twice.
        for (const { approvals } of world.calls.values()) {
          const persons = approvals.map((yes) => yes.person)
          assert.equal(new Set(persons).size, persons.length)
          assert.ok(!persons.includes('demo:bot') && !persons.includes('demo:lee'))
        }
      }),
      { numRuns: 3000 },
    )
    // A walk that never comes to a state says nothing about it.
    for (const state of [
      'held',
      'executing',
      'unknown',
      'needs_human',
      'done',
      'refused',
      'denied',
      'rejected',
      'expired',
      'cancelled',
      'not_sent',
    ]) {
      assert.ok((seen.get(state) ?? 0) >= 20, `${state} was seen ${seen.get(state) ?? 0} times`)
    }
  })
})
