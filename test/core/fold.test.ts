import assert from 'node:assert/strict'
import type { LoadPolicy } from '../../gateway/core/operations.ts'
import type { Call, Outcome } from '../../gateway/core/types.ts'
import { World, admitting, approving, need, plan, want } from './world.ts'

const DONE: Outcome = { kind: 'done', output: null, evidence: { request_id: 'req_1' } }
const REFUSED: Outcome = { kind: 'refused', status: 400, message: 'no', evidence: {} }
const UNKNOWN: Outcome = { kind: 'unknown', reason: 'timeout', evidence: {} }
const NOT_SENT: Outcome = { kind: 'not_sent', reason: 'connection refused' }

const settling = (call: string, attempt: number, outcome: Outcome) =>
  ({
    op: 'settle',
    call,
    attempt,
    outcome,
    output: outcome.kind === 'done' ? '{"id":"re_1"}' : null,
    replay_ms: 1000,
  }) as const

function opened(world = new World()): World {
  world.session()
  return world
}

function started(world: World, id = 'call_1', more = {}): Call {
  const result = world.write(admitting(id, more))
  assert.equal(result.kind, 'started')
  return (result as { call: Call }).call
}

function heldCall(world: World, id = 'call_1', needs = [need('approval[0]', 1, 'finance')]): Call {
  const result = world.write(admitting(id, { plan: plan({ need: needs }) }))
  assert.equal(result.kind, 'held')
  return (result as { call: Call }).call
}

