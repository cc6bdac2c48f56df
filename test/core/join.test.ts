import assert from 'node:assert/strict'
import fc from 'fast-check'
import { takesJoins, TELLING_MS } from '../../gateway/core/join.ts'
import type { Admit, Admitted } from '../../gateway/core/operations.ts'
import type { Call, Outcome } from '../../gateway/core/types.ts'
import { admitting, approving, need, plan, want, World } from './world.ts'

const DONE: Outcome = { kind: 'done', output: null, evidence: {} }
const NOT_SENT: Outcome = { kind: 'not_sent', reason: 'connection refused' }

/** A request without a key of its own; the key is what an SDK made up for it. */
const unnamed = (call: string, key: string | null, more: Partial<Admit> = {}): Admit =>
  admitting(call, { key, join: 'invented', ...more })
const wanted = (key: string | null, fingerprint = 'print') =>
  ({
    principal: 'demo:bot',
    role: 'support-agent',
    action: 'stripe.refund',
    key,
    fingerprint,
  }) as const

function opened(): World {
  const world = new World()
  world.session()
  return world
}

const tell = (world: World, call: string, by: string) => world.write({ op: 'hand_out', call, by }).kind
const heard = (world: World, call: string, by: string) => world.write({ op: 'hand_out', call, by, went: 'told' }).kind
const unheard = (world: World, call: string, by: string) => world.write({ op: 'hand_out', call, by, went: 'back' }).kind

const settle = (world: World, call: string, outcome: Outcome = DONE) =>
  world.write({ op: 'settle', call, attempt: 1, outcome, output: '{"id":"re_1"}', replay_ms: 1000 })

/** `kind call`, and whether this was the telling. */
const said = (admitted: Admitted): string => {
  const call = 'call' in admitted ? admitted.call.id : ''
  return `${admitted.kind} ${call}${'handed' in admitted ? ' handed' : ''}`
}

