import pg from 'pg'
import type { Json, JsonObject, Outcome } from '../../gateway/core/types.ts'
import type { Attempt } from '../adapter.ts'
import { refusal } from '../http/exchange.ts'
import type { Connections, Login } from './connections.ts'
import type { Deadline } from './deadline.ts'
import { failedAtCommit, failedBefore, notConnected, refused } from './failure.ts'
import { Unsendable } from './request.ts'
import { newPassword } from './scram.ts'
import { begin, giveBack } from './transaction.ts'

/** What a policy says of a login that this server makes. */
export interface Making {
  readonly roles: readonly string[]
  readonly connections: number
  readonly lifetime_s: number
}

/** @throws Unsendable for what no policy of this version can have said */
export function makingOf(lease: Json): Making {
  const { roles, connections, lifetime_s } = (lease ?? {}) as { readonly [name: string]: Json }
  const names = Array.isArray(roles) ? roles : []
  const good =
    names.length > 0 && names.every((name) => typeof name === 'string' && /^[A-Za-z_][\w$-]{0,62}$/.test(name))
  if (!good || !isCount(connections) || !isCount(lifetime_s)) throw new Unsendable('that is no lease of this adapter')
  return { roles: names as string[], connections, lifetime_s }
}

/** The login of a call: who finds the call open after a crash knows what to look for. */
export function loginNameOf(call: string): string {
  return `keystay_${call.toLowerCase().replace(/[^a-z0-9_]/g, '_')}`.slice(0, 63)
}

/**
 * Makes a login with these roles and nothing else, in one transaction: were we, the network or the server to fail before
 * COMMIT is written, there is none; after it nothing is certain without the answer. The password is in the answer alone:
 * the server is told a verifier, so that it stands in no log. Never rejects.
 */
export async function makeLogin(
  connections: Connections,
  making: Making,
  own: Login,
  attempt: Attempt,
  deadline: Deadline,
): Promise<Outcome> {
  const hidden = [own.password]
  const { password, verifier } = await newPassword()
  let line
  try {
    line = await begin(connections, { mode: 'write' }, own, attempt, deadline)
  } catch (error) {
    return notConnected(error)
  }
  const { client } = line
  const login = loginNameOf(attempt.id)
  const stopped = refusal(attempt)
  if (stopped !== null) {
    await giveBack(connections, line, deadline)
    return stopped
  }
  try {
    const asked = `select current_setting('server_version_num')::int as version,
      to_char((clock_timestamp() + interval '${making.lifetime_s} seconds') at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS+00') as until`
    const { rows } = await deadline.wait(() => client.query<{ version: number; until: string }>(asked))
    const { version = 0, until = '' } = rows[0] ?? {}
    if (version < VERSION_MIN) {
      await giveBack(connections, line, deadline)
      return refused(501, 'leases need PostgreSQL 16 or later', {})
    }
    for (const text of statements(login, verifier, until, making, attempt))
      await deadline.wait(() => client.query(text))
  } catch (error) {
    await giveBack(connections, line, deadline)
    // One of this name: something of this very call has landed before.
    if (error instanceof pg.DatabaseError && error.code === '42710') {
      return { kind: 'unknown', reason: 'a login of this call is there already', evidence: {} }
    }
    return failedBefore(error, hidden)
  }
  let written = false
  try {
    const { command } = await deadline.wait(() => {
      written = true
      return client.query('commit')
    })
    connections.give(line)
    if (command !== 'COMMIT') {
      return { kind: 'not_sent', code: 'backend_unavailable', reason: 'the server rolled the transaction back' }
    }
    const { roles, lifetime_s } = making
    const output: JsonObject = { user: login, password, roles, connections: making.connections }
    return { kind: 'done', output, evidence: { login, lifetime_s } }
  } catch (error) {
    line.drop()
    return written ? failedAtCommit(error, hidden) : failedBefore(error, hidden)
  }
}

/** Before it CREATEROLE gave power over every login there is; since then over those that its holder made. */
const VERSION_MIN = 160_000

/**
 * Utility statements take no parameters, so everything is quoted: nothing of it comes from an agent. A member that may
 * not SET ROLE stays who it is, in row security and in the server's log, and cannot change what the role itself says.
 */
function statements(login: string, verifier: string, until: string, making: Making, attempt: Attempt): string[] {
  const name = pg.escapeIdentifier(login)
  const session = attempt.stamp['Keystay-Session'] ?? ''
  const about = `Keystay made it for ${attempt.id}, ${session}, until ${until}; it is dropped with that session`
  return [
    `create role ${name} login inherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls
       connection limit ${making.connections} password ${pg.escapeLiteral(verifier)} valid until ${pg.escapeLiteral(until)}`,
    ...making.roles.map((role) => `grant ${pg.escapeIdentifier(role)} to ${name} with inherit true, set false`),
    // What a client does not name itself is found in the log by the session, as every statement is by the login.
    `alter role ${name} set application_name = ${pg.escapeLiteral(`keystay ${session}`.trim().slice(0, 63))}`,
    `comment on role ${name} is ${pg.escapeLiteral(about)}`,
  ]
}

function isCount(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}
