import type { Finding } from './finding.ts'
import { sketchOf } from './sketches.ts'

/** How to take the keys of one service away from an agent. */
export interface Proposal {
  readonly service: string
  readonly adapter: 'http' | 'postgres'
  /** Names of variables and settings that are not needed afterwards. */
  readonly names: readonly string[]
  /** The line that takes the place of the client, by the language that was found; `mcp` for a file of an MCP client. */
  readonly change: { readonly [language in Language]?: string }
  readonly note: string | null
  /** Parts of policy files, by their path; together with the other proposals they are whole (policyOf). */
  readonly policy: { readonly [path: string]: string }
}
type Language = 'javascript' | 'python' | 'mcp' | 'other'

const PROPOSALS_MAX = 20

/** One for each service, those with most findings first. */
export function propose(findings: readonly Finding[]): Proposal[] {
  const services = new Map<string, Finding[]>()
  for (const one of findings) {
    const service = nameOf(one.service)
    services.set(service, [...(services.get(service) ?? []), one])
  }
  return [...services]
    .toSorted(([a, ours], [b, theirs]) => theirs.length - ours.length || (a < b ? -1 : 1))
    .slice(0, PROPOSALS_MAX)
    .map(([service, found]) => {
      const { adapter, note, backend, actions, grants } = sketchOf(service)
      const named = found.filter(({ kind }) => kind !== 'sdk' && kind !== 'header').map(({ name }) => name)
      return {
        service,
        adapter,
        names: [...new Set(named.filter((name) => /^[\w.-]+$/.test(name)))].sort(),
        change: Object.fromEntries([...new Set(found.map(languageOf))].map((one) => [one, changeOf(one, service)])),
        note,
        policy: {
          'backends.yaml': `${service}:\n${indent(`adapter: ${adapter}\n${backend}`)}\n`,
          [`actions/${service}.yaml`]: `${actions}\n`,
          [`roles/${ROLE}.yaml`]: `${grants}\n`,
        },
      }
    })
}

/** A whole policy out of all proposals: what `keystay policy check` reads. The demo's issuer signs under --dev until yours does. */
export function policyOf(proposals: readonly Proposal[]): { readonly [path: string]: string } {
  const parts = (path: string) => proposals.map(({ policy }) => indent((policy[path] ?? '').trimEnd())).join('\n')
  return {
    'backends.yaml': `# Every system the gateway can reach. keystay secrets set NAME keeps what age://NAME names.\nbackends:\n${parts('backends.yaml')}\n`,
    'identity.yaml': IDENTITY,
    ...Object.fromEntries(
      proposals.map(({ service, policy }) => [`actions/${service}.yaml`, policy[`actions/${service}.yaml`] ?? '']),
    ),
    [`roles/${ROLE}.yaml`]: `role: ${ROLE}
describe: What the agent does today with keys of its own. Say it narrower.
issue_to:
  - { issuer: demo, where: claims.sub == "${ROLE}" }
grants:
${parts(`roles/${ROLE}.yaml`)}
`,
  }
}

const ROLE = 'agent'

const IDENTITY = `# Who workloads and people are. Examples for your issuers: docs/identity.md
issuers:
  demo:                                      # signs under \`keystay serve --dev\` only
    dev: true
    accounts:
      ${ROLE}: {}
      dana: { name: Dana, groups: [finance] }
      sam: { name: Sam, groups: [security] }
groups:
  finance: { issuer: demo, where: '"finance" in claims.groups' }
  security: { issuer: demo, where: '"security" in claims.groups' }
people: { view: [finance, security], freeze: [security], settle: [finance], export: [finance], metrics: token }
sessions: { lifetime_max: 12h, live_per_principal: 20 }
`

function languageOf({ file, kind }: Finding): Language {
  if (kind === 'client') return 'mcp'
  if (/\.(c|m)?(js|ts)x?$|\.(vue|svelte|astro)$/i.test(file)) return 'javascript'
  return /\.(py|ipynb)$/i.test(file) ? 'python' : 'other'
}

/** `keystay run` puts the address into the environment. */
function changeOf(language: Language, service: string): string {
  const { action, input } = sketchOf(service).call
  const reads = sketchOf(service).actions.includes(`action: ${action}\n`) && isRead(service, action)
  switch (language) {
    case 'javascript': {
      if (service === 'stripe') return STRIPE
      const key = reads ? '' : ", 'idempotency-key': key"
      return `await fetch(\`\${process.env.KEYSTAY_URL}/v1/actions/${action}\`, { method: 'POST', headers: { 'content-type': 'application/json'${key} }, body: JSON.stringify(${input}) })`
    }
    case 'python': {
      const named = input.replace(/[{} ]/g, '').split(',')
      const body = `{${named.map((name) => `"${name}": ${name}`).join(', ')}}`
      const key = reads ? '' : ', headers={"Idempotency-Key": key}'
      return `requests.post(os.environ["KEYSTAY_URL"] + "/v1/actions/${action}", json=${body}${key})`
    }
    case 'mcp':
      return `"keystay": { "command": "npx", "args": ["keystay", "mcp", "--role", "${ROLE}"] }`
    case 'other':
      return `POST $KEYSTAY_URL/v1/actions/${action} (${input}), and delete the key here`
  }
}

/** The unmodified SDK, where the gateway has a Stripe-shaped listener (run --stripe-url). */
const STRIPE =
  "new Stripe(process.env.KEYSTAY_STRIPE_KEY, { host: process.env.KEYSTAY_STRIPE_HOST, port: process.env.KEYSTAY_STRIPE_PORT, protocol: 'http' })"

function isRead(service: string, action: string): boolean {
  const document = sketchOf(service)
    .actions.split('\n---\n')
    .find((one) => one.startsWith(`action: ${action}\n`))
  return document?.includes('\neffect: read\n') ?? false
}

/** A name that an action, a backend and a file may have. */
function nameOf(service: string): string {
  const name = service.toLowerCase().replace(/[^a-z0-9]+/g, '_')
  if (!/^[a-z][a-z0-9_]{0,30}[a-z0-9]$/.test(name)) return 'backend'
  // What YAML reads as something else than text.
  return /^(true|false|null|yes|no|on|off)$/.test(name) ? `${name}_api` : name
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}
