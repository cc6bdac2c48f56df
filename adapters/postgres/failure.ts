import pg from 'pg'
import type { Outcome } from '../../gateway/core/types.ts'
import { EgressRefused } from '../egress.ts'
import { safeText } from '../http/answer.ts'
import { Cleartext } from './connections.ts'
import { Late } from './deadline.ts'
import { Unreadable } from './statement.ts'

/**
 * What a failure means (R5). A transaction whose COMMIT was never written cannot take effect: the server rolls it back,
 * whether it said so, was cut off or fell over. So everything before COMMIT is certain:
 *
 * - *refused*: the statement is wrong for this data or this database, and would be again (SQLSTATE classes 22, 23, 42,
 *   44, P0 and the rest);
 * - *not_sent*: another time it may go (the connection was lost, a deadlock, a serialization failure, a timeout, a server
 *   that stops or has no room): nothing happened, and the request key is free again.
 *
 * SQLSTATEs: PostgreSQL's documentation, appendix A.
 */
export function failedBefore(error: unknown, hidden: readonly string[]): Outcome {
  if (error instanceof Late) return again(`${error.message}; the transaction was rolled back`)
  if (error instanceof Unreadable) return refused(422, error.message, {})
  if (!(error instanceof pg.DatabaseError)) return again('the connection was lost; the transaction was rolled back')
  const code = codeOf(error)
  return TRANSIENT.test(code) ? again(transientReason(code)) : refusedBy(error, hidden)
}

/**
 * The answer to COMMIT that is no COMMIT. Certain is only what a server says in the act of aborting: a deferred
 * constraint or trigger, a serialization failure. A server that is stopped while it commits, a pooler that lost it, a
 * cut: unknown.
 */
export function failedAtCommit(error: unknown, hidden: readonly string[]): Outcome {
  if (error instanceof pg.DatabaseError) {
    const code = codeOf(error)
    if (/^(40001|40P01)$/.test(code)) return again(transientReason(code))
    if (/^(22|23|42|44|P0)|^40002$/.test(code)) return refusedBy(error, hidden)
    return { kind: 'unknown', reason: `the server failed while it committed (${code})`, evidence: { sqlstate: code } }
  }
  const reason = error instanceof Late ? error.message : 'the connection was lost'
  return { kind: 'unknown', reason: `${reason}, after COMMIT was sent`, evidence: {} }
}

/** No connection, or no transaction on it; in words that hold nothing of the server's text or address. */
export function notConnected(error: unknown): Outcome {
  if (error instanceof EgressRefused || error instanceof Cleartext) return again(error.message)
  if (error instanceof Late) return again(`${error.message}, before anything was sent`)
  if (error instanceof pg.DatabaseError) {
    const code = codeOf(error)
    if (code.startsWith('28')) {
      return { kind: 'not_sent', code: 'secret_unavailable', reason: `the server refused the login (${code})` }
    }
    return again(`the server refused the connection (${code})`)
  }
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code === 'ECONNREFUSED') return again('the backend refused the connection')
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'ENODATA') {
    return again('the name of the backend was not found')
  }
  if (/^[A-Z0-9_]{1,64}$/.test(code)) {
    return again(
      /TLS|SSL|CERT|SIGNED|ISSUER|SIGNATURE/.test(code)
        ? `the TLS handshake with the backend failed (${code})`
        : `no connection to the backend (${code})`,
    )
  }
  // pg's own words for it, which hold no value
  if (error instanceof Error && error.message === 'The server does not support SSL connections') {
    return again('the server does not speak TLS; on a private network sslmode=disable does without')
  }
  return again('no connection to the backend')
}

export function refused(
  status: number,
  message: string,
  evidence: { readonly [name: string]: string | number },
): Outcome {
  return { kind: 'refused', status, message, evidence }
}

function again(reason: string): Outcome {
  return { kind: 'not_sent', code: 'backend_unavailable', reason }
}

/** Connection, rollback, resources, locks, operator's intervention, system. */
const TRANSIENT = /^(08|40|53|57|58|F0|XX)|^55(P03|006)$|^25P0[34]$/

function transientReason(code: string): string {
  const why =
    code === '57014'
      ? 'the statement took too long'
      : code.startsWith('40')
        ? 'another transaction was in the way'
        : null
  return `${why ?? 'the server could not do it now'} (${code}); the transaction was rolled back`
}

function refusedBy(error: pg.DatabaseError, hidden: readonly string[]): Outcome {
  const code = codeOf(error)
  const kind = KINDS.find(([pattern]) => pattern.test(code))
  const [, status = 422, words = 'the database refused it'] = kind ?? []
  // the text of RAISE was written for whoever called; all other texts of a server may quote its data and its schema
  const raised = code.startsWith('P0') ? safeText(error.message ?? '', hidden) : null
  const name = error.constraint === undefined ? null : safeText(error.constraint, hidden)
  const message = raised !== null && raised !== '' ? raised : `${words}${name === null ? '' : `, ${name}`} (${code})`
  return refused(status, message, { sqlstate: code })
}

const KINDS: readonly (readonly [RegExp, number, string])[] = [
  [/^23505/, 409, 'there is one already: a unique constraint forbids it'],
  [/^23503/, 409, 'a foreign key forbids it'],
  [/^23|^40002|^44/, 409, 'a constraint of the database forbids it'],
  [/^22/, 422, 'a value does not fit where it goes'],
  [/^42501/, 403, 'the login may not do this'],
  [/^25006/, 403, 'a read may not change anything'],
  [/^42/, 400, 'the statement does not fit this database'],
]

function codeOf(error: pg.DatabaseError): string {
  return error.code !== undefined && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : 'XX000'
}
