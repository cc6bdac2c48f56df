import type { Signer } from '../core/checkpoint-note.ts'
import { fold, touches } from '../core/fold.ts'
import type { Operation } from '../core/operations.ts'
import type { Folding } from './batch.ts'
import { textOf } from './call-text.ts'
import { randomSource } from './random.ts'
import { openSequencer } from './sequencer.ts'
import type { Answer, Batched, Sequencer } from './sequencer.ts'
import { openSqlite, readSqlite } from './sqlite.ts'

/** Signs the head, and sees the clock jump, at least once a second. */
export const TICK_MS = 500

export interface WorkerData {
  readonly file: string
  readonly signer: Signer
  readonly origin: string
  readonly strictClock: boolean
  /** This process, as calls name their owner. */
  readonly owner: string
  /** What to add to this process's hrtime, in ms, to get the main thread's performance.now(): a thread has its own. */
  readonly monotonicOffset_ms: number
}

export type ToWorker = { readonly do: 'run'; readonly operations: readonly Operation[] } | { readonly do: 'close' }
export type FromWorker =
  | { readonly did: 'open' | 'run' | 'tick'; readonly batched: Batched }
  | { readonly did: 'close' }
  /** It could not open: the message is for the operator. */
  | { readonly did: 'fail'; readonly name: string; readonly message: string }

/** What this needs of a MessagePort. */
export interface WorkerPort {
  /** A FromWorker as JSON: text crosses cheaper than a tree of objects, which would be cloned member by member. */
  postMessage(message: string): void
  /** A ToWorker as JSON. */
  on(event: 'message', listener: (message: string) => void): unknown
  close(): void
}

/**
 * The thread that owns the connection that writes. A sync that takes long stops nobody but those who wait for it.
 *
 * @param step named moments of a batch, in order: `batch.loaded`, `batch.written`, `batch.committed`, `batch.answered`.
 *   The kill harness ends the process in one of them; what then stands in the file must be a legal state.
 */
export function runWorker(
  port: WorkerPort,
  data: WorkerData,
  step: (name: string) => void = () => {},
  folding: Folding = { fold, touches },
): void {
  let sequencer: Sequencer | undefined
  let timer: NodeJS.Timeout | undefined
  let last: Promise<void> = open()

  port.on('message', (text) => {
    const message = JSON.parse(text) as ToWorker
    last = last.then(() => (message.do === 'run' ? run(message.operations) : close()))
  })

  function say(message: FromWorker): void {
    port.postMessage(JSON.stringify(message))
  }

  async function open(): Promise<void> {
    try {
      sequencer = await openSequencer({
        driver: openSqlite(data.file),
        reopen: async () => readSqlite(data.file),
        owner: data.owner,
        folding,
        clock: { wall: Date.now, monotonic: () => Number(process.hrtime.bigint()) / 1e6 + data.monotonicOffset_ms },
        random: randomSource(),
        signer: data.signer,
        origin: data.origin,
        strictClock: data.strictClock,
        step,
      })
      say({ did: 'open', batched: await sequencer.tick() })
      timer = setInterval(() => {
        last = last.then(tick)
      }, TICK_MS)
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error))
      say({ did: 'fail', name, message })
      port.close()
    }
  }

  async function run(operations: readonly Operation[]): Promise<void> {
    if (sequencer === undefined) return
    port.postMessage(answersText(await sequencer.run(operations)))
    step('batch.answered')
    await sequencer.tidyIfDue()
  }

  async function tick(): Promise<void> {
    if (sequencer !== undefined) say({ did: 'tick', batched: await sequencer.tick() })
  }

  async function close(): Promise<void> {
    clearInterval(timer)
    await sequencer?.close()
    sequencer = undefined
    say({ did: 'close' })
    port.close()
  }
}

/** What JSON.stringify would make of `{ did: 'run', batched }`, from the texts of calls that are there already. */
function answersText({ answers, ...rest }: Batched): string {
  return `{"did":"run","batched":{"answers":[${answers.map(answerText).join(',')}],${JSON.stringify(rest).slice(1)}}`
}

function answerText(answer: Answer): string {
  if (!answer.ok || !('call' in answer.result)) return JSON.stringify(answer)
  const { call, ...result } = answer.result
  return `{"ok":true,"result":{"call":${textOf(call)},${JSON.stringify(result).slice(1)}}`
}
