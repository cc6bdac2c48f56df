import { isOwnSetting, strip, type Named, type Stripped } from './strip.ts'

export interface Beginning extends Stripped {
  /** What `--keep` names and is not there. */
  readonly missing: readonly string[]
}

/** Carries the names over; nobody else sets it, and whoever did would see other names in the report and nothing more. */
const BEFORE = 'KEYSTAY_RUN_STRIPPED'

/** What the agent gets of this environment, and what was taken out of it, by this process and by what it was before. */
export async function beginning(environment: NodeJS.ProcessEnv, keep: readonly string[]): Promise<Beginning> {
  const { [BEFORE]: before, ...rest } = environment
  const now = await strip(rest, keep)
  const stripped = [...namesIn(before), ...now.stripped].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return { ...now, stripped, missing: keep.filter((name) => rest[name] === undefined) }
}

/**
 * Lets this very process begin again without the credentials of its environment: an agent of the same user can read
 * /proc/PID/environ of the one that started it, and what stands there is what a process began with. Returns where
 * nothing needs it, or the platform cannot.
 */
export function beginAnew({ environment, stripped }: Beginning): void {
  const settings = stripped.filter(isOwnSetting)
  const credentials = stripped.filter((one) => !isOwnSetting(one) && process.env[one.name] !== undefined)
  if (credentials.length === 0 || typeof process.execve !== 'function') return
  const own = settings.map(({ name }) => [name, process.env[name] ?? ''] as const)
  const clean = { ...environment, ...Object.fromEntries(own), [BEFORE]: JSON.stringify(credentials) }
  process.execve(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], clean)
}

function namesIn(text: string | undefined): Named[] {
  try {
    const read = JSON.parse(text ?? '[]') as unknown
    return Array.isArray(read) ? read.filter(isNamed) : []
  } catch {
    return []
  }
}

function isNamed(value: unknown): value is Named {
  const { name, kind } = (value ?? {}) as { name?: unknown; kind?: unknown }
  return typeof name === 'string' && typeof kind === 'string'
}
