import { parentPort, workerData } from 'node:worker_threads'
import { runWorker } from '../../gateway/store/run-worker.ts'
import type { WorkerData, WorkerPort } from '../../gateway/store/run-worker.ts'

/** Ends the whole process, as kill -9 does, the fifth time that it comes to the step KILL_AT. */
let times = 0
runWorker(parentPort as WorkerPort, workerData as WorkerData, (name) => {
  if (name === process.env['KILL_AT'] && ++times === 5) process.kill(process.pid, 'SIGKILL')
})
