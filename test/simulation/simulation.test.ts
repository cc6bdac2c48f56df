import assert from 'node:assert/strict'
import { missed } from './cells.ts'
import { PINNED } from './pinned.ts'
import { simulate } from './total.ts'

describe('the simulation', function () {
  this.timeout(600_000)

  it('finds nothing in 2,000 seeds, and strikes every state with every fault that can strike it', async () => {
    const total = await simulate({ from: 1, count: 2000 })
    assert.deepEqual(total.failed.map(told), [])
    assert.equal(total.runs, 2000)
    assert.deepEqual(missed(total.cells), [], 'each must be hit so often')
  })

  it('runs a seed the same way each time', async () => {
    const [one, other] = [await simulate({ from: 11, count: 12 }), await simulate({ from: 11, count: 12 })]
    assert.equal(one.hashes.length, 12)
    assert.deepEqual(other.hashes, one.hashes)
    assert.equal(new Set(one.hashes.map(([, hash]) => hash)).size, 12)
  })

  for (const { seed, why } of PINNED) {
    it(`finds nothing any more in seed ${seed}: ${why}`, async () => {
      assert.deepEqual((await simulate({ from: seed, count: 1 })).failed.map(told), [])
    })
  }

  // The whole table is `npm run simulate -- --broken`; these are found within a second.
  for (const [rule, by] of [
    ['R2', /^I2$/],
    ['R5', /^I(4|12)$/],
    ['R8', /^I2$/],
    ['what was decided', /^I5$/],
    ['join heard', /^I2$/],
    ['lease issued', /^lease$/],
    ['notice end', /^liveness$/],
  ] as const) {
    it(`sees that ${rule} is broken`, async () => {
      const { failed } = await simulate({ from: 1, count: 100, broken: rule, stopAtFirst: true })
      assert.match(failed[0]?.invariant ?? 'nothing', by)
    })
  }
})

function told({ seed, invariant, what }: { seed: number; invariant: string; what: string }): string {
  return `${invariant}: ${what}: npm run simulate -- --from ${seed} --seeds 1 --trace`
}
