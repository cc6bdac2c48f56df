import assert from 'node:assert/strict'
import { scopeOf, wallTime } from '../../gateway/core/scope.ts'
import type { Question } from '../../gateway/core/types.ts'

const AT = Date.parse('2026-11-23T23:59:59Z')

describe('what conditions and templates of a call see', () => {
  it('is all of it, and the session’s own names are not what its attributes say', () => {
    const attributes = { queue: 'refunds', id: 'mine', role: 'admin', requester: 'root' }
    const question = {
      at: AT,
      call: 'call_1',
      session: { id: 'ses_1', role: 'agent', requester: 'ci:bot', principal: 'ci:bot', attributes },
      input: { amount: 1 },
      facts: { charge: null },
      switches: { incident: true },
    } as unknown as Question
    assert.deepEqual(scopeOf(question, { name: 'pay.refund', effect: 'write' }, 'UTC'), {
      input: { amount: 1 },
      facts: { charge: null },
      session: { queue: 'refunds', id: 'ses_1', role: 'agent', requester: 'ci:bot' },
      action: { name: 'pay.refund', effect: 'write' },
      now: { hour: 23, minute: 59, weekday: 'monday', date: '2026-11-23' },
      switches: { incident: true },
      call: { id: 'call_1' },
    })
  })

  it('is the time of this minute in its own zone, whatever was asked before', () => {
    const TIMES: readonly (readonly [
      at: number,
      timezone: string,
      hour: number,
      minute: number,
      weekday: string,
      date: string,
    ])[] = [
      [AT, 'UTC', 23, 59, 'monday', '2026-11-23'],
      [AT + 1000, 'UTC', 0, 0, 'tuesday', '2026-11-24'],
      [AT + 61_000, 'UTC', 0, 1, 'tuesday', '2026-11-24'],
      [AT, 'UTC', 23, 59, 'monday', '2026-11-23'],
      [AT, 'Asia/Kathmandu', 5, 44, 'tuesday', '2026-11-24'],
      [AT - 59_000, 'UTC', 23, 59, 'monday', '2026-11-23'],
      [AT - 59_001, 'UTC', 23, 58, 'monday', '2026-11-23'],
    ]
    for (const [at, timezone, hour, minute, weekday, date] of TIMES)
      assert.deepEqual(wallTime(at, timezone), { hour, minute, weekday, date })
    assert.equal(wallTime(AT, 'UTC'), wallTime(AT - 30_000, 'UTC'), 'is formatted once a minute')
  })
})
