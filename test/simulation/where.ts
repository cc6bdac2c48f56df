import { Session } from 'node:inspector/promises'
import type { Worker } from 'node:worker_threads'

/**
 * Where a thread stands that does not answer any more: its stack, halted in the middle of whatever it does.
 * Asked over the inspector (domain NodeWorker), which interrupts a thread that never comes back to its event loop.
 */
export async function whereIs(worker: Worker, patience_ms = 5000): Promise<string> {
  const session = new Session()
  session.connect()
  try {
    return await Promise.race([
      stackOf(session, worker.threadId),
      new Promise<string>((resolve) =>
        setTimeout(() => resolve('it cannot be halted: not in JavaScript, or asleep'), patience_ms).unref(),
      ),
    ])
  } finally {
    session.disconnect()
  }
}

interface Frame {
  readonly functionName: string
  readonly location: { readonly scriptId: string; readonly lineNumber: number; readonly columnNumber: number }
}

interface Parsed {
  readonly method: 'Debugger.scriptParsed'
  readonly params: { readonly scriptId: string; readonly url: string }
}

interface Paused {
  readonly method: 'Debugger.paused'
  readonly params: { readonly callFrames: readonly Frame[] }
}

async function stackOf(session: Session, thread: number): Promise<string> {
  const attached = new Map<string, string>()
  const files = new Map<string, string>()
  const stack = new Promise<string>((resolve) => {
    session.on('NodeWorker.receivedMessageFromWorker', ({ params }) => {
      const message = JSON.parse(params.message) as Parsed | Paused | { method?: never }
      if (message.method === 'Debugger.scriptParsed') files.set(message.params.scriptId, message.params.url)
      if (message.method === 'Debugger.paused')
        resolve(message.params.callFrames.map((frame) => lineOf(frame, files)).join('\n'))
    })
  })
  session.on('NodeWorker.attachedToWorker', ({ params }) => {
    attached.set(params.workerInfo.title, params.sessionId)
  })
  await session.post('NodeWorker.enable', { waitForDebuggerOnStart: false })
  const sessionId = [...attached].find(([title]) => title.endsWith(` ${thread}`))?.[1] ?? [...attached.values()][0]
  if (sessionId === undefined) return 'the thread is gone'
  for (const [id, method] of ['Debugger.enable', 'Debugger.pause'].entries())
    await session.post('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify({ id, method }) })
  const found = await stack
  // A thread that stays halted cannot be terminated.
  await session.post('NodeWorker.sendMessageToWorker', { sessionId, message: '{"id":3,"method":"Debugger.resume"}' })
  return found
}

function lineOf({ functionName, location }: Frame, files: ReadonlyMap<string, string>): string {
  const { scriptId, lineNumber, columnNumber } = location
  return `    at ${functionName || '(anonymous)'} (${files.get(scriptId) ?? '?'}:${lineNumber + 1}:${columnNumber + 1})`
}
