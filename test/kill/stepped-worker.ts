import { parentPort, workerData } from 'node:worker_threads'
import { runWorker } from '../../gateway/store/run-worker.ts'
import { dieAt } from './die.ts'

if (parentPort !== null) runWorker(parentPort, workerData, dieAt)
