import { parentPort, workerData } from 'node:worker_threads'
import { runWorker } from '../../gateway/store/run-worker.ts'
import { dieAt } from '../kill/die.ts'
import { slowAt } from './slow.ts'

if (parentPort !== null) {
  runWorker(parentPort, workerData, (step) => {
    dieAt(step)
    slowAt(step)
  })
}
