import { deepEqual, equal, ok } from 'node:assert/strict'
import { places } from '../../gateway/pipeline/places.ts'

describe('places', () => {
  const filled = (at: ReturnType<typeof places>, name: string): number => {
    let count = 0
    while (at.take(name) !== null) count++
    return count
  }

  it('give one that hangs a quarter of all, and always leave room for the next', () => {
    const at = places(4096)
    const taken = Array.from({ length: 10 }, (_, n) => filled(at, `backend-${n}`))
    equal(taken[0], 1024)
    deepEqual(
      taken.map((count, n) => n === 0 || (count > 0 && count <= (taken[n - 1] ?? 0))),
      Array.from({ length: 10 }, () => true),
    )
    ok(taken.reduce((sum, count) => sum + count, 0) < 4096)
  })

  it('are given back once, whoever asks twice', () => {
    const at = places(4)
    const leave = at.take('a')
    ok(leave)
    at.claim('a')
    leave()
    leave()
    deepEqual([...at.taken()], [['a', 1]])
  })

  it('count what cannot be turned away, beyond the bound', () => {
    const at = places(4)
    for (let n = 0; n < 10; n++) at.claim('a')
    deepEqual([at.isFull('a'), at.isFull('b'), at.take('a')], [true, true, null])
  })
})
