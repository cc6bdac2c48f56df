/** One backend of the town, which shows its canary in one of the ways that adapters have. */
export interface Shown {
  readonly name: string
  readonly ref: string
  readonly by: 'bearer' | 'header' | 'basic' | 'postgres'
}

interface Addresses {
  readonly http: string
  readonly postgres: { readonly port: number; readonly ca: string }
}

/**
 * For every backend an action that reads, `use.NAME`; for some one that writes, `do.NAME`, and one that is held and shows
 * what it fetched, `ask.NAME`; and a lease, `lend.login`.
 */
export function policyOf(backends: readonly Shown[], { http, postgres }: Addresses): { [path: string]: string } {
  const common = 'private: true, timeout: 2s, lands_within: 100ms, breaker: { open_after: 100%, of: 10000, for: 1s }'
  const lines = backends.map(({ name, ref, by }, number) =>
    by === 'postgres'
      ? `  ${name}: { adapter: postgres, url: "postgres://localhost:${postgres.port}/turn${number}?sslmode=verify-full", ` +
        `ca: ${JSON.stringify(postgres.ca)}, auth: { user: broker, password: "${ref}" }, ${common} }\n`
      : `  ${name}: { adapter: http, url: "${http}", auth: ${AUTH[by](ref)}, request_id: Request-Id, ${common} }\n`,
  )
  const writes = (number: number): boolean => number % 5 === 0
  const asks = (number: number): boolean => number % 12 === 0
  const actions = backends.flatMap(({ name, by }, number) => {
    if (by === 'postgres') return [database(name)]
    return [reading(name), ...(writes(number) ? [writing(name)] : []), ...(asks(number) ? [asking(name)] : [])]
  })
  const shown = backends.find(({ by }) => by === 'postgres')?.name ?? ''
  actions.push(lending(shown))
  const names = actions.map((text) => /^action: (\S+)/.exec(text)?.[1] ?? '')
  const grants = names.map((name) =>
    name.startsWith('ask.')
      ? `  ${name}: { dry_run: true, approval: [{ by: 1 of finance, expires: 1h }] }`
      : `  ${name}: { attempts: 1000000, dry_run: true }`,
  )
  return {
    'backends.yaml': `backends:\n${lines.join('')}`,
    'identity.yaml': `issuers:
  demo: { dev: true, accounts: { dana: { name: Dana, groups: [finance] }, sam: { name: Sam, groups: [security] }, bot: {} } }
groups:
  finance: { issuer: demo, where: '"finance" in claims.groups' }
  security: { issuer: demo, where: '"security" in claims.groups' }
people: { view: [finance, security], freeze: [security], settle: [finance], export: [finance] }
`,
    'actions/all.yaml': actions.join('---\n'),
    'roles/user.yaml': `role: user
describe: Uses every backend.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
${grants.join('\n')}
`,
  }
}

const AUTH = {
  bearer: (ref: string) => `{ bearer: "${ref}" }`,
  header: (ref: string) => `{ header: X-Api-Key, value: "${ref}" }`,
  basic: (ref: string) => `{ basic: { user: broker, password: "${ref}" } }`,
} as const

const INPUT = 'input: { place: { type: integer }, form: { type: integer } }'
const KEEP = 'output: { keep: [text, list, headers, "headers.authorization", "headers.x-api-key", error] }'
const PATH = '"/${input.place}/${input.form}"'

const reading = (name: string): string => `action: use.${name}
describe: Uses ${name}.
effect: read
${INPUT}
backend: ${name}
request: { GET: ${PATH} }
${KEEP}
`
const writing = (name: string): string => `action: do.${name}
describe: Does something with ${name}.
effect: write
${INPUT}
backend: ${name}
request: { POST: ${PATH}, json: { call: "\${call.id}" } }
${KEEP}
`
const asking = (name: string): string => `action: ask.${name}
describe: Asks for something of ${name}.
effect: write
${INPUT}
backend: ${name}
facts: { said: { GET: ${PATH}, keep: { text: string } } }
summary: It said \${facts.said.text}
request: { POST: ${PATH}, json: { said: "\${facts.said.text}" } }
${KEEP}
`
const lending = (name: string): string => `action: lend.login
describe: A login that Vault makes for an agent.
effect: lease
backend: ${name}
lease: { from: "vault://database/creds/agent", lifetime: 10m }
`
const database = (name: string): string => `action: use.${name}
describe: Uses ${name}.
effect: read
${INPUT}
backend: ${name}
request: { read: "select $1 as text", params: ["\${input.place}"] }
output: { keep: ["*.text"] }
`
