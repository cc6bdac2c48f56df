import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CLIENTS, filesOf } from '../scan/client-files.ts'
import { keysIn, namesOfKeys } from '../scan/plain-text-keys.ts'
import { ok, warn } from './finding.ts'
import type { Finding } from './finding.ts'

/** Beside those of the clients in client-files.ts. */
const IN_PROJECT = ['mcp.json', '.gemini/settings.json']
const IN_HOME = ['.gemini/settings.json', '.aws/credentials', '.codeium/windsurf/mcp_config.json']
const NAMES_SHOWN = 6

/** Credentials that stand in plain text where an agent can read them. Names are told, never values. */
export async function checkKeys(directory: string, home: string, environment: NodeJS.ProcessEnv): Promise<Finding[]> {
  const dotenv = (await readdir(directory).catch(() => [])).filter((name) => /^\.env(\.[\w.-]+)?$/.test(name))
  const files = [
    ...dotenv.filter((name) => !/\.(example|sample|template|dist)$/.test(name)).map((name) => join(directory, name)),
    ...CLIENTS.flatMap((client) => filesOf(client, directory, home, environment)),
    ...IN_PROJECT.map((name) => join(directory, name)),
    ...IN_HOME.map((name) => join(home, name)),
  ]
  const own = Object.entries(environment).map(([name, value]) => [name, value ?? ''] as const)
  const places: { readonly name: string; readonly names: readonly string[] }[] = [
    { name: 'the environment', names: namesOfKeys(own) },
  ]
  for (const file of new Set(files)) {
    const names = await keysIn(file)
    if (names !== null) places.push({ name: file, names })
  }
  const found = places.flatMap(({ name, names }) => {
    if (names.length === 0) return []
    const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : ''
    const shown = `${names.slice(0, NAMES_SHOWN).join(', ')}${more}`
    const fix = 'Keep each with keystay secrets set, delete it there, and make a new one at its owner: it was readable'
    return [warn('keys', `plain-text keys in ${name}: ${shown}`, fix)]
  })
  return found.length > 0 ? found : [ok('keys', `no plain-text keys in the environment and ${places.length - 1} files`)]
}
