import { execFileSync, spawn } from 'node:child_process'
import { chownSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { linkLibraries, PASSWORD } from '../backends/postgres.ts'
import { keep } from './children.ts'
import type { Child } from './children.ts'

/** A PostgreSQL server of ours, that syncs, and starts again on what it left after kill -9. */
export interface DatabaseServer {
  readonly port: number
  /** kill -9 of the postmaster and all its processes, then a start; resolves when it answers. */
  kill(): Promise<void>
  /** Copies what is on the disk; after the stop only. */
  rescue(to: string): void
  stop(): Promise<void>
}

export async function startDatabase(port: number, log: string): Promise<DatabaseServer> {
  const programs = linkLibraries()
  const parent = mkdtempSync(join(tmpdir(), 'keystay-torture-pg-'))
  const remove = (): void => rmSync(parent, { recursive: true, force: true })
  process.on('exit', remove)
  const data = join(parent, 'data')
  const who = servant()
  mkdirSync(data, { mode: 0o700 })
  if (who !== null) {
    execFileSync('chmod', ['711', parent])
    chownSync(data, who.uid, who.gid)
  }
  const password = join(data, '..', 'password')
  writeFileSync(password, PASSWORD)
  if (who !== null) chownSync(password, who.uid, who.gid)
  const flags = [
    '--auth=scram-sha-256',
    '--username=postgres',
    '--encoding=UTF8',
    '--no-locale',
    `--pwfile=${password}`,
  ]
  execFileSync(join(programs, 'initdb'), [`--pgdata=${data}`, ...flags], { ...who, stdio: 'ignore' })

  let server: Child
  const start = async (): Promise<void> => {
    const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '', port, max_connections: 100 }
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const child = spawn(join(programs, 'postgres'), ['-D', data, ...args], {
      ...who,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    server = keep(child, log)
    await answers(port)
  }
  await start()
  return {
    port,
    async kill() {
      const postmaster = server.process.pid ?? 0
      // The postmaster first: it must not bring its children back.
      const all = [postmaster, ...childrenOf(postmaster)]
      for (const pid of all) send(pid, 'SIGKILL')
      await server.ended
      while (all.some((pid) => send(pid, 0))) await sleep(5)
      await start()
    },
    rescue: (to) => cpSync(data, to, { recursive: true }),
    async stop() {
      // Fast shutdown: sessions end, what is committed is written.
      server.process.kill('SIGINT')
      const late = sleep(15_000, 'late', { ref: false })
      if ((await Promise.race([server.ended, late])) === 'late') server.process.kill('SIGKILL')
      await server.ended
      process.off('exit', remove)
      remove()
    },
  }
}

/** PostgreSQL does not run as root. */
function servant(): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null
  const number = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  return { uid: number('-u'), gid: number('-g') }
}

async function answers(port: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    const client = new pg.Client({
      host: '127.0.0.1',
      port,
      user: 'postgres',
      password: PASSWORD,
      database: 'postgres',
    })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      if (tries > 600) throw error
      await sleep(100)
    }
  }
}

/** @returns whether there is such a process. */
function send(pid: number, signal: 'SIGKILL' | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      // "pid (name) state ppid …"; a name may hold anything, a closing parenthesis too.
      const text = readFileSync(`/proc/${name}/stat`, 'utf8')
      return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]) === parent ? [Number(name)] : []
    } catch {
      return []
    }
  })
}
