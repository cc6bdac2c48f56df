import assert from 'node:assert/strict'
import { race } from '../trials/races/run.ts'
import { change } from '../trials/changes/run.ts'

/** A small part of `node test/trials/races.ts` and `changes.ts`, which run 10,000 of each on both databases. */
describe('a yes that meets something else', function () {
  this.timeout(60_000)

  it('is counted once, and the call ends once, whoever is quicker', async () => {
    const only = ['approve × approve', 'approve × reject', 'approve × cancel', 'approve × revoke', 'allows less']
    const { judged, won } = await race({ store: 'sqlite', processes: false, races: 90, seed: 7, only })
    assert.deepEqual(judged.wrong, [])
    assert.equal(won.size, 8)
    assert.ok(judged.refused > 0, 'nobody was too late')
  })

  it('to a card of which something has changed voids what was said, is denied, or runs as it was shown', async () => {
    const { wrong, bytes } = await change({ store: 'sqlite', changes: 40, at_once: 10, seed: 11 })
    assert.deepEqual(wrong, [])
    assert.ok(bytes > 0, 'nothing ran')
  })
})
