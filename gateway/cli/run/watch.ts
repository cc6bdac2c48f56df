import { spawn, type ChildProcess } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Watched } from './watched.ts'

/** The other process that ends the session when this one dies without a word. */
export interface Watch {
  tell(watched: Watched): void
  /** Nothing is left to clean up, or `tell` has said what is. */
  leave(): void
}

const WATCHER = fileURLToPath(new URL(`./watcher${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))
/** An agent that kills it over and over gets no processes out of it. */
const BEGUN_MAX = 10

/** Starts it; begins another one when it dies before us. What it is told goes through a pipe: no argument, no variable. */
export function startWatch(environment: NodeJS.ProcessEnv): Watch {
  let last: Watched | null = null
  let over = false
  let begun = 0
  const begin = (): ChildProcess => {
    begun += 1
    const child = spawn(process.execPath, [WATCHER], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: process.platform === 'win32' ? undefined : '/',
      env: authorities(environment),
    })
    child.unref()
    // It died; `exit` follows.
    child.stdin.on('error', () => {})
    child.on('error', () => {})
    child.on('exit', () => {
      if (over || begun >= BEGUN_MAX) return
      watcher = begin()
      if (last !== null) write(last)
    })
    return child
  }
  const write = (watched: Watched): void => void watcher.stdin?.write(`${JSON.stringify(watched)}\n`)
  let watcher = begin()
  return {
    tell(watched) {
      last = watched
      write(watched)
    },
    leave() {
      over = true
      watcher.stdin?.end()
    },
  }
}

/** Whom to believe at the gateway's certificate, and nothing else of the environment. */
function authorities(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const file = environment['NODE_EXTRA_CA_CERTS']
  return file === undefined ? {} : { NODE_EXTRA_CA_CERTS: resolve(file) }
}
