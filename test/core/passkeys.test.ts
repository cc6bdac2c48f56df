import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { admit } from '../../gateway/core/admit.ts'
import { challengeOf } from '../../gateway/core/assertion.ts'
import { goesOn } from '../../gateway/core/passkey.ts'
import { freshUntil } from '../../gateway/core/visit.ts'
import type { Visit } from '../../gateway/core/visit.ts'
import type { Approval } from '../../gateway/core/types.ts'
import type { Passkey } from '../../gateway/core/passkey.ts'
import { World, admitting, approving, need, plan } from './world.ts'

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

describe('what is asked of a passkey again in the transaction that counts it', () => {
  const NOW = Date.parse('2026-11-23T15:00:00Z')
  const key: Passkey = {
    id: 'k1',
    credential: 'AAAA',
    person: 'demo:dana',
    public_key: 'AAAA',
    cose: 'AAAA',
    counter: 3,
    transports: [],
    aaguid: '',
    synced: false,
    rp: 'localhost',
    name: 'Laptop',
    added_at: 1,
    used_at: null,
  }
  const visit = (world: World, more: Partial<Visit> = {}): void => {
    const proven = { issuer: 'demo', subject: 'dana', claims: {}, proof: 'sha256:1' }
    const times = { auth_at: NOW, begun_at: NOW, seen_at: NOW, expires_at: NOW + 1e8 }
    world.visits.set('v1', { id: 'v1', proven, ...times, ...more })
  }
  const signed = (changed: Partial<Passkey> | null, word: { added_at?: number; counter?: number } = {}) => {
    const world = new World()
    world.session()
    world.write(admitting('call_1', { plan: plan({ need: [need('a', 1, 'finance', { passkey: true })] }) }))
    if (changed !== null) world.passkeys.set('k1', { ...key, ...changed })
    const call = world.calls.get('call_1') ?? assert.fail('no call')
    const operation = approving(call, 'demo:dana', ['finance'], {
      plan: plan({ need: [need('a', 1, 'finance', { passkey: true })] }),
      passkey: { passkey: 'k1', added_at: 1, counter: 4, text: 'signed', ...word },
    })
    const approval = { ...operation.approval, passkey: { credential: 'sha256:k1', digest: 'sha256:2' } }
    return { world, result: world.write({ ...operation, approval }) }
  }

  it('is that it is there, theirs, the same, and goes on', () => {
    const good = signed({})
    assert.equal(good.result.kind, 'started')
    assert.deepEqual(
      [good.world.passkeys.get('k1')?.counter, good.world.passkeys.get('k1')?.used_at],
      [4, good.world.now],
    )
    const [kept] = good.world.assertions
    const entry = good.world.entries.find(({ kind }) => kind === 'call.approved')
    assert.deepEqual(kept, { entry: entry?.id, call: 'call_1', text: 'signed' })
    const wrongs = [signed(null), signed({ person: 'demo:omar' }), signed({ added_at: 2 }), signed({ counter: 4 })]
    for (const { world, result } of [...wrongs, signed({ counter: 0 }, { added_at: 0 })]) {
      assert.equal(result.kind, 'passkey_required')
      assert.deepEqual([world.calls.get('call_1')?.state, world.assertions], ['held', []])
    }
  })

  it('is that a browser is lately signed in, and answers what it was given', () => {
    const add = (more: Partial<Visit>, later_ms = 0) => {
      const world = new World()
      world.now = NOW
      visit(world, { challenge: { for: 'register', value: 'c', expires_at: NOW + 300_000 }, ...more })
      world.now += later_ms
      const { added_at: _, used_at: __, ...draft } = key
      return world.write({ op: 'passkey.add', visit: 'v1', challenge: 'c', passkey: draft }).kind
    }
    assert.equal(add({}), 'added')
    assert.equal(add({ auth_at: NOW - 300_000 }), 'not_fresh')
    assert.equal(add({ auth_at: null }), 'not_fresh')
    assert.equal(add({ auth_at: null, confirmed_at: NOW - 1 }), 'added')
    assert.equal(add({ confirmed_at: NOW }, 300_000), 'not_fresh')
    assert.equal(add({ challenge: null }), 'no_challenge')
    assert.equal(add({ challenge: { for: 'confirm', value: 'c', expires_at: NOW + 1 } }), 'no_challenge')
    assert.equal(add({ challenge: { for: 'register', value: 'd', expires_at: NOW + 1 } }), 'no_challenge')
    assert.equal(add({ challenge: { for: 'register', value: 'c', expires_at: NOW } }), 'no_challenge')
    const none = new World()
    assert.equal(
      none.write({ op: 'passkey.remove', passkey: 'k1', by: 'demo:dana', reason: null, visit: null }).kind,
      'none',
    )
  })

  it('is whose it is, where it is removed or confirms', () => {
    const world = new World()
    world.now = NOW
    visit(world, { challenge: { for: 'confirm', value: 'c', expires_at: NOW + 1 } })
    world.passkeys.set('k1', key)
    const word = { passkey: 'k1', added_at: 1, counter: 4 }
    const confirm = (person: string, counter = 4) =>
      world.write({ op: 'visit.confirm', visit: 'v1', person, challenge: 'c', word: { ...word, counter } }).kind
    assert.deepEqual([confirm('demo:omar'), confirm('demo:dana', 3)], ['refused', 'refused'])
    assert.deepEqual([confirm('demo:dana'), confirm('demo:dana', 5)], ['confirmed', 'no_challenge'])
    const remove = (by: string) =>
      world.write({ op: 'passkey.remove', passkey: 'k1', by, reason: null, visit: 'v1' }).kind
    assert.equal(remove('demo:omar'), 'none')
    visit(world, { auth_at: NOW - 300_000 })
    assert.equal(remove('demo:dana'), 'not_fresh')
    visit(world)
    assert.equal(remove('demo:dana'), 'removed')
    assert.equal(world.passkeys.size, 0)
  })

  const registering = (more: Partial<Visit> = {}) => {
    const world = new World()
    world.now = NOW
    visit(world, { challenge: { for: 'register', value: 'c', expires_at: NOW + 1 }, ...more })
    const { added_at: _, used_at: __, ...draft } = key
    const add = () => world.write({ op: 'passkey.add', visit: 'v1', challenge: 'c', passkey: draft })
    return { world, add }
  }

  it('is told in full when it is added, with how its owner had just proved who they are', () => {
    const { world, add } = registering()
    const added = add()
    const passkey = { ...key, added_at: NOW, used_at: null }
    assert.deepEqual([added, world.passkeys.get('k1')], [{ kind: 'added', passkey }, passkey])
    const { kind, fields } = world.entries[0] ?? assert.fail()
    assert.deepEqual(
      [kind, fields],
      [
        'person.passkey_added',
        {
          person: 'demo:dana',
          credential: 'sha256:k1',
          key: `sha256:${createHash('sha256').update(Buffer.alloc(3)).digest('hex')}`,
          aaguid: '',
          synced: false,
          rp: 'localhost',
          proof: 'sha256:1',
          confirmed: 'sign_in',
        },
      ],
    )
    assert.equal(add().kind, 'no_challenge')
    const confirmed = (more: Partial<Visit>) => {
      const again = registering(more)
      again.add()
      return again.world.entries[0]?.fields['confirmed']
    }
    const signs = [
      { confirmed_at: NOW - 1, auth_at: NOW },
      { confirmed_at: NOW, auth_at: NOW },
    ]
    assert.deepEqual(
      [...signs, { confirmed_at: NOW, auth_at: NOW - 1 }, { confirmed_at: NOW, auth_at: null }].map(confirmed),
      ['sign_in', 'sign_in', 'passkey', 'passkey'],
    )
  })

  it('is that nobody has it yet, and that one person has no more than twenty', () => {
    const known = registering()
    known.world.passkeys.set('k1', { ...key, person: 'demo:omar' })
    assert.deepEqual([known.add().kind, known.world.passkeys.get('k1')?.person], ['known', 'demo:omar'])
    const full = (others: number, person = 'demo:dana') => {
      const { world, add } = registering()
      for (let n = 0; n < others; n++) world.passkeys.set(`o${n}`, { ...key, id: `o${n}`, person })
      return add().kind
    }
    assert.deepEqual([full(19), full(20), full(20, 'demo:omar')], ['added', 'too_many', 'added'])
    const gone = registering()
    gone.world.visits.clear()
    assert.equal(gone.add().kind, 'no_visit')
  })

  it('is gone with an entry that says who removed it, and why where they said so', () => {
    const removed = (by: string, reason: string | null) => {
      const world = new World()
      world.passkeys.set('k1', key)
      assert.deepEqual(world.write({ op: 'passkey.remove', passkey: 'k1', by, reason, visit: null }), {
        kind: 'removed',
        passkey: key,
      })
      return world.entries.map(({ kind, fields }) => [kind, fields])
    }
    const fields = { person: 'demo:dana', credential: 'sha256:k1', by: 'demo:omar' }
    assert.deepEqual(removed('demo:omar', null), [['person.passkey_removed', fields]])
    assert.deepEqual(removed('demo:omar', 'lost'), [['person.passkey_removed', { ...fields, reason: 'lost' }]])
    const world = new World()
    world.passkeys.set('k1', key)
    assert.equal(
      world.write({ op: 'passkey.remove', passkey: 'k1', by: 'demo:dana', reason: null, visit: 'v9' }).kind,
      'not_fresh',
    )
  })

  it('makes a visit as good as signed in at this moment, and its counter is not good a second time', () => {
    const world = new World()
    world.now = NOW
    const confirming = (value: string): void =>
      visit(world, { auth_at: 1, begun_at: 1, challenge: { for: 'confirm', value, expires_at: NOW + 1 } })
    confirming('c')
    world.passkeys.set('k1', key)
    const confirm = (challenge: string, counter: number) =>
      world.write({
        op: 'visit.confirm',
        visit: 'v1',
        person: 'demo:dana',
        challenge,
        word: { passkey: 'k1', added_at: 1, counter },
      }).kind
    assert.equal(confirm('c', 4), 'confirmed')
    const { challenge, confirmed_at, auth_at } = world.visits.get('v1') ?? assert.fail()
    assert.deepEqual([challenge, confirmed_at, auth_at], [null, NOW, 1])
    assert.deepEqual([world.passkeys.get('k1')?.counter, world.passkeys.get('k1')?.used_at], [4, NOW])
    confirming('d')
    assert.equal(confirm('d', 4), 'refused')
    world.visits.clear()
    assert.equal(confirm('d', 5), 'no_challenge')
  })
})
