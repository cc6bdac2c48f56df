import { existsSync, readFileSync } from 'node:fs'

/** A disk that takes long: sleeps before each commit as many ms as the file KEYSTAY_TEST_SLOW says, while it is there. */
export function slowAt(step: string): void {
  if (step !== 'batch.written') return
  const file = process.env['KEYSTAY_TEST_SLOW'] ?? ''
  if (file === '' || !existsSync(file)) return
  const ms = Number(readFileSync(file, 'utf8'))
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
