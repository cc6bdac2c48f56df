import assert from 'node:assert/strict'
import { admit } from '../../gateway/core/admit.ts'
import { challengeOf } from '../../gateway/core/assertion.ts'
import { goesOn } from '../../gateway/core/passkey.ts'
import { freshUntil } from '../../gateway/core/visit.ts'
import type { Visit } from '../../gateway/core/visit.ts'
import type { Approval } from '../../gateway/core/types.ts'
import { need, plan } from './world.ts'

describe('a passkey’s word', () => {
  const yes = (person: string, groups: readonly string[], signed: boolean): Approval => ({
    person,
    name: person,
    groups,
    at: 0,
    card: 'c',
    ...(signed ? { passkey: { credential: 'sha256:1', digest: 'sha256:2' } } : {}),
  })
  const have = (...approvals: Approval[]): number[] => {
    const lines = [need('plain', 2, 'finance'), need('signed', 2, 'finance', { passkey: true })]
    const asked = plan({ need: [...lines, need('other', 9, 'security', { passkey: true })] })
    const decision = admit(asked, { now: 0, limit: () => ({ held: 0, buckets: new Map() }), own: [], approvals })
    return decision.verdict === 'deny' ? assert.fail('denied') : decision.need.map((line) => line.have)
  }

  it('is what counts in a line that asks for one; a plain yes counts in the others', () => {
    assert.deepEqual(have(yes('dana', ['finance'], false)), [1, 0, 0])
    assert.deepEqual(have(yes('dana', ['finance'], true)), [1, 1, 0])
    assert.deepEqual(have(yes('dana', ['finance'], false), yes('omar', ['finance'], true)), [2, 1, 0])
    assert.deepEqual(have(yes('dana', ['finance', 'security'], true)), [1, 1, 1])
    assert.deepEqual(have(yes('dana', ['finance'], true), yes('dana', ['finance'], true)), [1, 1, 0])
  })

  it('has a counter that goes on, or none at all', () => {
    const pairs = [
      [0, 0],
      [0, 1],
      [1, 2],
      [1, 1],
      [2, 1],
      [1, 0],
    ] as const
    assert.deepEqual(
      pairs.map(([before, now]) => goesOn(before, now)),
      [true, true, true, false, false, false],
    )
  })

  it('is about the bytes of a card’s digest', () => {
    assert.equal(challengeOf(`hmac-sha256:${'ff'.repeat(32)}`), Buffer.alloc(32, 0xff).toString('base64url'))
  })
})

describe('a sign-in is fresh', () => {
  const visit = (more: Partial<Visit>): Visit => ({
    id: 'v',
    proven: { issuer: 'staff', subject: 'dana', claims: {}, proof: 'sha256:1' },
    auth_at: null,
    begun_at: 1_000_000,
    seen_at: 2_000_000,
    expires_at: 9_000_000,
    ...more,
  })
  const FIVE = 300_000

  it('for five minutes from when the issuer asked, or a passkey confirmed; whatever it says, not from a later moment', () => {
    const cases: readonly (readonly [Partial<Visit>, number])[] = [
      [{}, FIVE],
      [{ auth_at: 900_000 }, 900_000 + FIVE],
      // An issuer that dates its sign-ins ahead.
      [{ auth_at: 5_000_000 }, 1_000_000 + FIVE],
      [{ auth_at: 900_000, confirmed_at: 3_000_000 }, 3_000_000 + FIVE],
      [{ confirmed_at: null }, FIVE],
    ]
    for (const [more, until] of cases) assert.equal(freshUntil(visit(more)), until, JSON.stringify(more))
  })
})