describe('the state machine', () => {
  describe('a call that enters', () => {
    it('reserves and writes the intent in one step', () => {
      const world = opened()
      const call = started(world)
      assert.equal(call.state, 'executing')
      assert.deepEqual([call.attempt, call.bound, call.intent_at], [1, true, world.now])
      assert.deepEqual([world.held('daily'), world.used('daily')], [3000, 0])
      assert.deepEqual(world.kinds(), ['call.started'])
      assert.deepEqual(world.entries[0]?.fields['reserve'], [
        { limit: 'daily', name: 'daily', amount: 3000, unit: 'USD', window: 'day' },
      ])
    })

    it('answers an equal key with the call that it names, and another input as another', () => {
      const world = opened()
      started(world, 'call_1', { key: 'k' })
      const again = world.write(admitting('call_2', { key: 'k' }))
      assert.deepEqual([again.kind, 'same' in again && again.same], ['bound', true])
      const other = world.write(admitting('call_3', { key: 'k', fingerprint: 'another' }))
      assert.deepEqual([other.kind, 'same' in other && other.same], ['bound', false])
      assert.equal(world.held('daily'), 3000)
      assert.deepEqual([...world.calls.keys()], ['call_1'])
    })

    it('looks the key up before limits, switches and stale plans', () => {
      const world = opened()
      started(world, 'call_1', { key: 'k' })
      world.write({ op: 'switch', name: 'all', on: true, reason: 'fire', person: 'demo:sam' })
      const again = world.write(admitting('call_2', { key: 'k', plan: plan({ want: [want('daily', 3000, 1)] }) }))
      assert.equal(again.kind, 'bound')
    })

    it('fits exactly ten into a limit with room for ten', () => {
      const world = opened()
      const kinds = Array.from({ length: 30 }, (_, n) => {
        return world.write(admitting(`call_${n}`, { plan: plan({ want: [want('daily', 5000, 50_000)] }) })).kind
      })
      assert.equal(kinds.filter((kind) => kind === 'started').length, 10)
      assert.equal(kinds.filter((kind) => kind === 'denied').length, 20)
      assert.equal(world.held('daily'), 50_000)
    })

    it('moves a counter that two lines touch only once', () => {
      const world = opened()
      started(world, 'call_1', { plan: plan({ want: [want('daily', 3000, 50_000), want('daily', 3000, 9000)] }) })
      assert.equal(world.held('daily'), 3000)
    })

    it('lists every line that said no, those of use after those of facts', () => {
      const world = opened()
      const deny = [{ because: 'grants.stripe.refund.max', message: 'never more than 200.00 USD at once.' }]
      const result = world.write(admitting('call_1', { plan: plan({ deny, want: [want('daily', 3000, 1)] }) }))
      assert.equal(result.kind, 'denied')
      const { call } = result as { call: Call }
      assert.deepEqual(call.because, ['grants.stripe.refund.max', 'grants.stripe.refund.daily'])
      assert.equal(call.detail, 'grants.stripe.refund.max: never more than 200.00 USD at once.')
      assert.deepEqual([call.code, call.bound, world.held('daily')], ['denied', false, 0])
    })

    it('charges a refusal to the guesser, and stops charging who is refused for guessing', () => {
      const world = opened()
      const refuse = { code: 'denied', detail: 'no', because: ['facts.charge'] } as const
      for (let n = 0; n < 3; n++) world.write(admitting(`call_${n}`, { refuse }))
      assert.equal(world.used('attempts'), 3)
      const guessed = { code: 'rate_limited', detail: 'no', because: ['grants.stripe.refund.attempts'] } as const
      world.write(admitting('call_9', { refuse: guessed }))
      assert.equal(world.used('attempts'), 3)
    })

    it('says rate_limited only when nothing but rates said no', () => {
      const rate = want('rate', 1, 0, {
        kind: 'rate',
        unit: 'calls',
        window: { kind: 'rolling', length_ms: 3_600_000 },
      })
      const codes = [[rate], [rate, want('daily', 3000, 1)]].map((wants, n) => {
        const world = opened()
        const result = world.write(admitting(`call_${n}`, { plan: plan({ want: wants }) }))
        return (result as { call: Call }).call.code
      })
      assert.deepEqual(codes, ['rate_limited', 'denied'])
    })

    it('asks the attempts where it decides, also of a call that would be allowed', () => {
      const world = opened()
      const attempts = want('attempts', 1, 2, {
        kind: 'attempts',
        unit: 'attempts',
        window: { kind: 'rolling', length_ms: 3_600_000 },
      })
      const deny = [{ because: 'x', message: 'no' }]
      for (let n = 0; n < 5; n++) world.write(admitting(`call_${n}`, { plan: plan({ attempts, deny }) }))
      assert.equal(world.used('attempts'), 2)
      const allowed = world.write(admitting('call_9', { plan: plan({ attempts }) }))
      assert.deepEqual([allowed.kind, (allowed as { call: Call }).call.code], ['denied', 'rate_limited'])
    })

    it('answers a refusal that came late with the call that its key names by now', () => {
      const world = opened()
      started(world, 'call_1', { key: 'k' })
      const refuse = { code: 'denied', detail: 'the item is gone', because: ['facts.item'] } as const
      assert.equal(world.write(admitting('call_2', { key: 'k', refuse })).kind, 'bound')
    })

    const stale: [string, Parameters<typeof admitting>[1]][] = [
      ['another policy', { plan: plan({ policy: 'sha256:older' }) }],
      ['other switches', { plan: plan({ switches: 0 }) }],
      ['facts that are too old', { facts_until: 1 }],
    ]
    for (const [what, more] of stale) {
      it(`goes back to be weighed after ${what}`, () => {
        const world = opened()
        assert.deepEqual(world.write(admitting('call_1', more)), { kind: 'stale' })
        assert.deepEqual([world.entries, world.calls.size], [[], 0])
      })
    }

    for (const name of ['all', 'role:support-agent', 'action:stripe.refund']) {
      it(`is refused by the freeze ${name}, a read is not`, () => {
        const world = opened()
        world.write({ op: 'switch', name, on: true, reason: 'fire', person: 'demo:sam' })
        const write = world.write(admitting('call_1', { plan: plan({ switches: 2 }) }))
        assert.deepEqual([write.kind, (write as { call: Call }).call.code], ['denied', 'frozen'])
        const read = world.write(admitting('call_2', { key: null, plan: plan({ switches: 2, effect: 'read' }) }))
        assert.equal(read.kind, 'started')
      })
    }

    it('is refused by a session that is over', () => {
      const world = opened()
      world.write({ op: 'session.end', session: 'ses_1', reason: 'logout', by: 'demo:bot' })
      assert.deepEqual(world.write(admitting('call_1')), { kind: 'session', code: 'session_revoked' })
      world.session('ses_2', { expires_at: world.now })
      assert.deepEqual(world.write(admitting('call_1', { session: 'ses_2' })), {
        kind: 'session',
        code: 'session_expired',
      })
    })

    it('counts open holds of a session and refuses the eleventh', () => {
      const world = opened()
      for (let n = 0; n < 10; n++) heldCall(world, `call_${n}`)
      const result = world.write(admitting('call_11', { plan: plan({ need: [need('approval[0]', 1, 'finance')] }) }))
      assert.deepEqual([result.kind, (result as { call: Call }).call.code], ['denied', 'rate_limited'])
      assert.equal(world.held('daily'), 30_000)
    })
  })

  describe('an attempt that ends', () => {
    const ends: [string, Outcome, Call['state'], number, number, boolean][] = [
      ['done', DONE, 'done', 0, 3000, true],
      ['refused', REFUSED, 'refused', 0, 0, true],
      ['unknown', UNKNOWN, 'unknown', 3000, 0, true],
      ['not sent', NOT_SENT, 'not_sent', 0, 0, false],
    ]
    for (const [name, outcome, state, held, used, bound] of ends) {
      it(`${name}: budget and key as the rules say`, () => {
        const world = opened()
        started(world)
        const result = world.write(settling('call_1', 1, outcome))
        assert.equal(result.kind, 'settled')
        const call = world.calls.get('call_1')
        assert.deepEqual(
          [call?.state, world.held('daily'), world.used('daily'), call?.bound],
          [state, held, used, bound],
        )
      })
    }

    it('counts a refused call in its rate, not in its budget', () => {
      const world = opened()
      const rate = want('rate', 1, 20, {
        kind: 'rate',
        unit: 'calls',
        window: { kind: 'rolling', length_ms: 3_600_000 },
      })
      started(world, 'call_1', { plan: plan({ want: [rate, want('daily', 3000, 50_000)] }) })
      world.write(settling('call_1', 1, REFUSED))
      assert.deepEqual([world.used('rate'), world.used('daily')], [1, 0])
    })

    it('frees the key of a call that was not sent', () => {
      const world = opened()
      started(world, 'call_1', { key: 'k' })
      world.write(settling('call_1', 1, NOT_SENT))
      assert.equal(started(world, 'call_2', { key: 'k' }).state, 'executing')
    })

    it('fences off an attempt that is not the last one', () => {
      const world = opened()
      started(world)
      world.write(settling('call_1', 1, UNKNOWN))
      assert.equal(
        world.write({ op: 'start', call: 'call_1', attempt: 1, timeout_ms: 1, until: Infinity }).kind,
        'started',
      )
      assert.equal(world.write(settling('call_1', 1, DONE)).kind, 'fenced')
      assert.equal(world.calls.get('call_1')?.state, 'unknown')
      assert.equal(world.write(settling('call_1', 2, DONE)).kind, 'settled')
      assert.deepEqual([world.calls.get('call_1')?.state, world.used('daily')], ['done', 3000])
    })

    for (const [name, outcome] of [
      ['refusal', REFUSED],
      ['nothing sent', NOT_SENT],
    ] as const) {
      it(`does not take a later attempt's ${name} for the whole call's while an earlier one is in doubt`, () => {
        const world = opened()
        started(world)
        world.write(settling('call_1', 1, UNKNOWN))
        world.write({ op: 'start', call: 'call_1', attempt: 1, timeout_ms: 1, until: Infinity })
        world.write(settling('call_1', 2, outcome))
        const call = world.calls.get('call_1')
        assert.deepEqual([call?.state, call?.doubt, world.held('daily')], ['unknown', [1], 3000])
      })
    }

    it('takes an attempt that a crash cut off for one in doubt', () => {
      const world = opened()
      started(world)
      world.write({ op: 'take_over', call: 'call_1', from: 'rep_1' })
      world.write(settling('call_1', 1, NOT_SENT))
      const again = (attempt: number) =>
        world.write({ op: 'start', call: 'call_1', attempt, timeout_ms: 1, until: Infinity })
      again(1)
      world.write({ op: 'take_over', call: 'call_1', from: 'rep_1' })
      again(2)
      world.write(settling('call_1', 3, REFUSED))
      assert.equal(world.calls.get('call_1')?.state, 'unknown')
    })

    it('belongs to who took it first: the one before may only say what became of its attempt', () => {
      const world = opened()
      started(world)
      world.owner = 'rep_2'
      assert.equal(world.write({ op: 'take_over', call: 'call_1', from: 'rep_1' }).kind, 'settled')
      const entries = world.entries.length
      world.owner = 'rep_3'
      assert.equal(world.write({ op: 'take_over', call: 'call_1', from: 'rep_1' }).kind, 'fenced')
      world.owner = 'rep_1'
      const again = { op: 'start', call: 'call_1', attempt: 1, timeout_ms: 1, until: Infinity } as const
      const found = { op: 'reconcile', call: 'call_1', attempt: 1, found: 'done', reason: '', evidence: {} } as const
      const looked = world.write({ ...found, output: null, replay_ms: 0 })
      assert.deepEqual([world.write(again).kind, looked.kind], ['refused', 'fenced'])
      assert.equal(world.entries.length, entries)
      assert.equal(world.write(settling('call_1', 1, DONE)).kind, 'settled')
      assert.equal(world.calls.get('call_1')?.state, 'done')
    })

    it('starts no attempt once the backend’s key is dead', () => {
      const world = opened()
      started(world)
      world.write(settling('call_1', 1, UNKNOWN))
      const late = world.write({ op: 'start', call: 'call_1', attempt: 1, timeout_ms: 1, until: world.now })
      assert.deepEqual([late.kind, 'reason' in late && late.reason], ['refused', 'too_late'])
    })

    it('settles once: a second end changes nothing', () => {
      const world = opened()
      started(world)
      world.write(settling('call_1', 1, DONE))
      const before = world.entries.length
      assert.equal(world.write(settling('call_1', 1, NOT_SENT)).kind, 'fenced')
      assert.deepEqual([world.entries.length, world.used('daily')], [before, 3000])
    })

    it('dates the use by the intent, not by the answer', () => {
      const world = opened()
      world.now = Date.parse('2026-11-23T23:59:59Z')
      started(world)
      world.now = Date.parse('2026-11-24T00:00:05Z')
      world.write(settling('call_1', 1, DONE))
      assert.deepEqual([...(world.limits.get('daily')?.buckets.keys() ?? [])], [Date.parse('2026-11-23T00:00:00Z')])
    })

    it('counts what is in doubt in tomorrow’s window too', () => {
      const world = opened()
      started(world, 'call_1', { plan: plan({ want: [want('daily', 50_000, 50_000)] }) })
      world.write(settling('call_1', 1, UNKNOWN))
      world.now += 86_400_000
      world.session()
      assert.equal(world.write(admitting('call_2')).kind, 'denied')
    })
  })

  describe('what is in doubt', () => {
    const inDoubt = (): World => {
      const world = opened()
      started(world)
      world.write(settling('call_1', 1, UNKNOWN))
      return world
    }
    const finding = (found: 'done' | 'refused' | 'cannot_tell', attempt = 1) =>
      ({
        op: 'reconcile',
        call: 'call_1',
        attempt,
        found,
        reason: 'asked',
        evidence: {},
        output: null,
        replay_ms: 1,
      }) as const

    const founds: ['done' | 'refused' | 'cannot_tell', Call['state'], number, number][] = [
      ['done', 'done', 0, 3000],
      ['refused', 'refused', 0, 0],
      ['cannot_tell', 'needs_human', 3000, 0],
    ]
    for (const [found, state, held, used] of founds) {
      it(`becomes ${state} when the backend says ${found}`, () => {
        const world = inDoubt()
        world.write(finding(found))
        assert.deepEqual(
          [world.calls.get('call_1')?.state, world.held('daily'), world.used('daily')],
          [state, held, used],
        )
      })
    }

    it('is not sent again after a revocation or under a freeze', () => {
      const revoked = inDoubt()
      revoked.write({ op: 'session.end', session: 'ses_1', reason: 'revoked', by: 'demo:sam' })
      const frozen = inDoubt()
      frozen.write({ op: 'switch', name: 'all', on: true, reason: 'fire', person: 'demo:sam' })
      const again = [revoked, frozen].map((world) =>
        world.write({ op: 'start', call: 'call_1', attempt: 1, timeout_ms: 1, until: Infinity }),
      )
      assert.deepEqual(
        again.map((result) => 'reason' in result && result.reason),
        ['revoked', 'frozen'],
      )
    })

    it('is taken over by a new process as in doubt, a read as not sent', () => {
      const world = opened()
      started(world)
      started(world, 'call_2', { key: null, plan: plan({ effect: 'read', want: [] }) })
      world.write({ op: 'take_over', call: 'call_1', from: 'rep_1' })
      world.write({ op: 'take_over', call: 'call_2', from: 'rep_1' })
      assert.deepEqual([world.calls.get('call_1')?.state, world.calls.get('call_2')?.state], ['unknown', 'not_sent'])
    })

    it('is settled by two different people with the same word', () => {
      const world = inDoubt()
      world.write(finding('cannot_tell'))
      const says = (id: string, outcome: 'done' | 'refused') =>
        world.write({
          op: 'person_settles',
          call: 'call_1',
          person: { id, name: id, groups: ['finance'] },
          outcome,
          reason: 'looked',
        }).kind
      assert.deepEqual(
        [
          says('demo:dana', 'done'),
          says('demo:dana', 'done'),
          says('demo:bot', 'done'),
          says('demo:omar', 'refused'),
          says('demo:omar', 'done'),
        ],
        ['one_more', 'same_person', 'own_call', 'one_more', 'settled'],
      )
      assert.deepEqual([world.calls.get('call_1')?.state, world.used('daily')], ['done', 3000])
    })
  })

  describe('a held call', () => {
    it('reserves, and runs with its card once its people said yes', () => {
      const world = opened()
      const call = heldCall(world)
      assert.deepEqual([world.held('daily'), world.held('holds')], [3000, 1])
      const result = world.write(
        approving(call, 'demo:dana', ['finance'], { plan: plan({ need: [need('approval[0]', 1, 'finance')] }) }),
      )
      assert.equal(result.kind, 'started')
      assert.deepEqual([world.held('daily'), world.held('holds')], [3000, 0])
      assert.deepEqual(world.kinds(), ['call.held', 'call.approved', 'call.started'])
    })

    it('wants different people: two clicks of one are one', () => {
      const world = opened()
      const needs = [need('approval[0]', 2, 'finance')]
      const call = heldCall(world, 'call_1', needs)
      const yes = (person: string, groups = ['finance']) =>
        world.write(approving(call, person, groups, { plan: plan({ need: needs }) })).kind
      assert.deepEqual([yes('demo:dana'), yes('demo:dana'), yes('demo:omar')], ['held', 'already_decided', 'started'])
    })

    it('lets one yes count in every line it fits', () => {
      const world = opened()
      const needs = [need('approval[0]', 1, 'finance'), need('approval[1]', 1, 'security')]
      const call = heldCall(world, 'call_1', needs)
      assert.equal(
        world.write(approving(call, 'demo:max', ['finance', 'security'], { plan: plan({ need: needs }) })).kind,
        'started',
      )
    })

    const refused: [string, string, string[], string][] = [
      ['who asked for it', 'demo:bot', ['finance'], 'own_call'],
      ['who owns its role', 'demo:lee', ['finance', 'support-leads'], 'own_call'],
      ['who is in none of the groups', 'demo:sam', ['security'], 'not_eligible'],
    ]
    for (const [who, person, groups, kind] of refused) {
      it(`is not approved or rejected by ${who}`, () => {
        const world = opened()
        const call = heldCall(world)
        assert.equal(world.write(approving(call, person, groups)).kind, kind)
        const no = world.write({
          op: 'reject',
          call: call.id,
          person: { id: person, name: person, groups },
          reason: 'no',
        })
        assert.equal(no.kind, kind)
        assert.equal(world.calls.get(call.id)?.state, 'held')
      })
    }

    const changes: [string, Parameters<typeof plan>[0]][] = [
      ['request', { request: { POST: '/v1/refunds', form: { charge: 'ch_2', amount: 3000 } } }],
      ['cost', { cost: { unit: 'USD', amount: 3100 } }],
      ['need', { need: [need('approval[0]', 2, 'finance')] }],
    ]
    for (const [what, changed] of changes) {
      it(`is held afresh when its ${what} changed, and what was said counts no more`, () => {
        const world = opened()
        const needs = [need('approval[0]', 2, 'finance')]
        const call = heldCall(world, 'call_1', what === 'need' ? [need('approval[0]', 1, 'finance')] : needs)
        if (what !== 'need') world.write(approving(call, 'demo:omar', ['finance'], { plan: plan({ need: needs }) }))
        const result = world.write(
          approving(call, 'demo:dana', ['finance'], { plan: plan({ need: needs, ...changed }) }),
        )
        assert.equal(result.kind, 'card_changed')
        const now = world.calls.get('call_1')
        assert.deepEqual(
          [now?.state, now?.approvals, now?.card === call.card, world.held('daily')],
          ['held', [], false, 3000],
        )
        const old = world.write(approving(call, 'demo:dana', ['finance'], { plan: plan({ need: needs, ...changed }) }))
        assert.equal(old.kind, 'card_changed', 'a yes to the old card must not count')
      })
    }

    it('is denied when the policy says no today', () => {
      const world = opened()
      const call = heldCall(world)
      const deny = [
        { because: 'grants.stripe.refund.require[1]', message: 'The charge is in dispute; the bank decides.' },
      ]
      const result = world.write(approving(call, 'demo:dana', ['finance'], { plan: plan({ deny }) }))
      assert.equal(result.kind, 'denied')
      assert.deepEqual([world.held('daily'), world.held('holds'), world.calls.get('call_1')?.bound], [0, 0, true])
    })

    it('names who said yes to what the policy then denied, and the policy', () => {
      const world = opened()
      const call = heldCall(world)
      world.policy = 'sha256:new'
      const deny = [{ because: 'x', message: 'no' }]
      world.write(approving(call, 'demo:dana', ['finance'], { plan: plan({ policy: 'sha256:new', deny }) }))
      const { fields } = world.entries.at(-1) ?? assert.fail()
      assert.deepEqual(
        [fields['person'], fields['policy'], world.calls.get('call_1')?.policy],
        ['demo:dana', 'sha256:new', 'sha256:new'],
      )
    })

    it('is held afresh when it would go to another backend, and then goes to that one', () => {
      const world = opened()
      const call = heldCall(world)
      const elsewhere = plan({ need: [need('approval[0]', 1, 'finance')], backend: 'other' })
      assert.equal(world.write(approving(call, 'demo:dana', ['finance'], { plan: elsewhere })).kind, 'card_changed')
      const again = world.calls.get('call_1') ?? assert.fail()
      assert.equal(world.write(approving(again, 'demo:dana', ['finance'], { plan: elsewhere })).kind, 'started')
      assert.equal(world.calls.get('call_1')?.backend, 'other')
    })

    it('keeps its place among the open holds when their maximum is lowered', () => {
      const world = opened()
      const needs = [need('approval[0]', 2, 'finance')]
      const call = heldCall(world, 'call_1', needs)
      heldCall(world, 'call_2', needs)
      const holds = want('holds', 1, 1, { kind: 'holds', unit: 'holds', window: { kind: 'gauge' } })
      assert.equal(
        world.write(approving(call, 'demo:dana', ['finance'], { plan: plan({ need: needs, holds }) })).kind,
        'held',
      )
    })

    it('asks nobody for a line in report mode, and records that it would have', () => {
      const world = opened()
      const result = world.write(
        admitting('call_1', { plan: plan({ need: [need('approval[0]', 1, 'finance', { report: true })] }) }),
      )
      assert.equal(result.kind, 'started')
      assert.deepEqual(world.entries.at(-1)?.fields['reported'], ['approval[0]'])
    })

    it('does not count against itself when it is decided again', () => {
      const world = opened()
      const needs = [need('approval[0]', 1, 'finance')]
      const whole = plan({ need: needs, want: [want('daily', 50_000, 50_000)] })
      const result = world.write(admitting('call_1', { plan: whole }))
      const { call } = result as { call: Call }
      assert.equal(world.write(approving(call, 'demo:dana', ['finance'], { plan: whole })).kind, 'started')
      assert.equal(world.held('daily'), 50_000)
    })

    it('expires: nobody’s answer is a no, and a late yes does nothing', () => {
      const world = opened()
      const call = heldCall(world)
      world.now += 4 * 3_600_000
      assert.equal(world.write(approving(call, 'demo:dana', ['finance'])).kind, 'expired')
      assert.deepEqual([world.calls.get('call_1')?.state, world.held('daily'), world.held('holds')], ['expired', 0, 0])
      heldCall(world, 'call_2')
      world.now += 4 * 3_600_000
      assert.deepEqual(
        world.write({ op: 'expire' }).calls.map(({ id }) => id),
        ['call_2'],
      )
    })

    it('lives on after a logout and dies with a revocation', () => {
      const world = opened()
      const call = heldCall(world)
      world.write({ op: 'session.end', session: 'ses_1', reason: 'logout', by: 'demo:bot' })
      assert.equal(world.calls.get('call_1')?.state, 'held')
      world.write({ op: 'session.end', session: 'ses_1', reason: 'revoked', by: 'demo:sam' })
      assert.deepEqual([world.calls.get('call_1')?.state, world.held('daily')], ['cancelled', 0])
      assert.equal(world.write(approving(call, 'demo:dana', ['finance'])).kind, 'cancelled')
    })

    it('waits under a freeze', () => {
      const world = opened()
      const call = heldCall(world)
      world.write({ op: 'switch', name: 'role:support-agent', on: true, reason: 'fire', person: 'demo:sam' })
      assert.equal(
        world.write(approving(call, 'demo:dana', ['finance'], { plan: plan({ switches: 2 }) })).kind,
        'frozen',
      )
      world.write({ op: 'switch', name: 'role:support-agent', on: false, reason: 'out', person: 'demo:sam' })
      const needs = [need('approval[0]', 1, 'finance')]
      assert.equal(
        world.write(approving(call, 'demo:dana', ['finance'], { plan: plan({ switches: 3, need: needs }) })).kind,
        'started',
      )
    })

    it('ends once: reject against approve against cancel', () => {
      const person = { id: 'demo:dana', name: 'Dana', groups: ['finance'] }
      const world = opened()
      const call = heldCall(world)
      assert.equal(world.write({ op: 'reject', call: call.id, person, reason: 'no' }).kind, 'rejected')
      assert.equal(world.write(approving(call, 'demo:omar', ['finance'])).kind, 'already_decided')
      assert.equal(world.write({ op: 'cancel', call: call.id, by: 'demo:bot', reason: 'x' }).kind, 'not_held')
      assert.equal(world.write({ op: 'reject', call: call.id, person, reason: 'no' }).kind, 'already_decided')
      assert.equal(world.kinds().filter((kind) => kind === 'call.rejected').length, 1)
    })

    it('applies a windowed line by what was done and held, and counts the call itself', () => {
      const watch = (amount: number) =>
        want('watch', amount, null, { kind: 'watch', window: { kind: 'rolling', length_ms: 86_400_000 } })
      const line = need('approval[2]', 1, 'finance', { when: { limit: 'watch', above: 10_000, up_to: null } })
      const world = opened()
      const kinds = [4000, 4000, 2000, 1].map((amount, n) => {
        return world.write(
          admitting(`call_${n}`, {
            plan: plan({ cost: { unit: 'USD', amount }, want: [watch(amount)], need: [line] }),
          }),
        ).kind
      })
      assert.deepEqual(kinds, ['started', 'started', 'started', 'held'])
    })
  })
})

