import { fork } from 'node:child_process'
import type { Ask } from './peer.ts'
import type { Load, Loaded } from './load.ts'

/** A process of the benchmark, as the one who compares sees it. */
export interface Peer {
  readonly name: string
  readonly url: string
  /** Of the gateway: a session's token. */
  readonly token?: string
  /** User and system time of all its threads since it began, µs. */
  cpu(): Promise<number>
  load(load: Load): Promise<Loaded>
  end(): Promise<void>
}

/** @throws Error when the process ends before it stands. */
export async function start(name: string, ...args: readonly string[]): Promise<Peer> {
  const child = fork(new URL('./peer.ts', import.meta.url), [name, ...args])
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject).once('exit', (code) => reject(new Error(`${name} ended with ${code}`)))
  })
  ended.catch(() => {})
  const next = <T>(): Promise<T> =>
    Promise.race([new Promise<T>((resolve) => child.once('message', (message) => resolve(message as T))), ended])
  const ask = <T>(message: Ask): Promise<T> => {
    const answer = next<T>()
    child.send(message)
    return answer
  }
  const stands = await next<{ url: string; token?: string }>()
  return {
    name,
    ...stands,
    cpu: () => ask<number>({ ask: 'cpu' }),
    load: (load) => ask<Loaded>({ ask: 'load', load }),
    async end() {
      if (child.exitCode === null) child.send({ ask: 'end' })
      await ended.catch(() => {})
    },
  }
}
