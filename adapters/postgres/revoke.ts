import pg from 'pg'
import type { Outcome } from '../../gateway/core/types.ts'
import type { Connections, Login } from './connections.ts'
import type { Deadline } from './deadline.ts'
import { notConnected } from './failure.ts'

/**
 * Takes a login away, whatever is on it: no new connections, then the open ones ended, then the login goes with what it owns
 * and was granted. Each step stands alone and may be done again; one that is not there is gone. `done` says that nothing of
 * it is left; `refused` that it is shut for good, and its name stands because of what it owns elsewhere. Never rejects.
 */
export async function dropLogin(
  connections: Connections,
  login: string,
  own: Login,
  deadline: Deadline,
): Promise<Outcome> {
  let line
  try {
    line = await deadline.wait(() => connections.open(own, () => {}))
  } catch (error) {
    return notConnected(error)
  }
  const { client } = line
  const run: Run = (text) => deadline.wait(() => client.query(text))
  try {
    const left_ms = Math.max(1, Math.floor(deadline.left_ms))
    await run(`set application_name = ${pg.escapeLiteral(`keystay revokes ${login}`.slice(0, 63))}`)
    await run(`set statement_timeout = ${left_ms}`)
    for (let tries = 1; ; tries++) {
      const outcome = await taken(run, login)
      if (outcome !== 'again') return outcome
      if (tries === TRIES_MAX) return unsure(`${login} is being changed by others (XX000)`)
      await run('rollback')
      await run(`select pg_sleep(${0.05 * tries})`)
    }
  } catch (error) {
    return unsure(`${login} could not be revoked${codeOf(error)}`)
  } finally {
    line.drop()
  }
}

/** Of two processes that revoke the same login one is told that its rows change under it; it looks again. */
const TRIES_MAX = 3

async function taken(run: Run, login: string): Promise<Outcome | 'again'> {
  const name = pg.escapeIdentifier(login)
  let disabled = false
  try {
    if (await isGone(run, login)) return GONE
    // We made it, so we may; to end its connections and drop what it owns we must have its rights.
    await run(`grant ${name} to current_user with inherit true`)
    await shut(run, login)
    await endAll(run, login)
    disabled = true
    // Nobody inherits from it: a function of its own that became ours would run with our rights.
    await run(`begin; drop owned by ${name}; drop role ${name}; commit`)
    return GONE
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error
    // Another process was quicker, in the middle of ours.
    if (error.code === '42704') return GONE
    if (error.code === 'XX000') return 'again'
    if (!disabled) throw error
    if (error.code === DEPENDENT) return leftBehind(login, error.detail)
    return unsure(`${login} can log in no more and has no connection, but cannot be dropped${codeOf(error)}`)
  }
}

/**
 * No new connection from here on. A login may hold its own row locked in an open transaction (`alter role current_user …`):
 * so it is ended first, and again as long as it is in the way. The deadline ends the turns.
 */
async function shut(run: Run, login: string): Promise<void> {
  const name = pg.escapeIdentifier(login)
  for (;;) {
    await run(`select pg_terminate_backend(pid, 2000) from pg_stat_activity where usename = ${pg.escapeLiteral(login)}`)
    try {
      await run(`set lock_timeout = 200`)
      await run(`alter role ${name} nologin connection limit 0 password null valid until '-infinity'`)
      return await run(`set lock_timeout = 0`).then(() => {})
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || error.code !== '55P03') throw error
    }
  }
}

/** 2BP01: what is not in this database cannot be dropped from here. */
const DEPENDENT = '2BP01'

/** As a login it is over. `evidence.left` says what keeps its name: `2 objects in database other`. */
function leftBehind(login: string, detail = ''): Outcome {
  const left = detail.replaceAll('\n', '; ').slice(0, 200) || 'something in another database'
  const message = `${login} can log in no more and has no connection, but cannot be dropped while it owns ${left}`
  return { kind: 'refused', status: 409, message, evidence: { left } }
}

function unsure(reason: string): Outcome {
  return { kind: 'unknown', reason, evidence: {} }
}

function codeOf(error: unknown): string {
  return error instanceof pg.DatabaseError && /^[0-9A-Z]{5}$/.test(error.code ?? '') ? ` (${error.code})` : ''
}

const GONE: Outcome = { kind: 'done', output: null, evidence: {} }

type Run = (text: string) => Promise<pg.QueryResult>

async function isGone(run: Run, login: string): Promise<boolean> {
  const { rows } = await run(`select 1 from pg_roles where rolname = ${pg.escapeLiteral(login)}`)
  return rows.length === 0
}

/** A connection that was on its way while logins were stopped may show a moment later: it is looked twice. */
async function endAll(run: Run, login: string): Promise<void> {
  const theirs = `from pg_stat_activity where usename = ${pg.escapeLiteral(login)}`
  for (let quiet = 0; quiet < 2;) {
    // Waits until each has ended, so that the next look finds only new ones.
    const { rows } = await run(`select pg_terminate_backend(pid, 2000) ${theirs}`)
    quiet = rows.length === 0 ? quiet + 1 : 0
    if (quiet < 2) await run('select pg_sleep(0.03)')
  }
}
