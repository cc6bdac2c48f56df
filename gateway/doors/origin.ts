import type { Request } from 'express'
import { Problem } from '../core/problem.ts'
import { sourceOf } from './frame.ts'
import type { DoorParts } from './frame.ts'

/**
 * A page in a browser may ask only where it came from here: its Origin is this host, and this host is an address,
 * `localhost` or the one by which agents are told to come. A name that was rebound to our address (DNS rebinding) is none of these, though Host
 * and Origin agree. Programs send no Origin.
 *
 * @throws Problem not_eligible.
 */
export function mayAsk(request: Request, { gateway, agentUrl }: Pick<DoorParts, 'gateway' | 'agentUrl'>): void {
  const { origin, host = '' } = request.headers
  if (origin === undefined) return
  const here = URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : null
  const from = URL.canParse(origin) ? new URL(origin) : null
  const ours = [agentUrl?.() ?? '', here !== null && isOwnName(here.hostname) ? `http://${host}` : '']
    .filter((url) => URL.canParse(url))
    .map((url) => new URL(url).host)
  if (from === null || !ours.includes(from.host)) {
    gateway.refused('not_eligible', sourceOf(request))
    throw new Problem('not_eligible', 'Requests from pages of other origins are refused.')
  }
}

/** A literal address cannot be rebound, and browsers resolve `localhost` themselves. */
function isOwnName(hostname: string): boolean {
  return hostname === 'localhost' || hostname.startsWith('[') || /^[0-9.]+$/.test(hostname)
}
