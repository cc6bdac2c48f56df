import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { ConfigError, hostPort, isLoopback, serveOptions } from '../../gateway/config.ts'
import { vkeyOf } from '../../gateway/core/checkpoint-note.ts'
import { formatFinding } from '../../gateway/core/compile.ts'
import type { Policy } from '../../gateway/core/types.ts'
import { serve, StartError, type Running } from '../../gateway/main.ts'
import { loadPolicy } from '../../gateway/policy-dir.ts'
import { ledgerKey } from '../../gateway/secrets/ledger-key.ts'
import { VERSION } from '../../gateway/version.ts'
import { makeKeys, writeKeys } from './keys.ts'
import { startOrders } from './orders.ts'
import { startPayments } from './payments.ts'
import type { Sandbox } from './sandbox.ts'
import { beginAnew, StoreInTheWay } from './store.ts'

/** What stops the demo's start: one plain sentence for whoever typed npm start. */
class Stop extends Error {
  readonly exit: number
  constructor(message: string, exit = 2) {
    super(message)
    this.exit = exit
  }
}

/**
 * npm start: the demo company on an embedded store, in one process: gateway and sandbox backends, loopback only, keys
 * made for this run. KEYSTAY_LISTEN, KEYSTAY_ADMIN_LISTEN, KEYSTAY_STRIPE_LISTEN, KEYSTAY_POLICIES and KEYSTAY_STORE
 * move it elsewhere.
 */
try {
  await main()
} catch (error) {
  const said =
    error instanceof Stop ||
    error instanceof ConfigError ||
    error instanceof StoreInTheWay ||
    error instanceof StartError
  process.stderr.write(`${said ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(said ? ('exit' in error ? error.exit : 2) : 1)
}

async function main(): Promise<void> {
  // An identity of somebody's own age file does not open the one that is made here.
  delete process.env['KEYSTAY_AGE_IDENTITY']
  delete process.env['KEYSTAY_AGE_IDENTITY_FILE']
  const options = serveOptions({ dev: true }, { KEYSTAY_STRIPE_LISTEN: '127.0.0.1:8789', ...process.env })
  const policy = await readPolicy(options.policies)

  // Whatever could stop the start comes before the old store goes: a second npm start must not take it from the first.
  await mustBeFree(options.listen, 'agents', 'KEYSTAY_LISTEN')
  await mustBeFree(options.adminListen, 'people', 'KEYSTAY_ADMIN_LISTEN')
  if (options.stripeListen !== undefined)
    await mustBeFree(options.stripeListen, 'the Stripe SDK', 'KEYSTAY_STRIPE_LISTEN')
  const keys = makeKeys()
  const payments = await startBackend(policy, 'stripe', keys.payments, startPayments)
  const orders = await startBackend(policy, 'orders', keys.orders, startOrders)
  const store = await beginAnew(options.store.slice('sqlite:'.length))
  const secrets = await writeKeys(`${store}.secrets.age`, keys)
  const signer = await ledgerKey(`${store}.ledger-key`)
  const running = await serve({
    ...options,
    store: `sqlite:${store}`,
    secrets,
    ledgerKey: `${store}.ledger-key`,
    ledgerName: 'keystay.demo',
    ownsProcess: true,
    // What there is to say is printed below.
    logLevel: 'warn',
  })
  const vkey = vkeyOf(running.ledger.key, signer.publicKey)
  // Beside the store, and not in it: `ledger verify --public-key` wants a key that came another way than the ledger.
  await writeFile(`${store}.pub`, `${vkey}\n`)

  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  print(policy, running, vkey, payments, orders)
  await stopped
  await running.stop()
  await Promise.all([payments.close(), orders.close()])
  // Everything is closed; a timer that somebody left shall not hold the terminal.
  process.exit(0)
}

function print(policy: Policy, running: Running, vkey: string, payments: Sandbox, orders: Sandbox): void {
  const host = (sandbox: Sandbox) => new URL(sandbox.url).host
  process.stdout.write(`\
keystay ${VERSION}  DEMO: loopback only, sandbox backends, keys made for this run
 ok  policies   ${policy.roles.size} roles, ${policy.actions.size} actions
 ok  secrets    age file: stripe/restricted_key, orders/write_key          no agent will ever see them
 ok  sandbox    payments ${host(payments)}, orders ${host(orders)}   (stateful, idempotent, fail on demand)
 ok  ledger     new, checkpoint ${running.ledger.size}, key ${vkey.split('+', 2).join('+')}…
     agents     ${running.agentUrl}/v1     MCP ${running.agentUrl}/mcp${running.stripeUrl === undefined ? '' : `\n     stripe     ${running.stripeUrl}   (for the official SDK: docs/stripe.md)`}
${linksLine(running)}     approve    npx keystay approvals list --as dana
     next       in a second terminal: npm run agent
`)
}

/** One-time links that sign the demo's people in with a browser; of those that the policy has. */
function linksLine(running: Running): string {
  const links = Object.entries({ dana: 'Dana, finance', omar: 'Omar, finance', sam: 'Sam, security' }).flatMap(
    ([account, who]) => {
      const link = running.signInLink(account)
      return link === null ? [] : [{ link, who }]
    },
  )
  if (links.length === 0) return ''
  const texts = links.map(({ link, who }, index) => `${index === 0 ? link : `…${new URL(link).pathname}`}  ${who}`)
  return `     console    ${texts.join('   ')}   (each works once)\n`
}

async function readPolicy(directory: string): Promise<Policy> {
  const loaded = await loadPolicy(directory).catch((error: Error) => {
    throw new Stop(error.message)
  })
  if (loaded.ok) return loaded.policy
  throw new Stop(
    [`The policy in ${directory} has errors; nothing was started.`, ...loaded.findings.map(formatFinding)].join('\n\n'),
    3,
  )
}

/** Starts the sandbox where the policy says that the backend is. */
async function startBackend(
  policy: Policy,
  name: string,
  key: string,
  start: (options: { host: string; port: number; key: string }) => Promise<Sandbox>,
): Promise<Sandbox> {
  const where = policy.backends.get(name)?.config['url']
  const url = typeof where === 'string' && URL.canParse(where) ? new URL(where) : null
  if (!url || url.protocol !== 'http:' || !isLoopback(url.hostname)) {
    throw new Stop(
      `The demo plays the backend ${name} itself, on loopback; policies/backends.yaml has it at ${JSON.stringify(where)}. To reach a real one: npx keystay serve`,
    )
  }
  return start({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80), key }).catch(
    (error: NodeJS.ErrnoException) => {
      throw error.code === 'EADDRINUSE'
        ? new Stop(
            `Port ${url.port} (the sandbox for ${name}) is in use. Stop what runs there (another npm start?), or give ${name} another url in policies/backends.yaml.`,
          )
        : error
    },
  )
}

function mustBeFree(address: string, who: string, variable: string): Promise<void> {
  const { host, port } = hostPort(address) ?? { host: '127.0.0.1', port: 0 }
  const probe = createServer()
  return new Promise((resolve, reject) => {
    probe.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new Stop(
              `Port ${port} (for ${who}) is in use. Stop what runs there (another npm start?), or take another: ${variable}=127.0.0.1:PORT npm start`,
            )
          : error,
      )
    })
    probe.listen(port, host, () => probe.close(() => resolve()))
  })
}
