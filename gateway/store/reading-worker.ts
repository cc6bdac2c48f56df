import { parentPort, workerData } from 'node:worker_threads'
import { StoreFault } from './db.ts'
import { lastUses } from './last-uses.ts'
import { lookAtTexts } from './look.ts'
import { noRoots, proofOf } from './proof.ts'
import type { Answered, Asked } from './reading-thread.ts'
import { readSqlite } from './sqlite.ts'
import { tileOf } from './tile.ts'

/** The other side of reading-thread.ts: the questions in their order, each answered or told why not. */
const reader = readSqlite(String(workerData))
const roots = noRoots()

parentPort?.on('message', (asked: Asked) => {
  void answer(asked)
    .catch((error: unknown): Answered => {
      const failed = error instanceof Error ? error.message : String(error)
      return { id: asked.id, failed, ours: !(error instanceof StoreFault) }
    })
    .then((answered) => parentPort?.postMessage(answered, []))
})

async function answer(asked: Asked): Promise<Answered> {
  const { id } = asked
  if (asked.what === 'proof') return { id, answer: JSON.stringify(await proofOf(reader, asked.call, roots)) }
  if (asked.what === 'tile') return { id, answer: JSON.stringify(await tileOf(reader, asked.tile, roots)) }
  if (asked.what === 'lastUses')
    return { id, answer: JSON.stringify([...(await lastUses(reader, asked.role, asked.actions))]) }
  return { id, ...(await lookAtTexts(reader, asked.filter, asked.size)) }
}
