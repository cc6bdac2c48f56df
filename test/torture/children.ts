import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { getPriority, setPriority } from 'node:os'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

const living = new Set<ChildProcess>()

/** Whatever ends this process, none of its children outlives it. */
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL')
})

export interface Child {
  readonly process: ChildProcess
  /** Its first line on standard output; rejects when it ends first. */
  readonly ready: Promise<string>
  /** Resolves with how it ended, as `1` or `SIGKILL`. */
  readonly ended: Promise<string>
}

/**
 * Starts a program of ours that says one line on standard output when it is ready, and ends when its standard input does.
 *
 * @param log where its standard error goes. @param nicer than this one by so much.
 */
export function startChild(
  file: string,
  args: readonly string[],
  options: { readonly log: string; readonly env?: NodeJS.ProcessEnv; readonly nicer?: number },
): Child {
  const path = new URL(file, import.meta.url).pathname
  const child = spawn(process.execPath, [path, ...args], {
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const nice = Math.min(19, getPriority() + (options.nicer ?? 0))
  if (options.nicer !== undefined && child.pid !== undefined) setPriority(child.pid, nice)
  return keep(child, options.log)
}

/** Keeps a process among those that end with this one. */
export function keep(child: ChildProcess, log: string): Child {
  living.add(child)
  const ended = once(child, 'exit').then(([code, signal]) => {
    living.delete(child)
    return String(signal ?? code)
  })
  child.stdin?.on('error', () => {})
  child.stderr?.pipe(createWriteStream(log, { flags: 'a' }))
  const failed = ended.then((how): never => {
    throw new Error(`a process ended before it was ready (${how}); see ${log}`)
  })
  const said = once(createInterface(child.stdout as Readable), 'line').then(([text]) => String(text))
  const ready = Promise.race([said, failed])
  ready.catch(() => {})
  failed.catch(() => {})
  return { process: child, ready, ended }
}

export function isAlive({ process: child }: Child): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** @returns once it is gone. */
export async function killed(child: Child): Promise<void> {
  child.process.kill('SIGKILL')
  await child.ended
}
