import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../gateway/cli/main.ts', import.meta.url))

export interface Ran {
  readonly exit: number | null
  readonly out: string
  readonly err: string
}

/** Runs the command line as a real process. KEYSTAY_… of this machine does not leak in. */
export function keystay(
  args: readonly string[],
  options: { env?: Record<string, string>; stdin?: string; cwd?: string } = {},
): Promise<Ran> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KEYSTAY_')))
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...env, NO_COLOR: '1', TZ: 'UTC', ...options.env },
    cwd: options.cwd,
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  child.stdin.end(options.stdin ?? '')
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (exit) => resolve({ exit, out, err }))
  })
}
