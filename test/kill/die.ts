import { existsSync, readFileSync } from 'node:fs'

const seen = new Map<string, number>()

/**
 * Kills this process with SIGKILL at the step that the file KEYSTAY_TEST_DIE names as `STEP#N`: the Nth time that the
 * step comes after the file was written. Without the file nothing happens.
 */
export function dieAt(step: string): void {
  const file = process.env['KEYSTAY_TEST_DIE'] ?? ''
  if (file === '' || !existsSync(file)) return
  const [name, turn] = readFileSync(file, 'utf8').split('#')
  if (name !== step) return
  const count = (seen.get(step) ?? 0) + 1
  seen.set(step, count)
  if (count < Number(turn)) return
  process.kill(process.pid, 'SIGKILL')
  // The signal is on its way; not one more instruction of the gateway may run.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
}
