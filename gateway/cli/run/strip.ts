import { findKnownSecrets } from '../scan/known-secrets.ts'
import { looksLikeKey } from '../scan/looks-like-key.ts'

/** A variable by its name, and what it seems to hold; never the value. */
export interface Named {
  readonly name: string
  readonly kind: string
}
export interface Stripped {
  readonly environment: NodeJS.ProcessEnv
  /** What is not in it any more, sorted by name. */
  readonly stripped: readonly Named[]
  /** What would not be in it, had nobody said `--keep`. */
  readonly kept: readonly Named[]
}

/**
 * An environment without credentials: by the names of variables, by the shapes of values, and by secretlint's rules.
 * Keystay's own settings go as well: they are for whoever starts an agent, not for the agent.
 *
 * @param keep names that stay, whatever they hold.
 */
export async function strip(environment: NodeJS.ProcessEnv, keep: readonly string[]): Promise<Stripped> {
  const all = Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]))
  const known = await knownSecrets(all.map(({ value }) => value))
  const suspects = all.flatMap(({ name, value }, index): Named[] => {
    const rule = known.get(index)
    const kind =
      ownSetting(name) ??
      looksLikeKey(name, value, 'environment') ??
      (rule === undefined ? null : `${rule} (secretlint)`)
    return kind === null ? [] : [{ name, kind }]
  })
  const sorted = suspects.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const stripped = sorted.filter(({ name }) => !keep.includes(name))
  const gone = new Set(stripped.map(({ name }) => name))
  return {
    environment: Object.fromEntries(all.filter(({ name }) => !gone.has(name)).map(({ name, value }) => [name, value])),
    stripped,
    kept: sorted.filter(({ name }) => keep.includes(name)),
  }
}

/** Of the settings only what is no credential may be seen by the wrapper itself once it has begun anew. */
export function isOwnSetting({ kind }: Named): boolean {
  return kind === OWN
}

const OWN = 'a setting of Keystay'

function ownSetting(name: string): string | null {
  if (!/^KEYSTAY_/i.test(name)) return name === 'NODE_CHANNEL_FD' ? 'a channel to another process' : null
  return looksLikeKey(name, 'x') === null && !/IDENTITY/i.test(name) ? OWN : 'a credential of Keystay'
}

/** All values in one go, each on a line of its own. @returns the rule by the index of the value. */
async function knownSecrets(values: readonly string[]): Promise<Map<number, string>> {
  const lines = values.map((value) => value.replaceAll(/[\r\n]/g, ' '))
  const found = new Map<number, string>()
  let start = 0
  const starts = lines.map((line) => (start += line.length + 1) - line.length - 1)
  for (const { from, rule } of await findKnownSecrets(lines.join('\n'))) {
    found.set(
      starts.findLastIndex((at) => at <= from),
      rule,
    )
  }
  return found
}
