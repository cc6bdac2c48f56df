import type { Finding } from './finding.ts'
import { isNamedLikeKey, looksLikeKey } from './looks-like-key.ts'
import { SERVICES, serviceOf } from './services.ts'

type Found = Omit<Finding, 'file' | 'line'>

export const CODE = /\.(c|m)?(js|ts)x?$|\.(py|ipynb|vue|svelte|astro|go|rb|php|rs|java|kt|cs|sh|bash|zsh)$/i

/** Longer lines are made by machines; their values are looked at, their words are not. */
const LINE_MAX = 2_000

/** What a file of code reads, makes and sends. By its words: a comment is none, another language's word may be taken for one. */
export function findInCode(text: string): (Found & { readonly line: number })[] {
  const makers = SERVICES.flatMap(({ id, makes }) =>
    makes.filter(({ within }) => within === undefined || within.test(text)).map(({ pattern }) => ({ id, pattern })),
  )
  const lines = text.split('\n')
  return lines.flatMap((content, index) => {
    if (content.length > LINE_MAX || /^\s*(\/\/|#(?!\s*%)|\*|--|;)/.test(content)) return []
    return [...reads(content), ...made(content, makers), ...sends(content)].map((one) => ({ line: index + 1, ...one }))
  })
}

const READS: readonly RegExp[] = [
  /\b(?:process|Bun)\??\.env\??\.(\w+)/g,
  /\b(?:process|Bun)\??\.env(?:\?\.)?\[\s*['"`](\w+)['"`]\s*\]/g,
  /\bimport\.meta\.env\??\.(\w+)/g,
  /\bDeno\.env\.get\(\s*['"`](\w+)['"`]/g,
  /\benviron(?:\.get\(|\[)\s*[rbf]?['"](\w+)['"]/g,
  /\b(?:os\.)?getenv\(\s*['"](\w+)['"]/g,
  /\bos\.(?:Getenv|LookupEnv)\(\s*"(\w+)"/g,
  /\bENV(?:\.fetch\(|\[)\s*['"](\w+)['"]/g,
  /\bSystem\.getenv\(\s*"(\w+)"/g,
  /\b(?:std::)?env::var\(\s*"(\w+)"/g,
]
/** const { A, B: b, C = '' } = process.env */
const TAKEN_APART = /\{([^{}]{1,1000})\}\s*=\s*(?:process\.env|import\.meta\.env|Bun\.env)\b/

function reads(line: string): Found[] {
  const taken = TAKEN_APART.exec(line)?.[1] ?? ''
  const names = [
    ...READS.flatMap((pattern) => [...line.matchAll(pattern)].map(([, name = '']) => name)),
    ...taken.split(',').map((one) => /^\s*(\w+)/.exec(one)?.[1] ?? ''),
  ]
  return [...new Set(names)]
    .filter((name) => !name.startsWith('KEYSTAY_') && (isNamedLikeKey(name) || CONNECTION.test(name)))
    .map((name) => {
      const what = looksLikeKey(name, 'x') ?? 'named like a connection string'
      return { kind: 'env', name, what, service: serviceOf(name, what), prefix: null }
    })
}

const CONNECTION =
  /(^|_)(DATABASE|DB|POSTGRES(QL)?|PG|MYSQL|MONGO(DB)?|REDIS|AMQP|RABBITMQ)(_\w+)?_(URL|URI|DSN)$|_DSN$|CONNECTION_STRING$/i

function made(line: string, makers: readonly { readonly id: string; readonly pattern: RegExp }[]): Found[] {
  return makers.flatMap(({ id, pattern }): Found[] => {
    const match = pattern.exec(line)
    // The one that was changed already.
    if (match === null || /KEYSTAY_/.test(line)) return []
    const name = match[0].replace(/\s*[(=]\s*$/, '').replace(/\s+/g, ' ')
    return [{ kind: 'sdk', name, what: `a client of ${id}`, service: id, prefix: null }]
  })
}

const SENDS = /['"`]?(authorization|x-api-key|api-key|private-token|x-auth-token)['"`]?\s*\]?\s*[:=,]\s*(?![=\s])/i

function sends(line: string): Found[] {
  const name = SENDS.exec(line)?.[1]
  if (name === undefined || !/['"`]|\bf['"]|\+/.test(line)) return []
  const host = /https:\/\/([a-z0-9.-]{1,200})/i.exec(line)?.[1] ?? ''
  const service = host === '' ? serviceOf(tokenIn(line), '') : serviceOf(host.split('.').at(-2) ?? '', '')
  return [{ kind: 'header', name, what: 'a key in a header', service, prefix: null }]
}

/** The variable that the header is made of. */
function tokenIn(line: string): string {
  return /(\w*(?:key|token|secret|password)\w*)/i.exec(line.replace(SENDS, ''))?.[1] ?? ''
}
