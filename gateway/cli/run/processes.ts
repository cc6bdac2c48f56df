import { readdirSync, readFileSync } from 'node:fs'
import type { WatchedAgent } from './watched.ts'

/** When a process started, in the system's own ticks; null where the platform has no /proc, or it is gone. */
export function startedAt(pid: number): string | null {
  return statOf(pid)?.[19] ?? null
}

/** Sends a signal to the agent, its group where it leads one, and to all that it started as far as /proc tells. */
export function signalTree(agent: WatchedAgent, signal: NodeJS.Signals, others: readonly number[] = []): void {
  for (const pid of new Set([agent.group ? -agent.pid : agent.pid, ...others])) {
    try {
      process.kill(pid, signal)
    } catch {
      // It has ended, or was never ours.
    }
  }
}

/** Whether the number still stands for the process that was meant. */
export function isStill({ pid, started }: WatchedAgent): boolean {
  return started === null || startedAt(pid) === started
}

/** All that descend from a process now; none where the platform has no /proc. */
export function descendants(pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of list('/proc').filter((one) => /^\d+$/.test(one))) {
    const parent = Number(statOf(Number(name))?.[1])
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const found: number[] = []
  for (let next = [pid]; next.length > 0; next = next.flatMap((one) => children.get(one) ?? [])) found.push(...next)
  return found.slice(1)
}

/** The fields of /proc/PID/stat after the name of the program, which may hold anything (proc(5)); [0] is the state. */
function statOf(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
