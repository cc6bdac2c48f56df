import assert from 'node:assert/strict'
import type { IssueSession, SessionRow } from '../../gateway/core/operations.ts'
import { BOTH_LIVE_MS } from '../../gateway/core/fold/session.ts'
import { overBy } from '../../gateway/core/session-over.ts'
import { memorySessions } from '../identity/memory-sessions.ts'
import type { MemorySessions } from '../identity/memory-sessions.ts'
import { admitting, need, plan, World } from './world.ts'

const HELD = plan({ need: [need('approval[0]', 1, 'finance')] })
const AT = Date.UTC(2026, 10, 23, 15)
const HOUR = 3_600_000

let now: number
let store: MemorySessions
beforeEach(() => {
  now = AT
  store = memorySessions(() => now)
})

const DRAFT = {
  role: 'support-agent',
  principal: 'ci:bot',
  requester: 'ci:bot',
  acting_for: null,
  attributes: {},
  issuer: 'ci',
  jti: null,
  proof: 'sha256:proof',
  policy: 'sha256:policy',
  prompt: null,
}
type More = Partial<IssueSession> & { readonly session?: never; readonly whose?: object }
const issue = ({ whose = {}, ...more }: More & { id: string }): IssueSession => ({
  op: 'session.issue',
  session: { ...DRAFT, id: more.id, lineage: more.id, token_hash: more.id, ...whose },
  lifetime_ms: 2 * HOUR,
  live_max: 2,
  once: false,
  ...more,
})
const open = (id: string, more: More = {}) => store.write(issue({ ...more, id }))
const renew = (id: string, session: string, more: More = {}) =>
  open(id, { ...more, renews: { session, lifetime_max_ms: 12 * HOUR } })
const use = (session: string) => store.write({ op: 'session.use', session, renews: row(session).renews ?? '' })
const row = (id: string): SessionRow => {
  const found = store.rows.get(id)
  assert.ok(found, `no session ${id}`)
  return found
}
const kinds = () =>
  store.entries.map(({ kind, session, fields }) => [kind, session, fields['reason'] ?? fields['renews'] ?? null])

describe('a renewal', () => {
  it('goes on in the lineage of what it renews, and says so', async () => {
    await open('ses_1')
    now += HOUR
    await renew('ses_2', 'ses_1')
    const { lineage, began_at, issued_at, expires_at, renews } = row('ses_2')
    assert.deepEqual(
      { lineage, began_at, issued_at, expires_at, renews },
      { lineage: 'ses_1', began_at: AT, issued_at: now, expires_at: now + 2 * HOUR, renews: 'ses_1' },
    )
    assert.deepEqual(kinds(), [
      ['session.issued', 'ses_1', null],
      ['session.renewed', 'ses_2', 'ses_1'],
    ])
    assert.equal(store.entries[1]?.fields['lineage'], 'ses_1')
    await use('ses_2')
    await renew('ses_3', 'ses_2')
    assert.deepEqual([row('ses_3').lineage, row('ses_3').began_at], ['ses_1', AT])
  })

  it('leaves what it renews sixty seconds, or what it had left', async () => {
    await open('ses_1')
    await renew('ses_2', 'ses_1')
    assert.equal(row('ses_1').expires_at, AT + BOTH_LIVE_MS)
    assert.deepEqual([overBy(row('ses_1'), AT + 59_999), overBy(row('ses_1'), AT + 60_000)], [null, 'session_revoked'])
    await open('ses_8', { lifetime_ms: 5_000, whose: { principal: 'ci:other' } })
    await renew('ses_9', 'ses_8', { whose: { principal: 'ci:other' } })
    assert.equal(row('ses_8').expires_at, AT + 5_000)
  })

  it('ends what it renews at its own first use, once, with an entry', async () => {
    await open('ses_1')
    await renew('ses_2', 'ses_1')
    assert.equal(row('ses_1').ended_at, null)
    await use('ses_2')
    assert.deepEqual([row('ses_1').ended_at, row('ses_1').ended_reason, row('ses_2').renews], [AT, 'renewed', null])
    await store.write({ op: 'session.use', session: 'ses_2', renews: 'ses_1' })
    assert.deepEqual(kinds().slice(2), [['session.ended', 'ses_1', 'renewed']])
  })

  it('may be asked for again while nobody used it: its answer may have been lost', async () => {
    await open('ses_1')
    await renew('ses_2', 'ses_1')
    assert.equal((await renew('ses_3', 'ses_1')).kind, 'issued')
    assert.deepEqual([row('ses_2').ended_reason, row('ses_1').renewed_by], ['renewed', 'ses_3'])
    // The one that was lost turns up after all: it opens nothing and ends nothing.
    assert.equal((await use('ses_2')).used?.ended_reason, 'renewed')
    assert.equal(row('ses_1').ended_at, null)
    await use('ses_3')
    assert.equal(row('ses_1').ended_reason, 'renewed')
    assert.deepEqual(await renew('ses_4', 'ses_1'), { kind: 'renewed' })
  })

  it('is given for an expired session too, and not for one that was ended', async () => {
    await open('ses_1', { lifetime_ms: 5_000 })
    now += 60_000
    assert.equal((await renew('ses_2', 'ses_1')).kind, 'issued')
    for (const reason of ['logout', 'revoked', 'role_removed'] as const) {
      const principal = `ci:${reason}`
      await open(`ses_${reason}`, { whose: { principal } })
      await store.write({ op: 'session.end', session: `ses_${reason}`, reason, by: 'x' })
      assert.deepEqual(await renew('ses_9', `ses_${reason}`, { whose: { principal } }), { kind: 'ended' })
    }
  })

  it('is not given where the renewal that nobody used was handed back', async () => {
    await open('ses_1')
    await renew('ses_2', 'ses_1')
    await store.write({ op: 'session.end', session: 'ses_2', reason: 'logout', by: 'x' })
    assert.deepEqual(await renew('ses_3', 'ses_1'), { kind: 'ended' })
  })

  it('is for the same principal and role only; to others there is no such session', async () => {
    await open('ses_1')
    for (const whose of [{ principal: 'ci:eve' }, { principal: 'ci:bot#staff:dana' }, { role: 'other' }]) {
      assert.deepEqual(await renew('ses_2', 'ses_1', { whose }), { kind: 'no_such_session' })
    }
    assert.deepEqual(await renew('ses_2', 'ses_nine'), { kind: 'no_such_session' })
    assert.equal(row('ses_1').renewed_by, null)
  })

  it('ends with the lineage, counted from its first issue', async () => {
    await open('ses_1')
    let last = 'ses_1'
    for (let hours = 1; hours < 12; hours++) {
      now = AT + hours * HOUR
      assert.equal((await renew(`ses_h${hours}`, last)).kind, 'issued')
      last = `ses_h${hours}`
      await use(last)
      assert.equal(row(last).expires_at, Math.min(now + 2 * HOUR, AT + 12 * HOUR))
    }
    now = AT + 12 * HOUR
    assert.deepEqual(await renew('ses_9', last), { kind: 'lineage_over' })
  })

  it('takes the place of what it renews among the sessions that a principal may have', async () => {
    await open('ses_1')
    await open('ses_2')
    assert.deepEqual(await open('ses_3'), { kind: 'too_many' })
    assert.equal((await renew('ses_3', 'ses_1')).kind, 'issued')
    assert.equal((await renew('ses_4', 'ses_1')).kind, 'issued')
    assert.deepEqual(await open('ses_5'), { kind: 'too_many' })
    await use('ses_4')
    assert.deepEqual(await open('ses_5'), { kind: 'too_many' })
    await store.write({ op: 'session.end', session: 'ses_4', reason: 'logout', by: 'x' })
    assert.equal((await open('ses_5')).kind, 'issued')
  })

  it('of an expired session takes a place of its own', async () => {
    await open('ses_1', { lifetime_ms: 5_000 })
    now += 10_000
    await open('ses_2')
    await open('ses_3')
    assert.deepEqual(await renew('ses_4', 'ses_1'), { kind: 'too_many' })
    assert.equal(row('ses_1').renewed_by, null)
  })
})

