import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Operation } from '../../gateway/core/operations.ts'
import { fold, touches } from '../../gateway/core/fold.ts'
import type { Call } from '../../gateway/core/types.ts'
import { bucketOf } from '../../gateway/core/window.ts'
import type { OpenStore } from '../../gateway/store/store.ts'
import { verifyStore } from '../../gateway/store/verify.ts'
import { admit, daily, done, freshFile, issue, newSigner, note, open } from './operations.ts'

async function session(store: OpenStore) {
  const issued = await store.write(issue())
  assert.ok(issued.kind === 'issued')
  return issued.session
}

async function started(store: OpenStore, ses: string, key: string, amount: number): Promise<Call> {
  const admitted = await store.write(admit(ses, key, amount))
  assert.ok(admitted.kind === 'started', JSON.stringify(admitted))
  return admitted.call
}

describe('the store', () => {
  const file = freshFile()
  const signer = newSigner()
  let store: OpenStore
  before(async () => {
    store = await open(file, { signer })
  })
  after(() => store.close())

  it('makes its directory and its file for the owner only', () => {
    assert.equal(statSync(dirname(file)).mode & 0o777, 0o700)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(statSync(`${file}.lock`).mode & 0o777, 0o600)
  })

  it('keeps a call, its bodies, its story and what it took, and finds it by id and by key', async () => {
    const ses = await session(store)
    const operation = admit(ses.id, 'T-1/refund', 3000)
    const admitted = await store.write(operation)
    assert.ok(admitted.kind === 'started')
    const { call } = admitted
    assert.deepEqual(await store.call(call.id), call)
    assert.deepEqual(await store.callByKey('demo:bot', 'support-agent', 'stripe.refund', 'T-1/refund'), call)
    assert.equal(await store.callByKey('demo:other', 'support-agent', 'stripe.refund', 'T-1/refund'), null)
    assert.deepEqual(await store.bodies(call.id), operation.bodies)
    assert.deepEqual(await store.unfinished(), [call])
    const limit = daily(0).limit
    assert.deepEqual((await store.limits([limit])).get(limit), { held: 3000, buckets: new Map() })

    const settled = await store.write(done(call.id))
    assert.equal(settled.kind, 'settled')
    const bucket = bucketOf(daily(0).window, call.intent_at ?? 0)
    assert.deepEqual((await store.limits([limit])).get(limit), { held: 0, buckets: new Map([[bucket, 3000]]) })
    assert.deepEqual(await store.bodies(call.id), { ...operation.bodies, output: '{"id":"re_1","status":"succeeded"}' })
    assert.deepEqual(
      (await store.story(call.id)).map(({ kind }) => kind),
      ['call.started', 'call.settled'],
    )
    assert.deepEqual(await store.unfinished(), [])
  })

  it('counts a permit from the monotonic clock of the thread that asks', async () => {
    const ses = await session(store)
    const before = performance.now()
    const admitted = await store.write(admit(ses.id, 'permit', 1))
    assert.ok(admitted.kind === 'started')
    assert.ok(admitted.begun >= before && admitted.begun <= performance.now(), `${before} ${admitted.begun}`)
  })

  it('folds a batch in the order of arrival: later ones see what the earlier ones took', async () => {
    const ses = await session(store)
    const limit = (await store.limits([daily(0).limit])).get(daily(0).limit)
    const used = [...(limit?.buckets.values() ?? [])].reduce((sum, n) => sum + n, limit?.held ?? 0)
    const max = used + 1000
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => store.write(admit(ses.id, `order ${n}`, 300, max))),
    )
    assert.deepEqual(
      results.map(({ kind }) => kind),
      [...Array(3).fill('started'), ...Array(17).fill('denied')],
    )
  })

  it('lets one of many equal keys in, and gives the others that call', async () => {
    const ses = await session(store)
    const results = await Promise.all(Array.from({ length: 200 }, () => store.write(admit(ses.id, 'one key', 1, 1e9))))
    assert.deepEqual(
      results.map(({ kind }) => kind),
      ['started', ...Array(199).fill('bound')],
    )
    assert.equal(new Set(results.map((result) => ('call' in result ? result.call.id : ''))).size, 1)
  })

  it('groups a thousand parallel writes into few transactions, and each has its entry', async () => {
    let commits = 0
    const counted = await open(freshFile(), {
      inline: { step: (name) => (commits += Number(name === 'batch.committed')) },
    })
    commits = 0
    const results = await Promise.all(Array.from({ length: 1000 }, (_, n) => counted.write(note(`parallel ${n}`))))
    assert.equal(commits, Math.ceil(1000 / 64))
    assert.equal(new Set(results.map(({ entry }) => entry)).size, 1000)
    assert.equal((await counted.head()).size, 1000)
    await counted.close()
  })

  it('sees a revocation at once, also where the session was in memory', async () => {
    const ses = await session(store)
    assert.equal((await store.sessionByToken(ses.token_hash))?.ended_at, null)
    const ended = await store.write({ op: 'session.end', session: ses.id, reason: 'revoked', by: 'staff:sam' })
    assert.equal(ended.kind, 'ended')
    assert.equal((await store.sessionByToken(ses.token_hash))?.ended_reason, 'revoked')
    assert.equal((await store.session(ses.id))?.ended_reason, 'revoked')
    const refused = await store.write(admit(ses.id, 'after revocation', 1))
    assert.deepEqual(refused, { kind: 'session', code: 'session_revoked' })
    assert.equal(await store.sessionByToken('0'.repeat(64)), null)
  })

  it('counts a renewed session and its renewal as one, finds both by their lineage, and ends what is over', async () => {
    const most = (more: object = {}) => ({ ...issue('demo:renews'), live_max: 2, ...more })
    const issued = async (more?: object) => {
      const result = await store.write(most(more))
      return result.kind === 'issued' ? result.session : result.kind
    }
    const first = await issued()
    assert.ok(typeof first !== 'string' && typeof (await issued()) !== 'string')
    const renews = { session: first.id, lifetime_max_ms: 43_200_000 }
    const lost = await issued({ renews })
    const renewed = await issued({ renews })
    assert.ok(typeof lost !== 'string' && typeof renewed !== 'string')
    assert.deepEqual([renewed.lineage, renewed.renews, await issued()], [first.id, first.id, 'too_many'])
    assert.equal((await store.session(lost.id))?.ended_reason, 'renewed')

    const held = await started(store, first.id, 'of the first', 1)
    await store.write({ op: 'session.use', session: renewed.id, renews: first.id })
    assert.equal((await store.sessionByToken(first.token_hash))?.ended_reason, 'renewed')
    const short = await issued({ renews: { ...renews, session: renewed.id }, lifetime_ms: 1 })
    assert.ok(typeof short !== 'string')
    await new Promise((resolve) => setTimeout(resolve, 5))
    assert.equal(await store.due(store.now()), true)
    await store.write({ op: 'expire' })
    assert.deepEqual([(await store.session(short.id))?.ended_reason, await store.due(store.now())], ['expired', false])
    // A call of the first may still act, and the last could be renewed: both are reached, whichever is revoked.
    await store.write({ op: 'session.end', session: renewed.id, reason: 'revoked', by: 'staff:sam' })
    assert.equal(await issued({ renews: { ...renews, session: short.id } }), 'ended')
    const reasons = await Promise.all(
      [first, renewed, short].map(async ({ id }) => (await store.session(id))?.ended_reason),
    )
    assert.deepEqual([held.session, reasons], [first.id, ['revoked', 'revoked', 'revoked']])
  })

  it('knows the proof of a person acted for that was used', async () => {
    const actor = { issuer: 'staff', jti: 'person-1', proof: 'sha256:01' }
    const acting = () => {
      const operation = issue('demo:acts#staff:dana')
      return { ...operation, actor_once: true, session: { ...operation.session, acting_for: 'staff:dana', actor } }
    }
    assert.equal((await store.write(acting())).kind, 'issued')
    assert.deepEqual(await store.write(acting()), { kind: 'proof_used' })
  })

  it('counts the live sessions of a principal, and knows a proof that was used', async () => {
    const limited = (principal: string) => ({ ...issue(principal), live_max: 2 })
    const results = []
    for (let n = 0; n < 3; n++) results.push((await store.write(limited('demo:many'))).kind)
    assert.deepEqual(results, ['issued', 'issued', 'too_many'])
    const once = { ...issue('demo:once'), once: true }
    assert.equal((await store.write(once)).kind, 'issued')
    const again = { ...issue('demo:once'), once: true }
    const replayed = { ...again, session: { ...again.session, jti: once.session.jti } }
    assert.equal((await store.write(replayed)).kind, 'proof_used')
    const other = { ...replayed, session: { ...replayed.session, issuer: 'other' } }
    assert.equal((await store.write(other)).kind, 'issued')
  })

  it('keeps switches and every policy that decided', async () => {
    const texts = [{ path: 'roles/a.yaml', text: 'role: a\n' }]
    await store.write({ op: 'policy', digest: 'sha256:aa', texts })
    await store.write({ op: 'policy', digest: 'sha256:bb', texts: [] })
    assert.deepEqual([await store.policy(), await store.policyTexts('sha256:aa')], ['sha256:bb', texts])
    assert.equal(await store.policyTexts('sha256:cc'), null)
    const before = (await store.switches()).version
    await store.write({ op: 'switch', name: 'all', on: true, reason: 'a drill', person: 'staff:sam' })
    const { version, positions } = await store.switches()
    assert.ok(version > before)
    assert.equal(positions['all']?.on, true)
    await store.write({ op: 'switch', name: 'all', on: false, reason: 'over', person: 'staff:sam' })
  })

  it('makes fingerprints that only this store can make', async () => {
    const other = await open(freshFile())
    assert.match(store.fingerprint('x'), /^[0-9a-f]{64}$/)
    assert.equal(store.fingerprint('x'), store.fingerprint('x'))
    assert.notEqual(store.fingerprint('x'), other.fingerprint('x'))
    assert.notEqual(store.fingerprint('x'), createHmac('sha256', '').update('x').digest('hex'))
    await other.close()
  })

  it('signs its head within a second of the last entry, and covers everything when it is closed', async () => {
    await store.write(note('to be signed'))
    const { size } = await store.head()
    const deadline = performance.now() + 1500
    const signed = async () => Number((await store.checkpoint())?.split('\n')[1])
    while ((await signed()) < size && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(await signed(), size)
  })

  it('has everything after it was closed and opened again, with the same key for fingerprints', async () => {
    const ses = await session(store)
    const [fingerprint, head, at] = [store.fingerprint('x'), await store.head(), store.lastAt()]
    await store.close()
    await assert.rejects(store.write(note('closed')), { name: 'StoreUnavailable' })
    const report = await verifyStore(file)
    assert.deepEqual([report.problems, report.beyond, report.checkpoint], [[], 0, { size: head.size, signed: true }])
    store = await open(file, { signer })
    assert.deepEqual([store.fingerprint('x'), await store.head(), store.lastAt()], [fingerprint, head, at])
    assert.deepEqual(await store.session(ses.id), ses)
    assert.deepEqual(store.ready(), { ok: true })
  })
})

