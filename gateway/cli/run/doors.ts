import { randomBytes } from 'node:crypto'
import { startLoopback } from '../loopback.ts'

/** What an agent reaches the gateway by: addresses of this run that add the session's token. */
export interface Doors {
  /** What they are called in the agent's environment. */
  readonly environment: { readonly [name: string]: string }
  close(): Promise<void>
}

/**
 * Opens them on loopback, each behind the same nonce of 192 bits, which is made for this run and good for nothing else.
 *
 * KEYSTAY_URL and KEYSTAY_MCP_URL hold it in their path, so that they work as the base URL of any client. The Stripe SDK
 * takes a host and a port and no path: there the nonce is the key.
 *
 * @param stripe the gateway's Stripe-shaped listener, where it has one.
 */
export async function openDoors(gateway: string, stripe: string | null, token: () => string): Promise<Doors> {
  const nonce = randomBytes(24).toString('base64url')
  const door = await startLoopback({ gateway, token, nonce: { value: nonce, in: 'path' } })
  const own = { KEYSTAY_URL: door.url, KEYSTAY_MCP_URL: `${door.url}/mcp` }
  if (stripe === null) return { environment: own, close: () => door.close() }
  const key = `sk_test_keystay_${nonce}`
  const other = await startLoopback({ gateway: stripe, token, nonce: { value: key, in: 'authorization' } })
  const { hostname, port } = new URL(other.url)
  return {
    environment: {
      ...own,
      KEYSTAY_STRIPE_KEY: key,
      KEYSTAY_STRIPE_HOST: hostname,
      KEYSTAY_STRIPE_PORT: port,
      KEYSTAY_STRIPE_PROTOCOL: 'http',
    },
    close: async () => void (await Promise.all([door.close(), other.close()])),
  }
}

/** Where requests go through a proxy, those to our own address must not: it would see the nonce, and could not reach it. */
export function withoutProxy(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const proxied = Object.keys(environment).some((name) => /^(https?|all)_proxy$/i.test(name))
  if (!proxied) return environment
  const both = ['NO_PROXY', 'no_proxy'].map((name) => [name, [environment[name], '127.0.0.1'].filter(Boolean).join()])
  return { ...environment, ...Object.fromEntries(both) }
}