describe('the end of a session by itself', () => {
  const sweep = (world: World) => world.write({ op: 'expire' })

  it('is an entry with its reason, and held calls live on', () => {
    const world = new World()
    world.session('ses_1', { expires_at: world.now + 1000 })
    world.session('ses_2', { expires_at: world.now + 1000, renewed_by: 'ses_3' })
    world.session('ses_3')
    world.write(admitting('call_1', { plan: HELD }))
    world.now += 1000
    sweep(world)
    sweep(world)
    const ends = world.entries.filter(({ kind }) => kind === 'session.ended')
    assert.deepEqual(
      ends.map(({ fields }) => [fields['session'], fields['reason'], fields['by']]),
      [
        ['ses_1', 'expired', 'gateway'],
        ['ses_2', 'renewed', 'gateway'],
      ],
    )
    assert.equal(world.calls.get('call_1')?.state, 'held')
    assert.deepEqual(world.write(admitting('call_2')), { kind: 'session', code: 'session_expired' })
  })
})

describe('a revocation', () => {
  for (const [what, revoked] of [
    ['what the session was renewed from', 'ses_2'],
    ['what the session was renewed to', 'ses_1'],
  ] as const) {
    it(`reaches ${what}, and the calls that it made`, () => {
      const world = new World()
      for (const [id, lineage] of [
        ['ses_1', 'ses_1'],
        ['ses_2', 'ses_1'],
        ['ses_3', 'ses_3'],
      ] as const) {
        world.session(id, { lineage })
        world.write(admitting(`call_${id}`, { session: id, key: id, plan: HELD }))
      }
      world.session('ses_1', { ended_at: world.now, ended_reason: 'renewed', renewed_by: 'ses_2' })
      const ended = end(world, revoked)
      assert.equal(ended.kind, 'ended')
      assert.deepEqual(
        [...world.calls.values()].map(({ state }) => state),
        ['cancelled', 'cancelled', 'held'],
      )
      assert.deepEqual(
        [...world.sessions.values()].map(({ ended_reason }) => ended_reason),
        ['revoked', 'revoked', null],
      )
      assert.equal(end(world, revoked).kind, 'already')
    })
  }

  const end = (world: World, session: string) =>
    world.write({ op: 'session.end', session, reason: 'revoked', by: 'staff:sam' })
})
