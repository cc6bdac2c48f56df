import { readFile, stat } from 'node:fs/promises'
import { looksLikeKey } from './looks-like-key.ts'

/** A setting as it stands in a file: its name, or `(a text)` where it has none, and its value, which is never printed. */
export type Pair = readonly [name: string, value: string]

/** Larger files are histories, not settings. */
const FILE_MAX = 4 * 1024 * 1024

/** Names of the settings in a file whose value looks like a key, sorted; null where there is no such file. */
export async function keysIn(file: string): Promise<string[] | null> {
  const text = await stat(file).then(
    (status) => (status.isFile() && status.size <= FILE_MAX ? readFile(file, 'utf8').catch(() => null) : null),
    () => null,
  )
  return text === null ? null : namesOfKeys(pairsIn(text))
}

/** Names are told, never values. */
export function namesOfKeys(pairs: readonly Pair[]): string[] {
  return [...new Set(pairs.filter(([name, value]) => isKey(name, value)).map(([name]) => name))].sort()
}

/** Settings as NAME=value, NAME = "value" or "NAME": "value", whatever the file is otherwise; and single texts. */
export function pairsIn(text: string): Pair[] {
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
  // None begins at a quote that is escaped: where none ends, each of those would be tried.
  const texts = [...text.matchAll(/(?<!\\)"((?:[^"\\\n]|\\.){8,4096})"/g)].map(([, value = '']) => value)
  const known = new Set(named.map(([, value]) => value))
  return [...named, ...texts.filter((value) => !known.has(value)).map(argumentIn)]
}

/** `--api-key=VALUE` is a setting too. */
function argumentIn(text: string): Pair {
  const [, name, value] = /^(--?[\w-]{1,100})=(.+)$/s.exec(text) ?? []
  return name === undefined || value === undefined ? ['(a text)', text] : [name, value]
}

/** As `looksLikeKey`, for what stands in a file: a path is none there, nor what only leads to a credential. */
function isKey(name: string, value: string): boolean {
  const kind = looksLikeKey(name, value)
  if (kind === null || kind.startsWith('a way')) return false
  if (!kind.startsWith('named like')) return true
  const long = value.length >= 12 || kind === 'named like a password'
  return long && !/\s|\$\{|^\$|^[./~]|^[a-z]+:\/\//.test(value)
}
