import assert from 'node:assert/strict'
import pg from 'pg'
import { faultOf } from '../../gateway/store/postgres-fault.ts'

describe('what went wrong on a connection to PostgreSQL', () => {
  const said = (code: string): Error => Object.assign(new pg.DatabaseError('no', 2, 'error'), { code })
  const met = (code: string): Error => Object.assign(new Error('no'), { code })
  const CASES: readonly [string, Error, string][] = [
    ['a pipe that is gone, which has five letters as a SQLSTATE has', met('EPIPE'), 'gone'],
    ['a connection that was reset', met('ECONNRESET'), 'gone'],
    ['an answer that did not come', new Error('Query read timeout'), 'gone'],
    ['a server that shuts down', said('57P01'), 'gone'],
    ['a deadlock', said('40P01'), 'busy'],
    ['a row that contradicts another', said('23505'), 'constraint'],
    ['a text that no row can hold', said('22P05'), 'constraint'],
    ['a disk that is full', said('53100'), 'full'],
    ['a statement that is wrong', said('42601'), 'other'],
  ]
  for (const [name, error, kind] of CASES) {
    it(`${name} is ${kind}`, () => assert.equal(faultOf(error, 'work').kind, kind))
  }
})
