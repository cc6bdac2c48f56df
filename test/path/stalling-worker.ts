import { existsSync, readFileSync, unlinkSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { runWorker } from '../../gateway/store/run-worker.ts'

let seen = 0

/** The store's thread, which stands still once in the Nth batch after the file KEYSTAY_TEST_STALL was written with N. */
if (parentPort !== null) {
  runWorker(parentPort, workerData, (step) => {
    const file = process.env['KEYSTAY_TEST_STALL'] ?? ''
    if (step !== 'batch.loaded' || file === '' || !existsSync(file)) return
    if (++seen < Number(readFileSync(file, 'utf8'))) return
    unlinkSync(file)
    seen = 0
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700)
  })
}