describe('requests without a key of their own', () => {
  it('join an equal one that runs, whatever keys an SDK made up; one acts', () => {
    const world = opened()
    const answers = Array.from({ length: 10 }, (_, n) => said(world.write(unnamed(`call_${n}`, `made-up-${n}`))))
    assert.deepEqual(answers, ['started call_0', ...Array(9).fill('bound call_0')])
    assert.equal(world.held('daily'), 3000)
    assert.deepEqual(world.kinds(), ['call.started'])
  })

  it('are told what came of it once; after that an equal one is new work', () => {
    const world = opened()
    world.write(unnamed('call_1', 'a'))
    settle(world, 'call_1')
    assert.equal(said(world.write(unnamed('call_2', 'b'))), 'bound call_1 handed')
    heard(world, 'call_1', 'call_2')
    assert.equal(said(world.write(unnamed('call_3', 'c'))), 'started call_3')
    assert.equal(world.used('daily') + world.held('daily'), 6000)
  })

  it('are new work at once where whoever waited was told', () => {
    const world = opened()
    world.write(unnamed('call_1', 'a'))
    settle(world, 'call_1')
    assert.equal(tell(world, 'call_1', 'call_1'), 'marked')
    assert.equal(heard(world, 'call_1', 'call_1'), 'marked')
    assert.equal(tell(world, 'call_1', 'call_9'), 'as_it_was')
    assert.equal(heard(world, 'call_1', 'call_1'), 'as_it_was')
    assert.equal(said(world.write(unnamed('call_2', 'b'))), 'started call_2')
  })

  it('wait while what came of it is on its way to another, and are told where that one is not heard of', () => {
    const world = opened()
    world.write(unnamed('call_1', 'a'))
    settle(world, 'call_1')
    tell(world, 'call_1', 'call_1')
    const keys = world.keys.size
    assert.equal(said(world.write(unnamed('call_2', 'b'))), 'telling ')
    assert.equal(world.write({ op: 'join', ...wanted('b'), by: 'call_2' }).kind, 'telling')
    world.now += TELLING_MS - 1
    assert.equal(said(world.write(unnamed('call_2', 'b'))), 'telling ')
    assert.equal(world.keys.size, keys, 'who waits has joined nothing')
    assert.equal(said(world.write(unnamed('call_3', 'a'))), 'bound call_1', 'its own repeat does not wait')
    world.now += 1
    assert.equal(said(world.write(unnamed('call_2', 'b'))), 'bound call_1 handed')
    assert.equal(said(world.write(unnamed('call_4', 'd'))), 'telling ')
    // The first comes back to life: what it says of itself is no word about the second.
    assert.equal(unheard(world, 'call_1', 'call_1'), 'as_it_was')
    assert.equal(said(world.write(unnamed('call_4', 'd'))), 'telling ')
    assert.equal(unheard(world, 'call_1', 'call_2'), 'marked')
    assert.equal(said(world.write(unnamed('call_4', 'd'))), 'bound call_1 handed')
    // That any of them heard it is enough.
    assert.equal(heard(world, 'call_1', 'call_1'), 'marked')
    assert.equal(unheard(world, 'call_1', 'call_4'), 'as_it_was')
    assert.equal(said(world.write(unnamed('call_5', 'e'))), 'started call_5')
  })

  it('are owed it again where the telling was not heard', () => {
    const world = opened()
    world.write(unnamed('call_1', 'a'))
    settle(world, 'call_1')
    tell(world, 'call_1', 'call_1')
    unheard(world, 'call_1', 'call_1')
    assert.equal(said(world.write(unnamed('call_2', 'b'))), 'bound call_1 handed')
    unheard(world, 'call_1', 'call_2')
    assert.equal(said(world.write(unnamed('call_3', 'c'))), 'bound call_1 handed')
  })

  it('never act twice under one key, made up or not, whatever was told to whom meanwhile', () => {
    const world = opened()
    world.write(unnamed('call_1', 'a'))
    world.write(unnamed('call_2', 'b'))
    settle(world, 'call_1')
    heard(world, 'call_1', 'call_2')
    assert.equal(said(world.write(unnamed('call_3', 'c'))), 'started call_3')
    for (const key of ['a', 'b']) {
      assert.equal(said(world.write(unnamed('call_4', key))), 'bound call_1')
      assert.deepEqual(world.write({ op: 'join', ...wanted(key), by: 'call_4' }), {
        kind: 'joined',
        call: world.calls.get('call_1'),
      })
    }
    assert.equal(said(world.write(unnamed('call_5', 'c'))), 'bound call_3')
    const other = world.write(unnamed('call_6', 'a', { fingerprint: 'another' }))
    assert.deepEqual([other.kind, 'same' in other && other.same], ['bound', false])
  })

  it('keep the key that has joined, and no other', () => {
    const world = opened()
    world.write(unnamed('call_1', 'a'))
    world.write(unnamed('call_2', 'b'))
    world.write(unnamed('call_3', null))
    world.write(unnamed('call_4', 'a'))
    world.write(unnamed('call_5', 'b'))
    assert.deepEqual(
      [...world.joined],
      [[JSON.stringify(['demo:bot', 'support-agent', 'stripe.refund', 'b']), 'call_1']],
    )
    assert.equal(world.keys.size, 2)
  })

  it('join, of several, the one of which something is to be told, else the oldest', () => {
    const world = opened()
    world.write(unnamed('call_5', 'a'))
    const open: Call = { ...(world.calls.get('call_5') ?? assert.fail()), join: 'handed' }
    const { join: _join, ...plain } = open
    world.calls.set('call_5', open)
    const joining = () => said(world.write(unnamed('call_9', null)))
    for (const [id, more] of [
      ['call_7', {}],
      ['call_3', {}],
      ['call_2', { principal: 'demo:other' }],
    ] as const)
      world.calls.set(id, { ...open, id, ...more })
    world.calls.set('call_1', { ...plain, id: 'call_1' })
    assert.equal(joining(), 'bound call_3')
    for (const id of ['call_3', 'call_5', 'call_7']) world.calls.set(id, { ...open, id })
    world.calls.set('call_7', { ...open, id: 'call_7', state: 'done', join: 'owed' })
    assert.equal(joining(), 'bound call_7 handed')
    assert.equal(joining(), 'telling ')
  })

  for (const end of ['rejected', 'expired', 'cancelled'] as const) {
    it(`are told once that it was ${end}; then they may ask people again`, () => {
      const world = opened()
      const held = { plan: plan({ need: [need('approval[0]', 1, 'finance')] }) }
      assert.equal(said(world.write(unnamed('call_1', 'a', held))), 'held call_1')
      assert.equal(said(world.write(unnamed('call_2', 'b', held))), 'bound call_1')
      if (end === 'rejected')
        world.write({
          op: 'reject',
          call: 'call_1',
          person: { id: 'demo:dana', name: 'Dana', groups: ['finance'] },
          reason: 'no',
        })
      if (end === 'cancelled') world.write({ op: 'cancel', call: 'call_1', by: 'demo:bot', reason: 'no' })
      if (end === 'expired') {
        world.now += 5 * 3_600_000
        world.write({ op: 'expire' })
      }
      const told = world.write(unnamed('call_3', 'c', held))
      assert.deepEqual([said(told), 'call' in told && told.call.state], ['bound call_1 handed', end])
      heard(world, 'call_1', 'call_3')
      assert.equal(said(world.write(unnamed('call_4', 'd', held))), 'held call_4')
    })
  }

  it('are told what came of an approval', () => {
    const world = opened()
    const held = { plan: plan({ need: [need('approval[0]', 1, 'finance')] }) }
    const first = world.write(unnamed('call_1', 'a', held))
    assert.ok(first.kind === 'held')
    assert.equal(world.write(approving(first.call, 'demo:dana', ['finance'])).kind, 'started')
    settle(world, 'call_1')
    assert.equal(said(world.write(unnamed('call_2', 'b', held))), 'bound call_1 handed')
    heard(world, 'call_1', 'call_2')
    assert.equal(said(world.write(unnamed('call_3', 'c', held))), 'held call_3')
  })

  it('are tried again where nothing was sent: their keys are free', () => {
    const world = opened()
    world.write(unnamed('call_1', 'a'))
    world.write(unnamed('call_2', 'b'))
    settle(world, 'call_1', NOT_SENT)
    assert.equal(said(world.write(unnamed('call_3', 'b'))), 'started call_3')
    assert.equal(said(world.write(unnamed('call_4', 'a'))), 'bound call_3')
    assert.equal(said(world.write(unnamed('call_5', 'b'))), 'bound call_3')
  })

  it('join what is in doubt until it is found out', () => {
    const world = opened()
    world.write(unnamed('call_1', 'a'))
    settle(world, 'call_1', { kind: 'unknown', reason: 'timeout', evidence: {} })
    assert.equal(said(world.write(unnamed('call_2', 'b'))), 'bound call_1')
    world.write({
      op: 'reconcile',
      call: 'call_1',
      attempt: 1,
      found: 'cannot_tell',
      reason: 'x',
      evidence: {},
      output: null,
      replay_ms: 0,
    })
    assert.equal(said(world.write(unnamed('call_3', 'c'))), 'bound call_1')
  })

  it('are looked up before limits, switches, stale plans and what a refusal says', () => {
    const world = opened()
    world.write(unnamed('call_1', 'a'))
    world.write({ op: 'switch', name: 'all', on: true, reason: 'fire', person: 'demo:sam' })
    const spent = { plan: plan({ want: [want('daily', 3000, 1)] }) }
    assert.equal(said(world.write(unnamed('call_2', 'b', spent))), 'bound call_1')
    const refuse = { code: 'denied', detail: 'used up', because: [] } as const
    assert.equal(said(world.write(unnamed('call_3', 'c', { refuse }))), 'bound call_1')
  })

  it('are refused as any other: a refusal is told at once, and owed to nobody', () => {
    const world = opened()
    const spent = { plan: plan({ want: [want('daily', 3000, 1)] }) }
    assert.equal(said(world.write(unnamed('call_1', 'a', spent))), 'denied call_1')
    assert.equal(said(world.write(unnamed('call_2', 'a', spent))), 'denied call_2')
    assert.equal(said(world.write(unnamed('call_3', 'b'))), 'started call_3')
  })

  it('join a call that an agent named itself, while it is open, and are told what came of it', () => {
    const world = opened()
    world.write(admitting('call_1', { key: 'T-1', join: 'named' }))
    world.write(admitting('call_2', { key: 'T-2', join: 'named' }))
    assert.equal(said(world.write(unnamed('call_3', 'a'))), 'bound call_1')
    settle(world, 'call_1')
    settle(world, 'call_2')
    assert.equal(said(world.write(admitting('call_4', { key: 'T-1', join: 'named' }))), 'bound call_1')
    assert.equal(said(world.write(unnamed('call_5', 'b'))), 'bound call_1 handed')
    heard(world, 'call_1', 'call_5')
    assert.equal(said(world.write(unnamed('call_6', 'c'))), 'started call_6')
  })

  it('do not join what an agent named itself once it has ended, nor what stands at no door of theirs', () => {
    const world = opened()
    world.write(admitting('call_1', { key: 'T-1', join: 'named' }))
    settle(world, 'call_1')
    world.write(admitting('call_2', { key: 'T-2' }))
    assert.equal(said(world.write(unnamed('call_3', 'a'))), 'started call_3')
  })

  it('an agent that names its effects is never joined to another’s: two keys are two effects', () => {
    const world = opened()
    world.write(unnamed('call_1', 'a'))
    assert.equal(said(world.write(admitting('call_2', { key: 'T-1', join: 'named' }))), 'started call_2')
  })

  it('need no key at all', () => {
    const world = opened()
    assert.equal(said(world.write(unnamed('call_1', null))), 'started call_1')
    assert.equal(said(world.write(unnamed('call_2', null))), 'bound call_1')
    settle(world, 'call_1')
    assert.deepEqual(world.write({ op: 'join', ...wanted(null), by: 'call_3' }).kind, 'joined')
    heard(world, 'call_1', 'call_3')
    assert.equal(world.write({ op: 'join', ...wanted(null), by: 'call_3' }).kind, 'alone')
    assert.equal(said(world.write(unnamed('call_3', null))), 'started call_3')
  })

  it('cross neither principals nor roles nor inputs nor actions', () => {
    const world = opened()
    world.write(unnamed('call_1', 'a'))
    const others: Partial<Admit>[] = [
      { principal: 'demo:other' },
      { plan: plan({ role: 'other' }) },
      { plan: plan({ action: 'stripe.other' }) },
      { fingerprint: 'other' },
    ]
    for (const [index, more] of others.entries())
      assert.equal(said(world.write(unnamed(`call_x${index}`, `x${index}`, more))), `started call_x${index}`)
  })
})

