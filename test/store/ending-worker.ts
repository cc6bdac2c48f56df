import { parentPort, workerData } from 'node:worker_threads'
import { runWorker } from '../../gateway/store/run-worker.ts'
import type { WorkerData, WorkerPort } from '../../gateway/store/run-worker.ts'

/** Ends its own thread, and not the process, in its second batch before the commit. */
let times = 0
runWorker(parentPort as WorkerPort, workerData as WorkerData, (name) => {
  if (name === 'batch.written' && ++times === 2) process.exit(3)
})
