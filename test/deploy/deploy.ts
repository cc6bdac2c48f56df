import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { parseAllDocuments, parse } from 'yaml'
import { serve } from '../../gateway/cli/serve.ts'
import { openMetrics } from '../../gateway/metrics.ts'
import { ROOT } from '../demo/demo.ts'

/** A node of a parsed file, read by tests as they like. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Node = any

export function textOf(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

/** Strict: no duplicate keys, no warnings. */
export function yamlOf(path: string): Node[] {
  return parseAllDocuments(textOf(path), { uniqueKeys: true }).map((document) => {
    const [problem] = [...document.errors, ...document.warnings]
    if (problem !== undefined) throw problem
    return document.toJS() as Node
  })
}

export function yamlOne(path: string): Node {
  return parse(textOf(path)) as Node
}

/** `--policies` … as `serve` itself knows them. */
export function serveFlags(): string[] {
  const program = new Command()
  serve(program)
  return program.commands.flatMap(({ options }) => options.map(({ long }) => long ?? ''))
}

/** `KEYSTAY_…` that mean something to the process. */
export function knownVariables(): string[] {
  const ofFlags = serveFlags().map((flag) => `KEYSTAY_${flag.slice(2).replaceAll('-', '_').toUpperCase()}`)
  return [...ofFlags, 'KEYSTAY_AGE_IDENTITY', 'KEYSTAY_AGE_IDENTITY_FILE', 'KEYSTAY_URL']
}

/** Every sample name that the code can make, with its labels. */
export async function metricNames(): Promise<Set<string>> {
  const text = await openMetrics(() => 0).text()
  const names = new Set<string>()
  for (const [, name = '', type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    names.add(name)
    if (type === 'histogram') for (const end of ['bucket', 'sum', 'count']) names.add(`${name}_${end}`)
  }
  return names
}

/** Names of ours, and of the process, in PromQL or prose. */
export function metricsIn(text: string): string[] {
  return [...new Set(text.match(/\b(?:keystay|process|nodejs)_[a-z0-9_]+\b/g))]
}
