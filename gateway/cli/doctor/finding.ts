/** One line of `doctor`: what was looked at, how it is, and, where it is not well, the one thing to do. */
export interface Finding {
  readonly check:
    | 'node'
    | 'clock'
    | 'ports'
    | 'store'
    | 'ledger'
    | 'limits'
    | 'leases'
    | 'notices'
    | 'secrets'
    | 'policy'
    | 'backends'
    | 'keys'
  readonly level: 'ok' | 'warn' | 'fail'
  readonly message: string
  readonly fix: string | null
}

type Check = Finding['check']

export const ok = (check: Check, message: string): Finding => ({ check, level: 'ok', message, fix: null })
export const warn = (check: Check, message: string, fix: string): Finding => ({ check, level: 'warn', message, fix })
export const fail = (check: Check, message: string, fix: string): Finding => ({ check, level: 'fail', message, fix })

/** An error of ours is a sentence already; of others the code is enough. */
export function why(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as NodeJS.ErrnoException
  return code === undefined ? error.message.replace(/\.$/, '') : code
}
