import { nearest } from '../spelling.ts'
import type { LeaseRequest } from '../lease.ts'
import type { BackendSpec, LeaseSpec, Template } from '../types.ts'
import { durationAt, entriesAt, has, itemsAt, numberAt, textAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { CONNECTIONS, LENDS } from './language-lease.ts'
import { at, sound } from './place.ts'
import type { Piece } from './place.ts'

const SHORTEST_MS = 1_000
const LONGEST_MS = 24 * 3_600_000

/** Keys that have no meaning for a lease: the gateway makes the login, revokes it, and keeps nothing of it. */
const NOT_OF_A_LEASE = ['request', 'output', 'recheck', 'effects', 'undo', 'replay', 'compat'] as const
const OF_ALL_OTHERS = ['request', 'output'] as const

/** Which keys an action has by its effect. */
export function checkEffectKeys({ report }: Compiling, piece: Piece): void {
  const effect = textAt(at(piece, 'effect'))
  const lease = at(piece, 'lease')
  if (effect === 'lease') {
    if (!has(lease)) {
      report.error(at(piece, 'effect'), '`lease` is missing', 'write `lease: { roles: [reader], lifetime: 30m }`')
    }
    for (const key of NOT_OF_A_LEASE) {
      if (!has(at(piece, key))) continue
      const hint = 'leave it out: the gateway makes the login by `lease:`, answers it once and revokes it'
      report.error(at(piece, key), `a lease has no \`${key}\``, hint, 'key')
    }
    return
  }
  if (has(lease)) report.error(lease, '`lease` needs `effect: lease`', 'write `effect: lease`, or leave it out', 'key')
  const keys = entriesAt(piece).map(([key]) => key)
  for (const key of OF_ALL_OTHERS) {
    // A misspelt key is a finding already, with its hint.
    if (keys.includes(key) || keys.some((one) => nearest(one, [key]) !== null && !KNOWN.has(one))) continue
    report.error(piece, `\`${key}\` is missing`)
  }
}

/** Near to a key that is needed, and another one. */
const KNOWN = new Set(['recheck', 'input', 'undo'])

/** null where something in it is wrong, and then that is a finding. */
export function compileLease(compiling: Compiling, piece: Piece, backend: BackendSpec | undefined): LeaseSpec | null {
  const { report, adapters } = compiling
  const lease = at(piece, 'lease')
  if (!has(lease) || textAt(at(piece, 'effect')) !== 'lease') return null
  if (backend !== undefined && adapters[backend.adapter]?.backend[LENDS] !== true) {
    const lending = Object.keys(adapters).filter((name) => adapters[name]?.backend[LENDS] === true)
    report.error(
      at(piece, 'backend'),
      `\`${backend.name}\` has adapter \`${backend.adapter}\`, which gives out no logins`,
      `name a backend of adapter ${lending.join(' or ')}`,
    )
    return null
  }
  if (!sound(lease)) return null
  const from = textAt(at(lease, 'from'))
  const roles = itemsAt(at(lease, 'roles')).flatMap((item) => textAt(item) ?? [])
  if ((from === null) === (roles.length === 0)) {
    const many = from !== null
    report.error(lease, `\`lease\` has ${many ? 'more than one' : 'none'} of: roles, from`, 'write one of them')
  }
  if (from !== null && has(at(lease, 'connections'))) {
    const hint = 'leave it out, and say CONNECTION LIMIT in the creation statements of the role in Vault'
    report.error(at(lease, 'connections'), 'Vault makes this login, with the connections it gives it', hint, 'key')
  }
  if (from === null && backend !== undefined && isMadeForUs(backend)) {
    report.error(
      at(piece, 'backend'),
      `the gateway's own login at \`${backend.name}\` is another one tomorrow, and who made a login must drop it`,
      'give that backend a login that stays (`auth: { user, password }`), or write `from:` here',
    )
  }
  warnOfReach(compiling, at(lease, 'roles'))
  const lifetime_ms = durationAt(compiling, at(lease, 'lifetime'), '30m')
  if (lifetime_ms > 0 && (lifetime_ms < SHORTEST_MS || lifetime_ms > LONGEST_MS)) {
    report.error(at(lease, 'lifetime'), 'a lease lives from 1s to 24h', 'a session that needs it longer asks again')
  }
  return {
    from,
    roles,
    lifetime_ms,
    connections: from === null ? numberAt(at(lease, 'connections'), CONNECTIONS) : null,
  }
}

/** The request of a lease: the policy's own words, for the card, the ledger and the adapter. Nothing of it is asked for. */
export function leaseTemplate({ from, roles, lifetime_ms, connections }: LeaseSpec): Template {
  const lifetime_s = Math.floor(lifetime_ms / 1000)
  const lease: LeaseRequest['lease'] =
    from === null ? { roles, connections: connections ?? CONNECTIONS, lifetime_s } : { from, lifetime_s }
  return { render: () => ({ ok: true, value: { lease: { ...lease } } }), reads: [] }
}

/** PostgreSQL's own roles reach over all tables, or out of the database. */
function warnOfReach({ report }: Compiling, piece: Piece): void {
  for (const item of itemsAt(piece)) {
    const name = textAt(item) ?? ''
    if (OUTSIDE.has(name)) {
      report.error(item, `\`${name}\` reaches out of the database: files, programs or other logins`, ROLE_HINT)
    } else if (name.startsWith('pg_')) {
      report.warning(item, `\`${name}\` is one of PostgreSQL's own roles, and reaches over every table`, ROLE_HINT)
    }
  }
}

const ROLE_HINT = 'make a role that is granted what the agent needs, and no more'
const OUTSIDE = new Set([
  'pg_read_server_files',
  'pg_write_server_files',
  'pg_execute_server_program',
  'pg_signal_backend',
  'pg_signal_autovacuum_worker',
  'pg_create_subscription',
  'pg_checkpoint',
  'pg_maintain',
])

/** A login that a vault makes for us changes. */
function isMadeForUs({ config }: BackendSpec): boolean {
  const auth = config['auth'] as { readonly user?: unknown; readonly lease?: unknown } | undefined
  return auth?.lease !== undefined || (typeof auth?.user === 'string' && auth.user.includes('://'))
}
