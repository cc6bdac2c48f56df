import { join } from 'node:path'
import pg from 'pg'
import { PASSWORD } from '../backends/postgres.ts'
import { startProxy } from '../backends/postgres-proxy.ts'
import { readSqlite } from '../../gateway/store/sqlite.ts'
import { startDatabase } from './database.ts'
import { diskAt } from './disk.ts'
import type { Disk } from './disk.ts'
import type { Evidence } from './evidence.ts'
import type { Wire } from './faults.ts'
import { readLedger } from './ledger.ts'
import type { Ledger } from './ledger.ts'
import type { Random } from './random.ts'

/** Where the gateways keep their ledger, and what can go wrong there. */
export interface Place {
  readonly name: string
  /** What each replica is started with. */
  readonly stores: readonly string[]
  readonly disk: Disk | null
  readonly wire: (evidence: Evidence) => Wire | null
  /** Faults that this machine cannot do. */
  readonly skipped: readonly string[]
  ledger(): Promise<Ledger>
  /** Copies the store to where the evidence is. */
  rescue(to: string): void
  close(): Promise<void> | void
}

/** A SQLite file on a small file system of its own, where we may make one. @param megabytes 0: on the disk. */
export async function sqlitePlace(dir: string, megabytes: number): Promise<Place> {
  const disk = diskAt(join(dir, 'disk'), megabytes)
  const file = join(disk.dir, 'keystay.db')
  return {
    name: 'sqlite',
    stores: [`sqlite:${file}`],
    disk,
    wire: () => null,
    skipped: disk.skipped === null ? [] : [`full disk: ${disk.skipped}`],
    async ledger() {
      const reader = readSqlite(file)
      try {
        return await readLedger(`sqlite:${file}`, (sql) => reader.all(sql))
      } finally {
        await reader.close()
      }
    },
    rescue: (to) => disk.rescue(to),
    close: () => disk.remove(),
  }
}

/** A PostgreSQL server of ours, and two replicas that reach it over a wire of ours. */
export async function postgresPlace(dir: string, port: number, random: Random): Promise<Place> {
  const server = await startDatabase(port, join(dir, 'database.log'))
  const proxy = await startProxy(port)
  const url = (through: number): string => `postgres://postgres:${PASSWORD}@127.0.0.1:${through}/postgres`
  return {
    name: 'postgres',
    stores: [url(proxy.port), url(proxy.port)],
    disk: null,
    wire: (evidence) => ({
      async killDatabase() {
        await server.kill()
        evidence.count('database kills')
      },
      cutCommits(many) {
        for (let left = many; left > 0; left--) {
          const cut = random.pick(CUTS)
          if (cut === 'begin') proxy.hangUp()
          else proxy.cut(cut)
          evidence.note('faults', { cut })
          evidence.count('cut commits')
        }
      },
      slow: (ms) => proxy.slow(ms),
      mend: () => evidence.count('cut commits', -proxy.mend()),
    }),
    skipped: ['full disk: on SQLite only'],
    async ledger() {
      const client = new pg.Client({ connectionString: url(port) })
      await client.connect()
      try {
        return await readLedger(url(port), async <Row>(sql: string) => (await client.query(sql)).rows as Row[])
      } finally {
        await client.end()
      }
    },
    rescue: (to) => server.rescue(to),
    async close() {
      await proxy.close()
      await server.stop()
    },
  }
}

/** How the next COMMIT fails; `begin`: the connection is lost where a transaction begins. */
const CUTS = [
  'begin',
  'fails_with_effect',
  'fails_without_effect',
  'lost_answer',
  'lost_answer',
  'lost_request',
  'silent_with_effect',
  'silent_without_effect',
] as const
