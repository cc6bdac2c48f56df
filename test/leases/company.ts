import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Database } from '../backends/postgres.ts'
import { BACKEND_KEY, company } from '../house/company.ts'

/** What a lease is answered with. */
export interface Login {
  readonly user: string
  readonly password: string
  readonly host: string
  readonly port: number
  readonly database: string
  readonly sslmode: string
  readonly expires_at: string
}

/** A broker that may make logins with one role, and tables: one to read, one not, one keyed on the login. */
export async function furnish(database: Database): Promise<void> {
  await database.sql(`
    create role reporting_reader nologin;
    create role broker login createrole password '${BACKEND_KEY}';
    grant reporting_reader to broker with admin true, inherit false, set false;
    create table sales (id int primary key, total numeric not null);
    insert into sales values (1, 10), (2, 20);
    create table salaries (id int primary key, amount numeric not null);
    create table notes (written_by name not null default session_user, text text not null);
    alter table notes enable row level security;
    create policy own_notes on notes using (written_by = session_user) with check (written_by = session_user);
    grant select on sales to reporting_reader;
    grant select, insert on notes to reporting_reader`)
}

/** The company of the tests beside an analyst, who may have logins. */
export function lendingCompany(
  port: number,
  more: { readonly [path: string]: string } = {},
): ReturnType<typeof company> {
  const nowhere = 'http://127.0.0.1:9'
  const lease = (name: string, says: string): string =>
    `action: warehouse.${name}\ndescribe: A login to the reporting warehouse.\neffect: lease\nbackend: warehouse\nlease: ${says}\n`
  return company(
    { pay: nowhere, shop: nowhere, blind: nowhere },
    {
      'warehouse.yaml': `backends:
  warehouse:
    adapter: postgres
    url: postgres://127.0.0.1:${port}/postgres
    private: true
    auth: { user: broker, password: "env://KEYSTAY_TEST_KEY" }
    timeout: 700ms
    lands_within: 100ms
    breaker: { open_after: 100%, of: 10000, for: 1s }
`,
      'actions/warehouse.yaml': [
        lease('login', '{ roles: [reporting_reader], lifetime: 30m, connections: 2 }'),
        lease('brief', '{ roles: [reporting_reader], lifetime: 1s }'),
        lease('guarded', '{ roles: [reporting_reader], lifetime: 30m }'),
        lease('unknown', '{ roles: [no_such_role], lifetime: 30m }'),
        `${lease('counted', '{ roles: [reporting_reader], lifetime: 30m }')}cost: { count: "1", of: logins }\n`,
      ].join('---\n'),
      'roles/analyst.yaml': `role: analyst
describe: Reads the warehouse.
session: { lifetime: 2h }
issue_to: [{ issuer: demo, where: 'claims.sub in ["bot", "other-bot"]' }]
grants:
  warehouse.login: { dry_run: true }
  warehouse.brief:
  warehouse.guarded: { approval: { by: 1 of finance, expires: 1h } }
  warehouse.unknown:
  warehouse.counted: { max: 1 logins, budget: 1 logins per day }
`,
      ...more,
    },
  )
}

/** A connection of the agent's own. */
export async function logIn({ user, password, host, port, database }: Login): Promise<pg.Client> {
  const client = new pg.Client({ user, password, host, port, database })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Resolves with how long it took, ms, until the server has ended the connection. */
export function ended(client: pg.Client): Promise<number> {
  const began = performance.now()
  return new Promise((resolve) => {
    client.once('end', () => resolve(performance.now() - began))
  })
}

export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await holds()) return
    await sleep(25)
  }
  assert.fail(`it never came: ${what}`)
}

/** Logins of ours that the server has. */
export async function logins(database: Database): Promise<string[]> {
  const rows = await database.sql(`select rolname from pg_roles where rolname like 'keystay\\_%' order by rolname`)
  return rows.map(({ rolname }) => String(rolname))
}

/** What the server wrote as JSON, statement by statement. */
export async function serverLog(database: Database): Promise<{ readonly [member: string]: unknown }[]> {
  const [row] = await database.sql('show data_directory')
  const directory = join(String(row?.['data_directory']), 'log')
  const files = readdirSync(directory).filter((name) => name.endsWith('.json'))
  const lines = files.flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as { [member: string]: unknown })
}

/** The call that a login is named for. */
export function callOf({ user }: Login): string {
  const [, id = ''] = /^keystay_call_(.*)$/.exec(user) ?? []
  return `call_${id.toUpperCase()}`
}