describe('a policy that several processes may load', () => {
  const loading = (digest: string, more: Partial<LoadPolicy> = {}): LoadPolicy => ({
    op: 'policy',
    digest,
    texts: [],
    definitions: ['policy', 'daily'],
    ...more,
  })
  const opened = (): World => {
    const world = new World()
    world.session()
    world.write(loading('sha256:policy'))
    return world
  }

  const close = (world: World): number => {
    const answer = world.write({ op: 'policy.close' })
    return answer.kind === 'closed' ? answer.since : assert.fail(answer.kind)
  }

  it('is closed by one of them: nothing is admitted until that one has loaded it', () => {
    const world = opened()
    const closed = close(world)
    assert.equal(world.write(admitting('call_1')).kind, 'stale')
    world.owner = 'rep_2'
    assert.equal(world.write({ op: 'policy.close' }).kind, 'again')
    assert.equal(world.write(loading('sha256:other')).kind, 'again')
    world.owner = 'rep_1'
    const definitions = ['policy', 'daily', 'weekly']
    const fresh = { definitions, fresh: ['policy', 'weekly'], seeds: [], closed }
    assert.equal(world.write(loading('sha256:policy', fresh)).kind, 'loaded')
    assert.equal(world.write(admitting('call_1')).kind, 'started')
  })

  it('does not stay closed when who closed it is gone, and is not loaded by who was taken for gone', () => {
    const world = opened()
    const closed = close(world)
    world.now += 10_000
    world.owner = 'rep_2'
    assert.equal(world.write(admitting('call_1')).kind, 'started')
    assert.equal(world.write(loading('sha256:policy')).kind, 'loaded')
    world.owner = 'rep_1'
    assert.equal(world.write(loading('sha256:late', { closed })).kind, 'again')
    assert.equal(world.policy, 'sha256:policy')
  })

  it('is loaded only if nothing was admitted since it was closed, however long its seeds took to read', () => {
    const world = opened()
    const definitions = ['policy', 'daily', 'weekly']
    const fresh = { definitions, fresh: ['policy', 'weekly'], seeds: [] }
    const first = close(world)
    world.now += 8_000
    assert.equal(close(world), first)
    world.now += 8_000
    assert.equal(world.write(admitting('call_1')).kind, 'stale')
    world.now += 2_000
    world.owner = 'rep_2'
    assert.equal(world.write(admitting('call_2')).kind, 'started')
    world.owner = 'rep_1'
    assert.equal(world.write(loading('sha256:policy', { ...fresh, closed: first })).kind, 'again')
    const again = close(world)
    assert.notEqual(again, first)
    assert.equal(world.write(loading('sha256:policy', { ...fresh, closed: first })).kind, 'again')
    assert.equal(world.write(loading('sha256:policy', { ...fresh, closed: again })).kind, 'loaded')
  })

  it('is not loaded on limits that are not known any more', () => {
    const world = opened()
    assert.equal(world.write(loading('sha256:next', { definitions: ['policy', 'weekly'] })).kind, 'again')
    assert.equal(world.write(loading('sha256:next', { definitions: ['policy'] })).kind, 'loaded')
  })
})
