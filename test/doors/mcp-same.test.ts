import assert from 'node:assert/strict'
import fc from 'fast-check'
import { DOORS, REST, side, step } from './same.ts'
import type { Side } from './same.ts'

/** So many in all (`CALLS=10000`), in companies of 200 each: budgets and attempts would end longer ones. */
const CALLS = Number(process.env['CALLS'] ?? 200)
const EACH = 200
const first = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/**
 * One path, whatever the door (I21): companies alike, each behind a door of its own, are asked the same random calls, with
 * the same repeats, approvals and cancellations in the same order.
 */
for (let nth = 0; nth * EACH < CALLS; nth++) {
  const seed = first + nth
  const names = DOORS.map(({ door }) => door.name).join(', ')
  describe(`the same ${EACH} random calls over REST, ${names}${nth === 0 ? '' : ` (SEED=${seed})`}`, function () {
    this.timeout(120_000)
    const steps = fc.sample(step, { numRuns: EACH, seed })
    let rest: Side
    let others: readonly Side[]
    before(async () => {
      rest = await side(REST)
      others = await Promise.all(DOORS.map(({ door, whole }) => side(door, whole)))
      for (const one of steps) await Promise.all([rest, ...others].map((each) => each.take(one)))
    })
    after(() => Promise.all([rest, ...others].map((each) => each.close())))

    it('are decided the same: status, code, why, what is left, what to do next', () => {
      for (const [index, one] of steps.entries()) {
        for (const [which, other] of others.entries()) {
          const where = `${other.name}, SEED=${seed}, step ${index}: ${JSON.stringify(one)}`
          const [it, that] = [other.answers[index], rest.answers[index]]
          if (DOORS[which]?.whole === true) assert.deepEqual(it?.said, that?.said, where)
          else assert.deepEqual(it?.stands, that?.stands, where)
        }
      }
      const met = JSON.stringify(rest.answers)
      for (const kind of ['done', 'held', 'denied', 'input_invalid', 'not_granted', 'key_reused', 'key_required']) {
        assert.ok(met.includes(`"${kind}"`), `SEED=${seed}: no call was ${kind}`)
      }
    })

    it('are written down the same', async () => {
      const one = await rest.entries()
      for (const other of others) assert.deepEqual(await other.entries(), one, `${other.name}, SEED=${seed}`)
      assert.ok(one.length > 200, `${one.length} entries`)
    })

    it('have the same effects', () => {
      for (const other of others) assert.deepEqual(other.effects(), rest.effects(), `${other.name}, SEED=${seed}`)
      assert.ok(rest.effects().length > 20, `${rest.effects().length} effects`)
    })
  })
}
