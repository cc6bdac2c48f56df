import { parentPort, workerData } from 'node:worker_threads'
import { BROKEN } from './broken.ts'
import { run } from './run.ts'
import { realNow } from './time.ts'
import { addUp, emptyTotal } from './total.ts'
import type { Job } from './total.ts'

/** A thread of its own, since timers and clocks of a simulation are the thread's globals. */
const job = workerData as Job
const broken = job.broken === undefined ? undefined : BROKEN[job.broken]
let total = emptyTotal()
let said = realNow()
for (let seed = job.from; seed < job.from + job.count * job.stride; seed += job.stride) {
  Atomics.store(job.now, 0, seed)
  const ran = await run(seed, { trace: job.trace, ...(broken === undefined ? {} : { planted: broken.planted }) })
  addUp(total, ran)
  if (job.trace) total.story = ran.story
  if (ran.violation !== null && job.stopAtFirst) break
  if (realNow() - said < 1000) continue
  said = realNow()
  parentPort?.postMessage({ total, isOver: false }, [])
  total = emptyTotal()
}
parentPort?.postMessage({ total, isOver: true }, [])
