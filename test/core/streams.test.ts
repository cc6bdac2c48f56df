import assert from 'node:assert/strict'
import type { Outcome } from '../../gateway/core/types.ts'
import { admitting, plan, want, World } from './world.ts'

const settle = (outcome: Outcome, output: string | null = '{"outcome":"broken"}') =>
  ({ op: 'settle', call: 'call_1', attempt: 1, outcome, output, replay_ms: 1000 }) as const
const BROKEN: Outcome = {
  kind: 'broken',
  reason: 'the agent left before the end',
  by: 'agent',
  answered: false,
  output: null,
  evidence: { status: 200, sent: 2, received: 5 },
}

function streaming(effect: 'read' | 'write' = 'write'): World {
  const world = new World()
  world.session()
  const rate = want('rate', 1, 10, { kind: 'rate', unit: 'calls' })
  world.write(admitting('call_1', { plan: plan({ effect, streamed: true, cost: null, want: [rate] }) }))
  return world
}

describe('the call of a stream', () => {
  it('is over when it broke: what it reserved is spent, and the entry says who ended it', () => {
    const world = streaming()
    world.write(settle(BROKEN))
    const call = world.calls.get('call_1')
    assert.deepEqual(
      [call?.state, call?.bound, call?.evidence, world.used('rate'), world.held('rate')],
      ['done', true, { status: 200, sent: 2, received: 5, broken: 'the agent left before the end' }, 1, 0],
    )
    const { kind, fields } = world.entries.at(-1) ?? assert.fail()
    assert.deepEqual(
      [kind, fields['outcome'], fields['by'], Object.keys(fields['digests'] as object)],
      ['call.settled', 'broken', 'agent', ['output']],
    )
  })

  for (const effect of ['read', 'write'] as const) {
    it(`is broken where a crash cut it off, and is not sent again (${effect})`, () => {
      const world = streaming(effect)
      world.owner = 'rep_2'
      world.write({ op: 'take_over', call: 'call_1', from: 'rep_1' })
      const call = world.calls.get('call_1')
      assert.deepEqual(
        [call?.state, call?.evidence, world.used('rate'), world.entries.at(-1)?.fields['by']],
        ['done', { broken: 'the gateway stopped while the call ran' }, 1, 'gateway'],
      )
      world.owner = 'rep_1'
      assert.equal(world.write(settle(BROKEN)).kind, 'fenced')
    })
  }

  it('keeps what went by where the backend refused, too', () => {
    const world = streaming()
    world.write(settle({ kind: 'refused', status: 404, message: 'no', evidence: {} }, '{"outcome":"refused"}'))
    assert.deepEqual(Object.keys(world.entries.at(-1)?.fields['digests'] as object), ['output'])
  })
})
