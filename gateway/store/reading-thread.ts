import { Worker } from 'node:worker_threads'
import type { CallProof } from '../core/proof.ts'
import type { Tile } from '../core/tile.ts'
import { parsedInTurns } from './look.ts'
import { StoreUnavailable } from './store.ts'
import type { CallFilter, Glance, Sought } from './store.ts'

/** What people wait for and agents must not: it may read a lot. */
export interface Reads {
  look(filter: CallFilter & Sought, size: number): Promise<Glance>
  proof(call: string): Promise<CallProof | null>
  tile(tile: Tile): Promise<string | null>
  lastUses(role: string, actions: readonly string[]): Promise<Map<string, number>>
}

export type Asked =
  | { readonly id: number; readonly what: 'look'; readonly filter: CallFilter & Sought; readonly size: number }
  | { readonly id: number; readonly what: 'proof'; readonly call: string }
  | { readonly id: number; readonly what: 'tile'; readonly tile: Tile }
  | { readonly id: number; readonly what: 'lastUses'; readonly role: string; readonly actions: readonly string[] }

/** `answer` as JSON; of a look, each call is a text of its own. */
export type Answered =
  | { readonly id: number; readonly calls: readonly string[]; readonly before: string | null }
  | { readonly id: number; readonly answer: string }
  /** `ours`: a fault of this program, and none of the file. */
  | { readonly id: number; readonly failed: string; readonly ours: boolean }

export interface ReadingThread extends Reads {
  close(): Promise<void>
}

/** A gateway at which nobody looks any more gives back what the thread holds. */
const IDLE_MS = 60_000

/**
 * Reads a SQLite file on a thread of its own: a search through a long log and an export stop no agent, though SQLite
 * answers only once it is through. The thread begins with the first question and ends when nobody has asked for a minute.
 *
 * @throws StoreUnavailable from each question that the thread could not answer.
 */
export function readingThread(file: string, url = WORKER, idle_ms = IDLE_MS): ReadingThread {
  const asked = new Map<number, PromiseWithResolvers<Answered>>()
  let worker: Worker | undefined
  let idle: NodeJS.Timeout | undefined
  let next = 0
  let closed = false

  function started(): Worker {
    if (worker !== undefined) return worker
    const thread = new Worker(url, { workerData: file, name: 'reading' })
    thread.on('message', (answered: Answered) => {
      asked.get(answered.id)?.resolve(answered)
      asked.delete(answered.id)
      if (asked.size === 0) rest(thread)
    })
    let why = ''
    thread.on('error', (error) => (why = `: ${error instanceof Error ? error.message : String(error)}`))
    thread.on('exit', (code) => {
      // One that rested is gone on purpose, and another may have taken its place.
      if (worker !== thread) return
      worker = undefined
      const gone = new StoreUnavailable(`the thread that reads ended with ${code}${why}`)
      for (const { reject } of asked.values()) reject(gone)
      asked.clear()
    })
    worker = thread
    return thread
  }

  /** Nobody waits for it: it keeps no process alive. */
  function rest(thread: Worker): void {
    thread.unref()
    idle = setTimeout(() => {
      if (worker === thread) worker = undefined
      void thread.terminate()
    }, idle_ms).unref()
  }

  async function ask(question: Question): Promise<Answered> {
    if (closed) throw new StoreUnavailable('the store is closed')
    clearTimeout(idle)
    const id = next++
    const answer = Promise.withResolvers<Answered>()
    asked.set(id, answer)
    const thread = started()
    thread.ref()
    thread.postMessage({ ...question, id } satisfies Asked, [])
    const answered = await answer.promise
    if (!('failed' in answered)) return answered
    if (answered.ours) throw new Error(answered.failed)
    throw new StoreUnavailable(`the store cannot be read: ${answered.failed}`)
  }

  async function answerTo(question: Question): Promise<string> {
    const answered = await ask(question)
    if (!('answer' in answered)) throw new Error(`no answer to ${question.what}`)
    return answered.answer
  }

  return {
    async look(filter, size) {
      const answered = await ask({ what: 'look', filter, size })
      if (!('calls' in answered)) throw new Error('no answer to a look')
      return { calls: await parsedInTurns(answered.calls), before: answered.before }
    },
    async proof(call) {
      return JSON.parse(await answerTo({ what: 'proof', call })) as CallProof | null
    },
    async tile(tile) {
      return JSON.parse(await answerTo({ what: 'tile', tile })) as string | null
    },
    async lastUses(role, actions) {
      return new Map(JSON.parse(await answerTo({ what: 'lastUses', role, actions })) as [string, number][])
    },
    async close() {
      closed = true
      clearTimeout(idle)
      await worker?.terminate()
    },
  }
}

type Question = Asked extends infer One ? (One extends Asked ? Omit<One, 'id'> : never) : never

/** Beside this file, in the clone and in a package of emitted JavaScript. */
const WORKER = import.meta.url.endsWith('.ts')
  ? new URL('./reading-worker.ts', import.meta.url)
  : new URL('./reading-worker.js', import.meta.url)