/** What may happen, by number: which of few keys asks, or what becomes of the newest call. */
const event = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('ask' as const), key: fc.option(fc.nat(6)) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('named' as const), key: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('done', 'not_sent', 'unknown', 'found', 'tell') }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('heard', 'unheard', 'later') }) },
)

describe('requests without a key of their own, whatever happens', () => {
  it('never open a second call beside one that takes joins, are told once, and keep each key to its call', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const world = opened()
        /** The model: key → call, calls whose end somebody has heard, and who is being told of which, since when. */
        const keys = new Map<string, string>()
        const told = new Set<string>()
        let way: { call: string; by: string; at: number } | null = null
        let last = ''
        for (const [n, one] of events.entries()) {
          const id = `call_${String(n).padStart(3, '0')}`
          const before = new Map([...world.calls].map(([name, call]) => [name, call.state]))
          const open = [...world.calls.values()].filter(
            ({ state, join }) =>
              ['executing', 'unknown', 'needs_human'].includes(state) ||
              (state === 'done' && (join === 'owed' || join === 'telling')),
          )
          switch (one.kind) {
            case 'ask': {
              const key = one.key === null ? null : `made-up-${one.key}`
              const answer = world.write(unnamed(id, key))
              if (answer.kind === 'telling') {
                assert.ok(way !== null && world.now < way.at + TELLING_MS, 'nobody is being told')
                assert.ok(key === null || keys.get(key) === undefined || before.get(keys.get(key) ?? '') === 'not_sent')
                break
              }
              assert.ok('call' in answer)
              const known = key === null ? undefined : keys.get(key)
              const free = known === undefined || before.get(known) === 'not_sent'
              if (!free) assert.equal(answer.call.id, known)
              else if (open.length > 0) assert.ok(open.some((call) => call.id === answer.call.id))
              else assert.equal(answer.kind, 'started')
              if ('handed' in answer) {
                assert.ok(!told.has(answer.call.id), 'told twice')
                way = { call: answer.call.id, by: id, at: world.now }
              }
              if (key !== null) keys.set(key, answer.call.id)
              last = answer.call.id
              break
            }
            case 'named':
              world.write(admitting(id, { key: `T-${one.key}`, join: 'named' }))
              break
            case 'tell': {
              if (tell(world, last, id) === 'marked') {
                assert.ok(!told.has(last), 'told twice')
                way = { call: last, by: id, at: world.now }
              }
              break
            }
            case 'heard':
              if (way !== null && heard(world, way.call, way.by) === 'marked') told.add(way.call)
              way = null
              break
            case 'unheard':
              if (way !== null) unheard(world, way.call, way.by)
              way = null
              break
            case 'later':
              world.now += TELLING_MS
              break
            case 'found':
              world.write({ op: 'take_over', call: last, from: world.owner })
              world.write({
                op: 'reconcile',
                call: last,
                attempt: 1,
                found: 'done',
                reason: '',
                evidence: {},
                output: null,
                replay_ms: 0,
              })
              break
            case 'done':
              settle(world, last)
              break
            case 'not_sent':
              settle(world, last, NOT_SENT)
              break
            case 'unknown':
              settle(world, last, { kind: 'unknown', reason: '', evidence: {} })
          }
          const owed = [...world.calls.values()].filter(
            (call) => ['owed', 'telling'].includes(call.join ?? '') && takesJoins(call),
          )
          assert.ok(owed.length <= 1, 'two calls are owed')
        }
      }),
      { numRuns: 500 },
    )
  })
})