describe('lists of calls and sessions', () => {
  let store: OpenStore
  const calls: Call[] = []
  let ses = ''
  before(async () => {
    let now = Date.now()
    store = await open(freshFile(), { now: () => now })
    ses = (await session(store)).id
    for (let n = 0; n < 5; n++) {
      now += 1000
      // Ids are made by the request's thread and sort by its clock.
      await new Promise((resolve) => setTimeout(resolve, 2))
      calls.unshift(await started(store, ses, `key ${n}`, 100 + n))
    }
    const settled = await store.write(done(calls[0]?.id ?? ''))
    assert.ok(settled.kind === 'settled')
    calls[0] = settled.call
  })
  after(() => store.close())

  const ids = (list: readonly Call[]) => list.map(({ id }) => id)

  it('are the newest first, by keyset', async () => {
    assert.deepEqual(await store.calls({}), calls)
    const page = await store.calls({ limit: 2 })
    assert.deepEqual(ids(page), ids(calls.slice(0, 2)))
    assert.deepEqual(ids(await store.calls({ limit: 2, before: page[1]?.id ?? '' })), ids(calls.slice(2, 4)))
  })

  const none: string[] = []
  const filters: readonly (readonly [Parameters<OpenStore['calls']>[0], (all: string[]) => string[]])[] = [
    [{ principal: 'demo:bot', role: 'support-agent', action: 'stripe.refund' }, (all) => all],
    [{ principal: "demo:bot' OR 1=1 --" }, () => none],
    [{ action: 'orders.cancel' }, () => none],
    [{ states: ['done'] }, (all) => all.slice(0, 1)],
    [{ states: ['executing', 'done'] }, (all) => all],
    [{ states: [] }, () => none],
    [{ key: 'key 2' }, (all) => all.slice(2, 3)],
    [{ person: 'demo:bot' }, (all) => all],
    [{ person: 'demo:nobody' }, () => none],
    [{ session: 'ses_other' }, () => none],
    [{ limit: 0 }, () => none],
  ]
  for (const [filter, expected] of filters) {
    it(`take ${JSON.stringify(filter)}`, async () => {
      assert.deepEqual(ids(await store.calls(filter)), expected(ids(calls)))
    })
  }

  it('take a span of time', async () => {
    const [since, until] = [calls[3]?.created_at ?? 0, calls[1]?.created_at ?? 0]
    assert.deepEqual(ids(await store.calls({ since, until })), ids(calls.slice(1, 4)))
  })

  it('hold sessions that live at a time', async () => {
    const row = await store.session(ses)
    assert.deepEqual(await store.sessions({ live_at: row?.issued_at ?? 0, role: 'support-agent' }), [row])
    assert.deepEqual(await store.sessions({ live_at: row?.expires_at ?? 0 }), [])
    assert.deepEqual(await store.sessions({ role: 'other' }), [])
    assert.deepEqual(await store.sessions({ live_at: row?.issued_at ?? 0, role: 'other' }), [])
    assert.deepEqual(await store.sessions({ live_at: row?.issued_at ?? 0, person: row?.requester ?? '' }), [row])
    assert.deepEqual(await store.sessions({ person: 'demo:nobody' }), [])
    assert.deepEqual(await store.sessions({ person: row?.requester ?? '', before: ses }), [])
  })
})

