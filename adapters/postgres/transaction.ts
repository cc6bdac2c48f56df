import pg from 'pg'
import type { Json, Outcome } from '../../gateway/core/types.ts'
import type { Attempt } from '../adapter.ts'
import { refusal } from '../http/exchange.ts'
import type { Connections, Line, Login } from './connections.ts'
import type { Deadline } from './deadline.ts'
import { failedAtCommit, failedBefore, notConnected, refused } from './failure.ts'
import type { Asked } from './request.ts'
import { Statement } from './statement.ts'
import type { Answer } from './statement.ts'

/**
 * One statement in a transaction of its own: BEGIN with its settings, the last look at the permit (R3), the statement,
 * the count of its rows, COMMIT. Were we, the network or the server to fail before COMMIT is written, nothing has
 * happened; after it nothing is certain without the answer. Never rejects.
 */
export async function transact(
  connections: Connections,
  asked: Asked,
  login: Login,
  attempt: Attempt,
  deadline: Deadline,
): Promise<Outcome> {
  const hidden = [login.password]
  let line: Line
  try {
    line = await begin(connections, asked, login, attempt, deadline)
  } catch (error) {
    return notConnected(error)
  }
  const { client } = line

  const stopped = refusal(attempt)
  if (stopped !== null) {
    await giveBack(connections, line, deadline)
    return stopped
  }
  let answer: Answer
  try {
    const statement = new Statement(asked)
    answer = await deadline.wait(() => client.query(statement).answer)
  } catch (error) {
    await giveBack(connections, line, deadline)
    return failedBefore(error, hidden)
  }
  if (client.getTransactionStatus() !== 'T') {
    line.drop()
    return { kind: 'unknown', reason: 'the statement ended the transaction that it ran in', evidence: {} }
  }
  const wrong = wrongRows(asked, answer, attempt)
  if (asked.mode === 'read' || wrong !== null) {
    await giveBack(connections, line, deadline)
    return wrong ?? done(asked, answer, attempt)
  }

  let written = false
  try {
    const { command } = await deadline.wait(() => {
      written = true
      return client.query('commit')
    })
    connections.give(line)
    if (command === 'COMMIT') return done(asked, answer, attempt)
    return { kind: 'not_sent', code: 'backend_unavailable', reason: 'the server rolled the transaction back' }
  } catch (error) {
    line.drop()
    return written ? failedAtCommit(error, hidden) : failedBefore(error, hidden)
  }
}

/**
 * A connection in a fresh transaction. One that stood idle may have died unseen; it has carried nothing of this request
 * but BEGIN, so a new one takes its place.
 */
export async function begin(
  connections: Connections,
  asked: Pick<Asked, 'mode'>,
  login: Login,
  attempt: Attempt,
  deadline: Deadline,
): Promise<Line> {
  for (;;) {
    const idle = connections.take(login)
    const line = idle ?? (await connect(connections, login, deadline))
    try {
      await deadline.wait(() => line.client.query(settings(asked, attempt, deadline)))
      if (line.client.getTransactionStatus() === 'T') return line
      throw new Error('no transaction was begun')
    } catch (error) {
      line.drop()
      if (idle === null || deadline.left_ms <= 0 || attempt.signal.aborted) throw error
    }
  }
}

async function connect(connections: Connections, login: Login, deadline: Deadline): Promise<Line> {
  let drop = (): void => {}
  try {
    return await deadline.wait(() => connections.open(login, (how) => (drop = how)))
  } catch (error) {
    drop()
    throw error
  }
}

/**
 * All settings last until the end of the transaction. `application_name` names the call in the server's log and in
 * pg_stat_activity. The server ends a statement a little before we would, so that its word reaches us; and a transaction
 * that we left open (a paused process), so that its locks go and no COMMIT comes after a long sleep.
 */
function settings(asked: Pick<Asked, 'mode'>, attempt: Attempt, deadline: Deadline): string {
  const left_ms = Math.max(1, Math.floor(deadline.left_ms))
  const statement_ms = Math.max(1, Math.floor(left_ms - Math.min(left_ms / 2, AHEAD_MS)))
  return [
    `begin read ${asked.mode === 'read' ? 'only' : 'write'}`,
    `set local application_name = ${pg.escapeLiteral(nameOf(attempt))}`,
    `set local statement_timeout = ${statement_ms}`,
    `set local idle_in_transaction_session_timeout = ${left_ms}`,
    `set local datestyle = 'ISO'`,
  ].join('; ')
}

const AHEAD_MS = 250

/** PostgreSQL keeps 63 bytes: the call's 31 first. */
function nameOf({ id, stamp }: Attempt): string {
  const plain = (text: string): string => text.replace(/[^A-Za-z0-9_.:-]/g, '_')
  return `keystay ${plain(id)} ${plain(stamp['Keystay-Role'] ?? '')}`.trim().slice(0, 63)
}

/** Rolls back; a connection on which that cannot be seen to happen is not used again. */
export async function giveBack(connections: Connections, line: Line, deadline: Deadline): Promise<void> {
  try {
    await deadline.wait(() => line.client.query('rollback'))
    if (line.client.getTransactionStatus() === 'I') return connections.give(line)
  } catch {
    // dropped below
  }
  line.drop()
}

/** Null: as many as the policy says. Its message tells how many there were, and nothing of what is in them. */
function wrongRows({ rows }: Asked, { count, rows: found }: Answer, { number }: Attempt): Outcome | null {
  const counted = count ?? found.length
  // a fact that may be absent, and is
  if (rows !== null && number === 0 && rows.min === 0 && rows.max === 1 && counted === 0) {
    return refused(404, 'there is no such row', { rows: 0 })
  }
  if (rows === null || (counted >= rows.min && counted <= rows.max)) return null
  const wanted = rows.min === rows.max ? `exactly ${rows.min}` : `${rows.min} to ${rows.max}`
  const message = `${counted === 0 ? 'no row fits' : `${counted} rows fit`}, and ${wanted} must; nothing was changed`
  return refused(409, message, { rows: counted })
}

/**
 * An action's answer is the list of its rows (`keep: ["*.id"]`). The gateway's own reads get `{rows: […]}`, and a fact of
 * at most one row that row.
 */
function done({ rows }: Asked, answer: Answer, { number }: Attempt): Outcome {
  const evidence = { rows: answer.count ?? answer.rows.length }
  const own: Json = rows !== null && rows.max === 1 ? (answer.rows[0] ?? null) : { rows: answer.rows }
  return { kind: 'done', output: number === 0 ? own : answer.rows, evidence }
}
