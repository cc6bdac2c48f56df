import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { isatty } from 'node:tty'
import { Failure, type Exit } from '../exit.ts'
import { visible } from '../visible.ts'
import { startedAt } from './processes.ts'
import type { WatchedAgent } from './watched.ts'

export interface Agent {
  readonly watched: WatchedAgent
  /** Its exit code; 128 and the signal's number where a signal ended it, as shells say it. */
  readonly ended: Promise<number>
  signal(signal: NodeJS.Signals): void
}

/** What we pass on. SIGUSR1 would open Node's debugger in a process that holds a token, so it is taken for that too. */
export const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const

/**
 * Starts the agent with our standard input, output and error, and no other open file. With a terminal it stays in our
 * process group, because another one could not read from it; without one it leads a group of its own, and signals reach
 * all of that.
 *
 * @throws Failure 127 where there is no such command, 126 where it cannot be run (as env(1)).
 */
export async function startAgent(command: readonly string[], environment: NodeJS.ProcessEnv): Promise<Agent> {
  const [program = '', ...rest] = command
  const terminal = [0, 1, 2].some((fd) => isatty(fd))
  const group = !terminal && process.platform !== 'win32'
  const child = spawn(program, rest, { stdio: 'inherit', env: environment, detached: group })
  const ended = new Promise<number>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : exitOf(signal)))
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (error: NodeJS.ErrnoException) => reject(notStarted(program, error)))
  })
  const pid = child.pid ?? 0
  return {
    watched: { pid, group, started: startedAt(pid) },
    ended,
    signal(signal) {
      // A terminal has told the whole group of it already; twice is another thing to most programs.
      if (terminal && (signal === 'SIGINT' || signal === 'SIGQUIT')) return
      try {
        process.kill(group ? -pid : pid, signal)
      } catch {
        // It has just ended.
      }
    },
  }
}

export function exitOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

function notStarted(program: string, error: NodeJS.ErrnoException): Failure {
  const missing = error.code === 'ENOENT'
  const why = missing ? 'there is no such command' : `it cannot be run (${error.code ?? error.message})`
  return new Failure((missing ? 127 : 126) as Exit, `${visible(program)}: ${why}.`)
}
