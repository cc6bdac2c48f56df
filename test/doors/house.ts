import { connect } from 'node:net'
import { adminApp } from '../../gateway/doors/admin-app.ts'
import { agentApp } from '../../gateway/doors/agent-app.ts'
import type { DoorParts } from '../../gateway/doors/frame.ts'
import { listen, SERVER_LIMITS } from '../../gateway/doors/server.ts'
import type { Listening, ServerLimits } from '../../gateway/doors/server.ts'
import { devIssuer } from '../../gateway/identity/dev-issuer.ts'
import { identity } from '../../gateway/identity/identity.ts'
import { byEc, jws, NOW, SECONDS } from '../identity/company.ts'
import { memorySessions } from '../identity/memory-sessions.ts'
import type { MemorySessions } from '../identity/memory-sessions.ts'
import { DOOR_POLICY, plainGateway } from './plain-gateway.ts'
import type { PlainGateway } from './plain-gateway.ts'

export interface House {
  readonly agent: Listening
  readonly admin: Listening
  readonly gateway: PlainGateway
  readonly store: MemorySessions
  readonly faults: unknown[]
  readonly clock: { now: number }
  /** A session of support-agent, and the header that carries it. */
  readonly session: string
  readonly bearer: string
  /** A person's header: Dana, of the demo. */
  readonly dana: string
  close(): Promise<void>
}

export const WORKLOAD_PROOF = jws(
  { alg: 'ES256', kid: 'ec-1' },
  { iss: 'https://ci.example', aud: 'keystay', sub: 'agents:support', queue: 'q', exp: SECONDS + 600 },
  byEc,
)
export const TOKEN_FORM = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  subject_token: WORKLOAD_PROOF,
  scope: 'role:support-agent',
}

/** Both listeners on loopback, with real identity, and a gateway that only listens. */
export async function house(
  more: Partial<DoorParts> & { readonly limits?: Partial<ServerLimits>; readonly withoutDev?: boolean } = {},
): Promise<House> {
  const clock = { now: NOW }
  const gateway = plainGateway()
  const faults: unknown[] = []
  const store = memorySessions(() => clock.now)
  let drawn = 0
  const random = (bytes: number) => new Uint8Array(bytes).fill(++drawn)
  const dev = await devIssuer({ now: () => clock.now, random })
  const who = identity({
    store,
    policy: () => DOOR_POLICY,
    now: () => clock.now,
    monotonic: () => clock.now,
    random,
    newSessionId: () => `ses_${store.written.length + 1}`,
    dev: more.withoutDev === true ? null : dev,
  })
  const parts: DoorParts = {
    gateway,
    identity: who,
    now: () => clock.now,
    scrub: (text) => text,
    fault: (error) => void faults.push(error),
    agentUrl: () => 'https://keystay.example/',
    ...more,
  }
  const limits = { ...SERVER_LIMITS, ...more.limits }
  const at = { host: '127.0.0.1', port: 0 }
  const agent = await listen(agentApp(parts), at, gateway.refused, limits)
  const admin = await listen(adminApp(parts), at, gateway.refused, limits)

  const issued = await who.exchange(new Map(Object.entries(TOKEN_FORM)), { source: 'a', refused: () => {} })
  if (!('access_token' in issued.body)) throw new Error(JSON.stringify(issued.body))
  const demo = DOOR_POLICY.issuers.get('demo')
  const dana = demo === undefined ? null : await dev.sign(demo, 'dana')
  return {
    agent,
    admin,
    gateway,
    store,
    faults,
    clock,
    session: issued.body.session,
    bearer: `Bearer ${issued.body.access_token}`,
    dana: `Bearer ${dana}`,
    close: async () => {
      await Promise.all([agent.close(1_000), admin.close(1_000)])
    },
  }
}

export interface RawAnswer {
  readonly status: number
  readonly headers: { readonly [name: string]: string }
  readonly body: string
  /** `code` of a problem, `error` of an OAuth answer. */
  readonly code: string | null
}

/**
 * Sends bytes as they are and reads until the other side closes: what a client library would never send.
 *
 * @param pieces written one after the other; a number waits so many ms.
 */
export function raw(url: string, ...pieces: readonly (string | Buffer | number)[]): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    const received: Buffer[] = []
    socket.on('data', (piece) => received.push(piece))
    // A reset after an answer is no failure: the answer is what counts.
    socket.on('error', (error) => (received.length > 0 ? undefined : reject(error)))
    socket.on('close', () => resolve(parse(Buffer.concat(received))))
    socket.on('connect', () => void write(socket, pieces))
  })
}

async function write(socket: ReturnType<typeof connect>, pieces: readonly (string | Buffer | number)[]): Promise<void> {
  for (const piece of pieces) {
    if (typeof piece === 'number') await new Promise((resolve) => setTimeout(resolve, piece))
    else if (socket.writable) socket.write(piece)
  }
}

function parse(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = []
  for (let rest = bytes; rest.length > 0;) {
    const end = rest.indexOf('\r\n\r\n')
    if (end === -1) throw new Error(`no answer: ${rest.toString()}`)
    const [first = '', ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n')
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
      }),
    )
    const length = Number(headers['content-length'] ?? 0)
    const status = Number(first.split(' ')[1])
    const from = end + 4
    if (status === 100) {
      rest = rest.subarray(from)
      continue
    }
    const body = rest.subarray(from, from + length).toString('utf8')
    answers.push({ status, headers, body, code: codeOf(body) })
    rest = rest.subarray(from + length)
  }
  return answers
}

function codeOf(body: string): string | null {
  if (body === '') return null
  const said = JSON.parse(body) as { code?: string; error?: string }
  return said.code ?? said.error ?? null
}
