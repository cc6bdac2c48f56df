import type { Db, Driver } from './db.ts'

/**
 * One schema for both databases. A migration is never changed once it has shipped; another one follows it. Indexes are
 * for keyset paging and for what a batch loads: nothing here is found by a scan.
 */
const MIGRATIONS: readonly (readonly string[])[] = [
  [
    // fingerprint_key, vkey, policy, switches
    `CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)`,

    // The ledger. `idx` is the place in the tree: no second order, and no index beside it, which every entry would pay for.
    // `bytes` is what was hashed, to the byte; `leaf` is kept so that proofs and tiles need not read bytes again.
    `CREATE TABLE entries (idx {integer} PRIMARY KEY, id TEXT NOT NULL, at BIGINT NOT NULL,
       kind TEXT NOT NULL, call TEXT, session TEXT, bytes TEXT NOT NULL, leaf TEXT NOT NULL)`,
    `CREATE INDEX entries_call ON entries (call, idx) WHERE call IS NOT NULL`,
    `CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), size BIGINT NOT NULL, root TEXT NOT NULL,
       frontier TEXT NOT NULL, at BIGINT NOT NULL)`,
    // The frontier stands beside the note so that a start can show that the head continues what was signed.
    `CREATE TABLE checkpoints (size BIGINT PRIMARY KEY, at BIGINT NOT NULL, frontier TEXT NOT NULL, note TEXT NOT NULL)`,

    `CREATE TABLE calls (id TEXT PRIMARY KEY, state TEXT NOT NULL, action TEXT NOT NULL, role TEXT NOT NULL,
       principal TEXT NOT NULL, session TEXT NOT NULL, key TEXT, binds TEXT, created_at BIGINT NOT NULL,
       expires_at BIGINT, data TEXT NOT NULL)`,
    // R1, and never deleted (R8). The fold looks the key up first; this is what stands when the fold has a bug.
    // `binds` is principal, role, action and key in one, while the key names this call.
    `CREATE UNIQUE INDEX calls_key ON calls (binds) WHERE binds IS NOT NULL`,
    `CREATE INDEX calls_principal ON calls (principal, id)`,
    `CREATE INDEX calls_role ON calls (role, action, id)`,
    `CREATE INDEX calls_session ON calls (session, id)`,
    `CREATE INDEX calls_open ON calls (state, id) WHERE state IN ('held', 'intent', 'executing', 'unknown', 'needs_human')`,
    `CREATE INDEX calls_due ON calls (expires_at) WHERE state = 'held'`,
    `CREATE TABLE bodies (call TEXT PRIMARY KEY, salt TEXT NOT NULL, question TEXT, input TEXT, facts TEXT, request TEXT, output TEXT, earlier TEXT)`,

    // `definition` is the window, as JSON: it says which buckets are over.
    `CREATE TABLE limits (id TEXT PRIMARY KEY, held BIGINT NOT NULL, definition TEXT)`,
    `CREATE TABLE limit_uses (limit_id TEXT NOT NULL, bucket BIGINT NOT NULL, used BIGINT NOT NULL,
       PRIMARY KEY (limit_id, bucket)) {clustered}`,

    `CREATE TABLE sessions (id TEXT PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE, role TEXT NOT NULL,
       lineage TEXT NOT NULL, renewed_by TEXT, principal TEXT NOT NULL, requester TEXT NOT NULL, acting_for TEXT,
       issuer TEXT NOT NULL, jti TEXT, actor_issuer TEXT, actor_jti TEXT,
       expires_at BIGINT NOT NULL, ended_at BIGINT, data TEXT NOT NULL)`,
    `CREATE INDEX sessions_live ON sessions (principal, expires_at) WHERE ended_at IS NULL`,
    `CREATE INDEX sessions_due ON sessions (expires_at) WHERE ended_at IS NULL`,
    `CREATE INDEX sessions_lineage ON sessions (lineage)`,
    `CREATE INDEX sessions_proof ON sessions (issuer, jti) WHERE jti IS NOT NULL`,
    `CREATE INDEX sessions_actor ON sessions (actor_issuer, actor_jti) WHERE actor_jti IS NOT NULL`,
    `CREATE INDEX sessions_role ON sessions (role, id)`,
    `CREATE INDEX sessions_requester ON sessions (requester)`,
    `CREATE INDEX sessions_acting_for ON sessions (acting_for) WHERE acting_for IS NOT NULL`,

    `CREATE TABLE replicas (id TEXT PRIMARY KEY, seen_at BIGINT NOT NULL)`,

    `CREATE TABLE policies (digest TEXT PRIMARY KEY, at BIGINT NOT NULL, texts TEXT NOT NULL)`,
  ],
  [
    // Requests without a key of the agent's own. `joins`: by what equal ones find a call that they join, while they do.
    // `joined`: the keys that SDKs made up for requests which have joined one; never deleted, as request keys are not.
    `ALTER TABLE calls ADD COLUMN joins TEXT`,
    `CREATE INDEX calls_joins ON calls (joins) WHERE joins IS NOT NULL`,
    `CREATE TABLE joined (name TEXT PRIMARY KEY, call TEXT NOT NULL) {clustered}`,
  ],
  [
    // People in browsers, and what they let programs hold as them. Rows go once nothing can come of them any more: what
    // stays of them is in the ledger.
    `CREATE TABLE visits (id TEXT PRIMARY KEY, gone_at BIGINT NOT NULL, data TEXT NOT NULL)`,
    `CREATE INDEX visits_gone ON visits (gone_at)`,
    `CREATE TABLE consents (id TEXT PRIMARY KEY, user_code TEXT, gone_at BIGINT NOT NULL, data TEXT NOT NULL)`,
    `CREATE UNIQUE INDEX consents_user_code ON consents (user_code) WHERE user_code IS NOT NULL`,
    `CREATE INDEX consents_gone ON consents (gone_at)`,
  ],
  [
    // Logins that were given out, by the call that each is named for; `standing` while somebody may have it. No password.
    `CREATE TABLE leases (call TEXT PRIMARY KEY, standing INTEGER, data TEXT NOT NULL)`,
    `CREATE INDEX leases_standing ON leases (standing, call) WHERE standing = 1`,
  ],
  [
    // Public keys of people, by the SHA-256 of their credentials' ids. What they signed stands beside the ledger as bodies do:
    // the entry of that id holds its digest.
    `CREATE TABLE passkeys (id TEXT PRIMARY KEY, person TEXT NOT NULL, data TEXT NOT NULL)`,
    `CREATE INDEX passkeys_person ON passkeys (person)`,
    `CREATE TABLE assertions (entry TEXT PRIMARY KEY, call TEXT NOT NULL, text TEXT NOT NULL)`,
  ],
  [
    // Who is told that a call waits for people. `entries_waits` finds what began and ended to wait since a place of the
    // ledger; a list in IN would be made anew for every statement that writes entries, the comparisons cost nothing that
    // can be measured. `owner`: the process that sends it at this moment.
    `CREATE INDEX entries_waits ON entries (idx) WHERE kind = 'call.held' OR kind = 'call.needs_human'
       OR kind = 'call.approved' OR kind = 'call.rejected' OR kind = 'call.expired' OR kind = 'call.cancelled'
       OR kind = 'call.reconciled'`,
    `CREATE TABLE waits (id TEXT PRIMARY KEY, call TEXT NOT NULL, state TEXT NOT NULL, open INTEGER, over_at BIGINT,
       data TEXT NOT NULL)`,
    `CREATE INDEX waits_call ON waits (call)`,
    `CREATE INDEX waits_open ON waits (id, call, state) WHERE open = 1`,
    `CREATE INDEX waits_over ON waits (over_at) WHERE over_at IS NOT NULL`,
    `CREATE TABLE notices (id TEXT PRIMARY KEY, call TEXT NOT NULL, wait TEXT NOT NULL, channel TEXT NOT NULL,
       state TEXT NOT NULL, due_at BIGINT NOT NULL, owner TEXT, data TEXT NOT NULL)`,
    `CREATE INDEX notices_call ON notices (call)`,
    `CREATE INDEX notices_wait ON notices (wait)`,
    `CREATE INDEX notices_state ON notices (state, id)`,
    `CREATE INDEX notices_due ON notices (channel, due_at) WHERE state = 'waiting'`,
    `CREATE INDEX notices_owner ON notices (owner) WHERE owner IS NOT NULL`,
  ],
  [
    // How people look through a long log: newest first of one role, of one action, of what ended without an effect.
    `DROP INDEX calls_role`,
    `CREATE INDEX calls_by_role ON calls (role, id, action)`,
    `CREATE INDEX calls_by_action ON calls (action, id)`,
    `CREATE INDEX calls_ended ON calls (state, id)
       WHERE state IN ('denied', 'refused', 'rejected', 'expired', 'cancelled', 'not_sent')`,
    `ALTER TABLE calls ADD COLUMN amount DOUBLE PRECISION`,
  ],
  [
    // Roots of whole subtrees of 1024 entries, by their first: what a proof is put together from. Of entries that were there
    // before it, a proof reads the leaves.
    `CREATE TABLE subtrees (start {integer} PRIMARY KEY, root TEXT NOT NULL)`,
  ],
]

