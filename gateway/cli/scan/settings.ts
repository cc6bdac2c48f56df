import type { Finding } from './finding.ts'
import { findKnownSecrets } from './known-secrets.ts'
import { isReference, kindOfValue, looksLikeKey } from './looks-like-key.ts'
import { serviceOf } from './services.ts'

type Found = Omit<Finding, 'file'>

/** Files that clients of MCP keep their servers in, by the end of their path. */
const CLIENT =
  /(^|\/)(\.?mcp\.json|mcp_config\.json|claude_desktop_config\.json|\.claude\.json|cline_mcp_settings\.json|\.(cursor|vscode|roo|kiro|amazonq)\/[\w-]*mcp[\w-]*\.json|\.(claude|gemini|qwen)\/settings(\.local)?\.json|\.codex\/config\.toml|\.continue\/config\.(json|ya?ml)|opencode\.jsonc?)$/i
const DOTENV = /(^|\/)(\.env(\.[\w.-]+)?|[\w-]+\.env|\.envrc|\.dev\.vars)$/
/** Written to be copied: names without values. */
const EXAMPLE = /\.(example|sample|template|dist|defaults)$/i

export function kindOfFile(path: string): 'client' | 'dotenv' | null {
  if (CLIENT.test(path)) return 'client'
  return DOTENV.test(path) && !EXAMPLE.test(path) ? 'dotenv' : null
}

/** NAME=value, NAME = "value" and "NAME": "value", and single texts, whatever else the file is. */
export function findInSettings(path: string, text: string): Found[] {
  const kind = kindOfFile(path)
  if (kind === null) return []
  const lineOf = lines(text)
  return pairsIn(text).flatMap(({ name, value, index }): Found[] => {
    const what = looksLikeKey(name, value)
    if (what === null || name.startsWith('KEYSTAY_')) return []
    return [{ line: lineOf(index), kind, name, what, service: serviceOf(name, what), prefix: prefixOf(value) }]
  })
}

/** Keys that stand in a text themselves: by the shapes of their makers and by the rules of secretlint. */
export async function findValues(path: string, text: string): Promise<Found[]> {
  if (EXAMPLE.test(path)) return []
  const lineOf = lines(text)
  const content = text.split('\n')
  const known = await findKnownSecrets(text)
  const ours = content.flatMap((line, index) => {
    const what = line.length > 100_000 ? null : kindOfValue(line)
    return what === null || PLAIN.has(what) ? [] : [{ line: index + 1, what, value: line }]
  })
  const theirs = known
    .map(({ from, to, rule }) => ({ line: lineOf(from), what: rule, value: text.slice(from, to) }))
    // A maker's shape says more than the rule that knows it too.
    .filter(({ line }) => !ours.some((one) => one.line === line))
  return [...ours, ...theirs].map(({ line, what, value }) => {
    const name = nameIn(content[line - 1] ?? '')
    return {
      line,
      kind: 'value',
      name: name || '(a text)',
      what,
      service: serviceOf(name, what),
      prefix: prefixOf(value),
    }
  })
}

/** Shapes that are common in code without being a key: secretlint looks closer at those. */
const PLAIN = new Set(['connection string with a password', 'Authorization header'])

/** What every key of its maker begins with, and not a character of the key itself. */
function prefixOf(value: string): string | null {
  return PREFIX.exec(value)?.[1] ?? null
}
const PREFIX =
  /(?:^|[^A-Za-z0-9])([srp]k_(?:live|test)_|whsec_|kst_|gh[pousr]_|github_pat_|glpat-|xox[abceoprs]-|xapp-|sk-ant-|sk-proj-|AKIA|ASIA|AIza|SG\.|npm_|pypi-|hvs\.|hf_|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----|AGE-SECRET-KEY-1|(?:postgres(?:ql)?|mysql|mongodb(?:\+srv)?|redis|amqp|https?):\/\/)/

interface Pair {
  readonly name: string
  readonly value: string
  readonly index: number
}

const ASSIGNED =
  /^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*=[ \t]*(?:"([^"\n]*)"|'([^'\n]*)'|([^\s#"'][^\s#]*))/gm
const MEMBER = /"([^"\\\n]{1,100})"\s{0,100}:\s{0,100}"((?:[^"\\\n]|\\.){0,16384})"/g
/** None begins at a quote that is escaped: where none ends, each of those would be tried. */
const TEXT = /(?<!\\)"((?:[^"\\\n]|\\.){8,4096})"/g
/** In an inline table of TOML: env = { NAME = "value" }. */
const INLINE = /[{,]\s{0,100}([A-Za-z_][\w-]*)\s{0,100}=\s{0,100}"([^"\n]*)"/g

function pairsIn(text: string): Pair[] {
  const named = [
    ...[...text.matchAll(ASSIGNED)].map(({ 1: name = '', 2: a, 3: b, 4: c, index }) => ({
      name,
      value: a ?? b ?? c ?? '',
      index,
    })),
    ...[MEMBER, INLINE].flatMap((pattern) =>
      [...text.matchAll(pattern)].map(({ 0: whole, 1: name = '', 2: value = '', index }) => {
        return { name, value, index: index + whole.indexOf(name) }
      }),
    ),
  ].filter(({ value }) => !isReference(value))
  const known = new Set(named.map(({ value }) => value))
  // An argument such as "--token=…": by its shape alone.
  const texts = [...text.matchAll(TEXT)].flatMap(({ 1: value = '', index }): Pair[] => {
    const [, name = '', rest = value] = /^--?([\w-]{1,60})=(.+)$/s.exec(value) ?? []
    return known.has(value) ? [] : [{ name, value: rest, index }]
  })
  return [...named, ...texts].map((pair) => ({ ...pair, name: pair.name || '(an argument)' }))
}

/** What a value on this line is called. */
function nameIn(line: string): string {
  return /["']?([A-Za-z_][\w.-]{0,100})["']?\s{0,20}(?::=|=|:)\s{0,20}/.exec(line.slice(0, 400))?.[1] ?? ''
}

/** @returns the line, from 1, of an index into the text. */
function lines(text: string): (index: number) => number {
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)]
  return (index) => {
    let [low, high] = [0, starts.length]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((starts[middle] ?? 0) <= index) low = middle
      else high = middle
    }
    return low + 1
  }
}
