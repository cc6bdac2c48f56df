import { createServer } from 'node:net'
import { hostPort, isLoopback } from '../../config.ts'
import type { ServeOptions } from '../../main.ts'
import { fail, ok, warn, why } from './finding.ts'
import type { Finding } from './finding.ts'

const NODE_MIN = 24

export function checkNode(version = process.versions.node): Finding {
  const major = Number(version.split('.')[0])
  if (major >= NODE_MIN) return ok('node', `Node ${version}`)
  return fail('node', `Node ${version}; Keystay needs ${NODE_MIN}`, `nvm install ${NODE_MIN}`)
}

/** No program of this one's age ran before it was written. */
const WRITTEN = Date.UTC(2026, 0, 1)

/** @param newest of the ledger, ms since the epoch; null where there is none. The clock never goes below it. */
export function checkClock(newest: number | null, now = Date.now()): Finding {
  const shown = new Date(now).toISOString()
  const fix = 'Set the clock, and keep it set: timedatectl set-ntp true'
  if (now < WRITTEN) return fail('clock', `it is ${shown}, which is long ago`, fix)
  if (newest !== null && now < newest)
    return fail(
      'clock',
      `it is ${Math.ceil((newest - now) / 1000)} s behind the newest entry of the ledger: nothing is admitted`,
      fix,
    )
  return ok('clock', newest === null ? shown : `${shown}, not behind the ledger`)
}

/** Each listener: free, or a gateway of ours answers there. */
export async function checkPorts({ listen, adminListen }: ServeOptions): Promise<Finding[]> {
  const found: Finding[] = []
  for (const [flag, where] of [
    ['--listen', listen],
    ['--admin-listen', adminListen],
  ] as const) {
    const address = hostPort(where)
    if (address === null) continue
    const { host, port } = address
    const refused = port === 0 ? null : await bindable(host, port)
    if (refused === 'EADDRINUSE' && (await isGateway(host, port))) {
      found.push(ok('ports', `${where}: a gateway answers there`))
    } else if (refused !== null) {
      const what = refused === 'EADDRINUSE' ? 'is in use by another program' : `cannot be opened (${refused})`
      found.push(fail('ports', `${where} ${what}`, `Stop that program, or give ${flag} another address`))
    } else if (!isLoopback(host)) {
      const fix = `Put a TLS proxy on this machine in front, and ${flag} 127.0.0.1:${port}`
      found.push(warn('ports', `${where} is open to other machines, and speaks plain HTTP`, fix))
    } else found.push(ok('ports', `${where} is free`))
  }
  return found
}

/** @returns the code of what keeps the port from being opened. */
function bindable(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve(why(error)))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)))
  })
}

async function isGateway(host: string, port: number): Promise<boolean> {
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host
  try {
    const answer = await fetch(`http://${name}:${port}/livez`, {
      signal: AbortSignal.timeout(2000),
      redirect: 'manual',
    })
    return ((await answer.json()) as { status?: unknown }).status === 'live'
  } catch {
    return false
  }
}
