import pg from 'pg'
import { StoreFault } from './db.ts'
import type { FaultKind } from './db.ts'

/**
 * What went wrong on a connection to PostgreSQL. Whatever has no SQLSTATE is the connection's own fault: reset, refused,
 * timed out.
 */
export function faultOf(error: unknown, during: 'work' | 'commit'): StoreFault {
  if (error instanceof StoreFault) return error.during === during ? error : new StoreFault(error.kind, during, error)
  // Only what the server said has a SQLSTATE; the system's EPIPE has five letters too.
  const code = error instanceof pg.DatabaseError ? error.code : undefined
  return new StoreFault(code === undefined ? 'gone' : kindOf(code), during, error)
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
function kindOf(code: string): FaultKind {
  // deadlock_detected, serialization_failure
  if (code === '40P01' || code === '40001') return 'busy'
  if (code === '53100') return 'full'
  // Integrity violations, and data that no row can hold (a NUL, half a surrogate pair): what one operation brings.
  if (/^2[23]/.test(code)) return 'constraint'
  // connection exceptions, too many connections, shutdown, a transaction that was left open, a server that only reads
  if (/^(08|28|57P)/.test(code) || ['53300', '25P03', '25006', '3D000'].includes(code)) return 'gone'
  return 'other'
}