/**
 * Brings the schema to this version, one migration a transaction.
 * @throws Error for a store that a newer version has made: it is left as it is.
 */
export async function migrate(driver: Driver): Promise<void> {
  const version = await driver.transaction(async (db) => {
    await db.run(`CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)`)
    return versionOf(db)
  })
  if (version > MIGRATIONS.length) {
    throw new Error(
      `the store has schema version ${version}, this program knows ${MIGRATIONS.length}: run the newer Keystay`,
    )
  }
  for (const [index, statements] of MIGRATIONS.entries()) {
    if (index < version) continue
    await driver.transaction(async (db) => {
      // Another process may have been quicker.
      if ((await versionOf(db)) > index) return
      for (const statement of statements) await db.run(inDialect(statement, driver.dialect))
      await db.run(`DELETE FROM schema_version`)
      await db.run(`INSERT INTO schema_version (version) VALUES ($1)`, [index + 1])
    })
  }
}

const WORDS: { readonly [dialect in Driver['dialect']]: { readonly [word: string]: string } } = {
  // SQLite's own row number, under our name.
  sqlite: { integer: 'INTEGER', clustered: 'WITHOUT ROWID' },
  postgres: { integer: 'BIGINT' },
}

/** PostgreSQL sorts by the database's language unless told otherwise; SQLite by bytes, and so does everything of ours. */
function inDialect(statement: string, dialect: Driver['dialect']): string {
  const text = statement.replace(/\{(\w+)\}/g, (_, word) => WORDS[dialect][word] ?? '')
  return dialect === 'sqlite' ? text : text.replace(/\bTEXT\b/g, 'TEXT COLLATE "C"')
}

async function versionOf(db: Db): Promise<number> {
  const [row] = await db.all<{ version: number }>(`SELECT version FROM schema_version`)
  return row?.version ?? 0
}