describe('a batch', () => {
  it('is not poisoned by an operation that the state machine cannot take', async () => {
    const folding = {
      touches,
      fold: (working: Parameters<typeof fold>[0], operation: Operation) => {
        const result = fold(working, operation)
        // After it has changed what it works on: nothing of that may be kept.
        if (operation.op === 'note' && operation.fields['text'] === 'poison') throw new Error('no such arrow')
        return result
      },
    }
    const file = freshFile()
    const store = await open(file, { inline: { folding } })
    const texts = ['one', 'two', 'poison', 'three', 'poison', 'four']
    const results = await Promise.allSettled(texts.map((text) => store.write(note(text))))
    assert.deepEqual(
      results.map((result) => (result.status === 'fulfilled' ? 'kept' : String(result.reason.message).split('\n')[0])),
      ['kept', 'kept', 'Error: no such arrow', 'kept', 'Error: no such arrow', 'kept'],
    )
    assert.equal((await store.head()).size, 4)
    assert.deepEqual(store.ready(), { ok: true })
    await store.close()
    assert.equal((await verifyStore(file)).ok, true)
  })

  it('gives a key that one call lets go to the next, within one batch too', async () => {
    let commits = 0
    const step = (name: string) => (commits += Number(name === 'batch.committed'))
    const store = await open(freshFile(), { inline: { step } })
    const ses = await session(store)
    const first = await started(store, ses.id, 'key', 100)
    commits = 0
    const [settled, next] = await Promise.all([
      store.write({ ...done(first.id), outcome: { kind: 'not_sent', reason: 'connection refused' }, output: null }),
      store.write(admit(ses.id, 'key', 100)),
    ])
    assert.deepEqual([settled.kind, next.kind, commits], ['settled', 'started', 1])
    const named = await store.callByKey('demo:bot', 'support-agent', 'stripe.refund', 'key')
    assert.equal(named?.id, next.kind === 'started' ? next.call.id : '')
    await store.close()
  })

  it('leaves the store not ready when the thread that writes ends, and what was under way in doubt', async () => {
    const file = freshFile()
    const signer = newSigner()
    const lines: string[] = []
    const workerUrl = new URL('ending-worker.ts', import.meta.url)
    const store = await open(file, { signer, workerUrl, log: (line) => lines.push(line) })
    await store.write(note('kept'))
    const written = await Promise.allSettled([store.write(note('lost')), store.write(note('lost too'))])
    assert.deepEqual(
      written.map((result) => (result.status === 'rejected' ? result.reason.reason : '')),
      ['in_doubt', 'in_doubt'],
    )
    await assert.rejects(store.write(note('after')), { name: 'StoreUnavailable', reason: 'unavailable' })
    assert.match(store.ready().reason ?? '', /the writer is gone: the thread that writes ended with 3/)
    assert.equal(lines.length, 1)
    await store.close()
    const again = await open(file, { signer, patience_ms: 0 })
    assert.equal((await again.head()).size, 1)
    await again.close()
  })

  it('keeps nothing of a new call with the id of another', async () => {
    const store = await open(freshFile())
    const ses = await session(store)
    const first = await started(store, ses.id, 'first', 100)
    const twin = admit(ses.id, 'second', 999)
    const stolen = { ...twin, call: first.id, bodies: { ...twin.bodies, call: first.id } }
    await assert.rejects(store.write(stolen), /UNIQUE/)
    assert.deepEqual(await store.call(first.id), first)
    await store.close()
  })

  it('keeps nothing of a limit that was changed and not loaded', async () => {
    const folding = { fold, touches: (operation: Operation) => ({ ...touches(operation), limits: [] }) }
    const store = await open(freshFile(), { inline: { folding } })
    const ses = await session(store)
    await assert.rejects(store.write(admit(ses.id, 'k', 100)), /was changed and not loaded/)
    await store.close()
  })

  it('forgets buckets that no window counts any more, and only those', async () => {
    let now = Date.parse('2026-11-20T12:00:00Z')
    const file = freshFile()
    const store = await open(file, { now: () => now, inline: { monotonic: () => now } })
    const { limit, window } = daily(0)
    for (const day of [1, 2, 3]) {
      const ses = await session(store)
      const call = await started(store, ses.id, `day ${day}`, 100 * day)
      await store.write(done(call.id))
      now += 86_400_000
    }
    const { buckets } = (await store.limits([limit])).get(limit) ?? {}
    assert.deepEqual([...(buckets ?? [])], [[bucketOf(window, now - 86_400_000), 300]])
    await store.close()
  })
})
