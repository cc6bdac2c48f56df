import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { looksLive } from '../../secrets/live.ts'
import { ok, warn } from './finding.ts'
import type { Finding } from './finding.ts'

/** Where clients of agents keep the environment that they give to tools; in the project, and in the home. */
const IN_PROJECT = ['.mcp.json', 'mcp.json', '.cursor/mcp.json', '.vscode/mcp.json', '.gemini/settings.json']
const IN_HOME = [
  '.claude.json',
  '.cursor/mcp.json',
  '.gemini/settings.json',
  '.codex/config.toml',
  '.aws/credentials',
  '.config/Claude/claude_desktop_config.json',
  '.codeium/windsurf/mcp_config.json',
  'Library/Application Support/Claude/claude_desktop_config.json',
  'AppData/Roaming/Claude/claude_desktop_config.json',
]
/** Larger ones are histories, not settings. */
const FILE_MAX = 4 * 1024 * 1024
const NAMES_SHOWN = 6

interface Place {
  readonly name: string
  readonly pairs: readonly (readonly [name: string, value: string])[]
}

/** Credentials that stand in plain text where an agent can read them. Names are told, never values. */
export async function checkKeys(directory: string, home: string, environment: NodeJS.ProcessEnv): Promise<Finding[]> {
  const dotenv = (await readdir(directory).catch(() => [])).filter((name) => /^\.env(\.[\w.-]+)?$/.test(name))
  const files = [
    ...dotenv.filter((name) => !/\.(example|sample|template|dist)$/.test(name)).map((name) => join(directory, name)),
    ...IN_PROJECT.map((name) => join(directory, name)),
    ...IN_HOME.map((name) => join(home, name)),
  ]
  const places: Place[] = [
    { name: 'the environment', pairs: Object.entries(environment).map(([name, value]) => [name, value ?? '']) },
  ]
  for (const file of new Set(files)) {
    const pairs = await pairsIn(file)
    if (pairs !== null) places.push({ name: file, pairs })
  }
  const found = places.flatMap(({ name, pairs }) => {
    const names = [...new Set(pairs.filter(([key, value]) => isKey(key, value)).map(([key]) => key))].sort()
    if (names.length === 0) return []
    const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : ''
    const shown = `${names.slice(0, NAMES_SHOWN).join(', ')}${more}`
    const fix = 'Keep each with keystay secrets set, delete it there, and make a new one at its owner: it was readable'
    return [warn('keys', `plain-text keys in ${name}: ${shown}`, fix)]
  })
  return found.length > 0 ? found : [ok('keys', `no plain-text keys in the environment and ${places.length - 1} files`)]
}

/** Settings as NAME=value, NAME = "value" or "NAME": "value", whatever the file is otherwise; and single texts. */
async function pairsIn(file: string): Promise<Place['pairs'] | null> {
  const text = await stat(file).then(
    (status) => (status.isFile() && status.size <= FILE_MAX ? readFile(file, 'utf8').catch(() => null) : null),
    () => null,
  )
  if (text === null) return null
  const lines = [
    ...text.matchAll(
      /^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*=[ \t]*(?:"([^"\n]*)"|'([^'\n]*)'|([^\s#"'][^\s#]*))/gm,
    ),
  ]
  const members = [...text.matchAll(/"([^"\\\n]{1,100})"\s*:\s*"((?:[^"\\\n]|\\.)*)"/g)]
  const named = [
    ...lines.map(([, name = '', double, single, bare]) => [name, double ?? single ?? bare ?? ''] as const),
    ...members.map(([, name = '', value = '']) => [name, value] as const),
  ]
  const texts = [...text.matchAll(/"((?:[^"\\\n]|\\.){8,4096})"/g)].map(([, value = '']) => value)
  const known = new Set(named.map(([, value]) => value))
  return [...named, ...texts.filter((value) => !known.has(value)).map((value) => ['(a text)', value] as const)]
}

/** By its shape, or by its name where the value is no mere setting. A guess: it warns and never fails. */
function isKey(name: string, value: string): boolean {
  if (looksLive(value) || /(^|[^A-Za-z0-9])[sr]k_test_[A-Za-z0-9]{16}/.test(value)) return true
  if (/^[a-z][a-z0-9+]*:\/\/[^/\s:@]+:[^/\s:@$]{4,}@/i.test(value)) return true
  if (!/(^|[_.-])(API_?KEY|SECRET(_?KEY)?|ACCESS_?KEY|PRIVATE_?KEY|TOKEN|PASSWORD|PASSWD)$/i.test(name)) return false
  return value.length >= 12 && !/\s|\$\{|^\$|^[./~]|^[a-z]+:\/\//.test(value)
}
