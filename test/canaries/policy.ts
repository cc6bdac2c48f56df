/** One backend of the town, which shows its canary in one of the ways that adapters have. */
export interface Shown {
  readonly name: string
  readonly ref: string
  readonly by: 'bearer' | 'header' | 'basic' | 'postgres'
  /** Behind a route, and not behind actions. */
  readonly streams: boolean
}

interface Addresses {
  readonly http: string
  readonly postgres: { readonly port: number; readonly ca: string }
  /** A real one, that makes logins; and the gateway's own there, one that it knows and one that it refuses. */
  readonly warehouse: { readonly port: number; readonly own: readonly [right: string, wrong: string] }
}

/**
 * For every backend an action that reads, `use.NAME`; for some one that writes, `do.NAME`, and one that is held and shows
 * what it fetched, `ask.NAME`; a route `via.NAME` for those that stream, by turns to read and to write; and leases: of
 * Vault `lend.login`, of PostgreSQL `lend.own`, `lend.held`, and two that fail.
 */
export function policyOf(
  backends: readonly Shown[],
  { http, postgres, warehouse }: Addresses,
): { [path: string]: string } {
  const common = 'private: true, timeout: 15s, lands_within: 100ms, breaker: { open_after: 100%, of: 10000, for: 1s }'
  const lines = backends.map(({ name, ref, by, streams }, number) =>
    by === 'postgres'
      ? `  ${name}: { adapter: postgres, url: "postgres://localhost:${postgres.port}/turn${number}?sslmode=verify-full", ` +
        `ca: ${JSON.stringify(postgres.ca)}, auth: { user: broker, password: "${ref}" }, ${common} }\n`
      : `  ${name}: { adapter: ${streams ? 'proxy' : 'http'}, url: "${http}", auth: ${AUTH[by](ref)}, request_id: Request-Id, ` +
        `${streams ? common.replace('lands_within: 100ms, ', '') : common} }\n`,
  )
  for (const [number, ref] of warehouse.own.entries())
    lines.push(
      `  warehouse${number}: { adapter: postgres, url: "postgres://127.0.0.1:${warehouse.port}/postgres", ` +
        `auth: { user: broker, password: "${ref}" }, ${common} }\n`,
    )
  const writes = (number: number): boolean => number % 5 === 0
  const asks = (number: number): boolean => number % 12 === 0
  const actions = backends.flatMap(({ name, by, streams }, number) => {
    if (streams) return [route(name, number % 2 === 0 ? 'read' : 'write')]
    if (by === 'postgres') return [database(name)]
    return [reading(name), ...(writes(number) ? [writing(name)] : []), ...(asks(number) ? [asking(name)] : [])]
  })
  const shown = backends.find(({ by }) => by === 'postgres')?.name ?? ''
  const ours = (role: string): string => `{ roles: [${role}], lifetime: 10m }`
  actions.push(
    lending('login', shown, '{ from: "vault://database/creds/agent", lifetime: 10m }'),
    lending('own', 'warehouse0', ours('reader')),
    lending('held', 'warehouse0', ours('reader')),
    lending('nobody', 'warehouse0', ours('no_such_role')),
    lending('locked', 'warehouse1', ours('reader')),
  )
  const names = actions.map((text) => /^(?:action|route): (\S+)/.exec(text)?.[1] ?? '')
  const grants = names.map((name) =>
    name.startsWith('ask.') || name === 'lend.held'
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
const route = (name: string, effect: string): string => `route: via.${name}
describe: Streams what ${name} says.
effect: ${effect}
backend: ${name}
allow: ['${effect === 'read' ? 'GET' : 'POST'} /*/*']
record: { request: body, response: body }
`
const lending = (name: string, backend: string, lease: string): string => `action: lend.${name}
describe: A login that is made for an agent.
effect: lease
backend: ${backend}
lease: ${lease}
`
const database = (name: string): string => `action: use.${name}
describe: Uses ${name}.
effect: read
${INPUT}
backend: ${name}
request: { read: "select $1 as text", params: ["\${input.place}"] }
output: { keep: ["*.text"] }
`
