import assert from 'node:assert/strict'
import { consentFor } from '../../gateway/core/fold/visit.ts'
import type { AskConsent } from '../../gateway/core/visit.ts'
import type { Working } from '../../gateway/core/working.ts'
import { World } from './world.ts'

const PROVEN = { issuer: 'staff', subject: 'dana', claims: { sub: 'dana' }, proof: 'sha256:1' }
const MINUTE = 60_000

describe('a visit', () => {
  const open = (world: World, id: string, replaces: string | null = null) =>
    world.write({
      op: 'visit.open',
      visit: { id, proven: PROVEN, auth_at: null },
      lifetime_ms: 60 * MINUTE,
      person: 'staff:dana',
      by: 'issuer',
      replaces,
    })

  it('begins with an entry that says who proved what, and ends the one of the same browser', () => {
    const world = new World()
    const { now } = world
    const { visit, entry } = open(world, 'v1')
    const begun = {
      id: 'v1',
      proven: PROVEN,
      auth_at: null,
      begun_at: now,
      seen_at: now,
      expires_at: now + 60 * MINUTE,
    }
    assert.deepEqual([visit, world.visits.get('v1')], [begun, begun])
    assert.deepEqual(
      world.entries.map(({ id, kind, fields }) => [id, kind, fields]),
      [[entry, 'person.signed_in', { person: 'staff:dana', issuer: 'staff', proof: 'sha256:1', by: 'issuer' }]],
    )
    open(world, 'v2', 'v1')
    assert.deepEqual([...world.visits.keys()], ['v2'])
  })

  it('is seen, is challenged and ends; none of it for one that is over', () => {
    const world = new World()
    const challenge = { for: 'confirm', value: 'AAAA' } as const
    const all = (visit: string) => [
      world.write({ op: 'visit.use', visit }).visit,
      world.write({ op: 'visit.challenge', visit, challenge }).visit,
      world.write({ op: 'visit.end', visit }).visit,
    ]
    const { visit } = open(world, 'v1')
    world.now += MINUTE
    const seen = { ...visit, seen_at: world.now }
    const challenged = { ...seen, challenge: { ...challenge, expires_at: world.now + 5 * MINUTE } }
    assert.deepEqual(all('v1'), [seen, challenged, challenged])
    assert.deepEqual([all('v1'), world.visits.size], [[null, null, null], 0])
  })
})

describe('a consent', () => {
  const asking = (id: string, user_code: string | null, more: Partial<AskConsent['consent']> = {}): AskConsent => ({
    op: 'consent.ask',
    consent: {
      id,
      user_code,
      client: 'cli',
      role: 'support-agent',
      source: null,
      bound: null,
      interval_ms: 5000,
      state: 'asked',
      given_by: null,
      ...more,
    },
    lifetime_ms: 10 * MINUTE,
  })
  const decide = (world: World, consent: string, yes: boolean) =>
    world.write({ op: 'consent.decide', consent, yes, by: PROVEN, principal: 'staff:dana' })
  const poll = (world: World, consent = 'c1') => world.write({ op: 'consent.poll', consent, slower_ms: 5000 })
  const good = ({ consents, now }: World, id: string) => consentFor({ consents, now } as Working, id)?.id ?? null

  it('has a code that nobody else has just now; one without a code is in nobody’s way', () => {
    const world = new World()
    const { now } = world
    const asked = world.write(asking('c1', 'AAAA'))
    assert.deepEqual(asked, {
      kind: 'asked',
      consent: {
        ...asking('c1', 'AAAA').consent,
        asked_at: now,
        expires_at: now + 10 * MINUTE,
        polled_at: null,
        session: null,
      },
    })
    assert.deepEqual(world.write(asking('c2', 'AAAA')), { kind: 'again' })
    assert.deepEqual(
      [
        ['c3', null],
        ['c4', null],
        ['c5', 'BBBB'],
      ].map(([id, code]) => world.write(asking(id ?? '', code ?? null)).kind),
      ['asked', 'asked', 'asked'],
    )
    assert.deepEqual([...world.consents.keys()], ['c1', 'c3', 'c4', 'c5'])
  })

  it('is given once, by whoever proved who they are, and good for a session until its time is over', () => {
    const world = new World()
    world.write(asking('c1', 'AAAA'))
    assert.equal(good(world, 'c1'), null)
    const given = decide(world, 'c1', true)
    assert.deepEqual([given.kind, given.consent?.state, given.consent?.given_by], ['ok', 'given', PROVEN])
    assert.deepEqual([decide(world, 'c1', false), world.entries], [{ kind: 'over', consent: given.consent }, []])
    assert.equal(good(world, 'c1'), 'c1')
    world.now += 10 * MINUTE - 1
    assert.equal(good(world, 'c1'), 'c1')
    world.now += 1
    assert.equal(good(world, 'c1'), null)
  })

  it('is refused with an entry, and good for nothing then', () => {
    const world = new World()
    world.write(asking('c1', 'AAAA'))
    assert.deepEqual([decide(world, 'c1', false).consent?.state, good(world, 'c1')], ['refused', null])
    assert.deepEqual(
      world.entries.map(({ kind, fields }) => [kind, fields]),
      [
        [
          'session.denied',
          {
            role: 'support-agent',
            requester: 'staff:dana',
            issuer: 'staff',
            reason: 'the person refused',
            client: 'cli',
          },
        ],
      ],
    )
    assert.equal(decide(world, 'c1', true).kind, 'over')
  })

  it('cannot be decided once its time is over, nor where there is none', () => {
    const world = new World()
    world.write(asking('c1', 'AAAA'))
    world.now += 10 * MINUTE
    assert.deepEqual([decide(world, 'c1', true).kind, good(world, 'c1')], ['over', null])
    const none = { kind: 'over', consent: null }
    assert.deepEqual([decide(world, 'c9', true), poll(world, 'c9')], [none, none])
  })

  it('has whoever polls too soon wait longer, up to a minute; not who has an answer to fetch', () => {
    const world = new World()
    world.write(asking('c1', 'AAAA'))
    const polls = (...after_ms: number[]) =>
      after_ms.map((ms) => {
        world.now += ms
        const { kind, consent } = poll(world)
        return [kind, consent?.interval_ms, consent?.polled_at === world.now]
      })
    assert.deepEqual(polls(0, 5000, 4999, 9999, 15_000), [
      ['ok', 5000, true],
      ['ok', 5000, true],
      ['slow_down', 10_000, true],
      ['slow_down', 15_000, true],
      ['ok', 15_000, true],
    ])
    assert.deepEqual(polls(...Array<number>(10).fill(1)).at(-1), ['slow_down', 60_000, true])
    decide(world, 'c1', true)
    assert.deepEqual(polls(1), [['ok', 60_000, true]])
  })
})
