import assert from 'node:assert/strict'
import type { Admit } from '../../gateway/core/operations.ts'
import { verifyStore } from '../../gateway/store/verify.ts'
import { admit, done, freshFile, issue, newSigner, open } from './operations.ts'

/** A request without a key of its own; equal ones ask for the same amount. */
const unnamed = (session: string, key: string | null, amount: number): Admit => ({
  ...admit(session, '', amount, 1e9),
  key,
  join: 'invented',
})
const wanted = (operation: Admit) => {
  const { principal, key, fingerprint, plan } = operation
  return { principal, role: plan.role, action: plan.action, key, fingerprint }
}

describe('the store, of requests without a key of their own', () => {
  const file = freshFile()
  const signer = newSigner()

  it('lets one of two hundred equal ones act, at once and in turn, and tells one of two hundred what came of it', async () => {
    const store = await open(file, { signer })
    const issued = await store.write(issue())
    assert.ok(issued.kind === 'issued')
    const { id: session } = issued.session
    const ask = (n: number) => store.write(unnamed(session, `made-up-${n}`, 700))
    const first = await Promise.all(Array.from({ length: 200 }, (_, n) => ask(n)))
    const started = first.filter(({ kind }) => kind === 'started')
    assert.deepEqual([started.length, first.filter(({ kind }) => kind === 'bound').length], [1, 199])
    const [one] = started
    assert.ok(one?.kind === 'started')
    assert.ok(first.every((answer) => 'call' in answer && answer.call.id === one.call.id))

    await store.write(done(one.call.id))
    const then = await Promise.all(Array.from({ length: 200 }, (_, n) => ask(1000 + n)))
    assert.equal(then.filter((answer) => 'handed' in answer && answer.handed).length, 1)
    // Until it is known whether that one heard it, nobody knows what the others are.
    assert.equal(then.filter(({ kind }) => kind === 'telling').length, 199)
    await store.write({ op: 'hand_out', call: one.call.id, by: 'the one', went: 'told' })
    const after = await Promise.all(Array.from({ length: 200 }, (_, n) => ask(2000 + n)))
    assert.equal(after.filter(({ kind }) => kind === 'started').length, 1)
    assert.equal(new Set(after.map((answer) => ('call' in answer ? answer.call.id : ''))).size, 1)
    await store.close()
  })

  it('keeps over a restart who is owed what, and what each key has joined', async () => {
    let store = await open(file, { signer })
    const issued = await store.write(issue())
    assert.ok(issued.kind === 'issued')
    const { id: session } = issued.session
    const opens = unnamed(session, 'a', 800)
    const started = await store.write(opens)
    assert.ok(started.kind === 'started')
    const joins = unnamed(session, 'b', 800)
    assert.equal((await store.write(joins)).kind, 'bound')
    await store.close()

    store = await open(file, { signer })
    const { id } = started.call
    assert.equal((await store.callUnnamed(wanted(joins)))?.kind, 'bound')
    assert.equal((await store.callUnnamed({ ...wanted(joins), key: 'c' }))?.kind, 'joinable')
    assert.equal((await store.callUnnamed({ ...wanted(joins), key: null }))?.call.id, id)
    for (const not of [{ principal: 'demo:other' }, { role: 'other' }, { action: 'other' }, { fingerprint: 'other' }])
      assert.equal(await store.callUnnamed({ ...wanted(joins), key: 'c', ...not }), null)
    await store.write(done(id))
    await store.close()

    store = await open(file, { signer })
    const told = await store.write(unnamed(session, 'c', 800))
    assert.deepEqual([told.kind, 'call' in told && told.call.id], ['bound', id])
    assert.equal((await store.write(unnamed(session, 'd', 800))).kind, 'telling')
    await store.write({ op: 'hand_out', call: id, by: 'c', went: 'told' })
    await store.close()

    store = await open(file, { signer })
    for (const key of ['a', 'b', 'c']) {
      const again = await store.write(unnamed(session, key, 800))
      assert.deepEqual([again.kind, 'call' in again && again.call.id], ['bound', id], key)
    }
    assert.equal(await store.callUnnamed({ ...wanted(joins), key: 'd' }), null)
    assert.equal((await store.write(unnamed(session, 'd', 800))).kind, 'started')
    await store.close()
    assert.deepEqual((await verifyStore(file)).problems, [])
  })
})
