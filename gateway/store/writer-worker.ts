import { parentPort, workerData } from 'node:worker_threads'
import { runWorker } from './run-worker.ts'
import type { WorkerData, WorkerPort } from './run-worker.ts'

runWorker(parentPort as WorkerPort, workerData as WorkerData)
