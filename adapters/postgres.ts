import type { BackendSpec, Json, Outcome } from '../gateway/core/types.ts'
import { SecretUnavailable } from './adapter.ts'
import type { Adapter, Attempt, SecretSource } from './adapter.ts'
import type { Lookup } from './egress.ts'
import { Queue } from './http/queue.ts'
import { addressOf } from './postgres/address.ts'
import { Connections } from './postgres/connections.ts'
import { Deadline, Late } from './postgres/deadline.ts'
import { Unsendable, askedOf } from './postgres/request.ts'
import { CONNECTIONS, backendSchema, requestSchema } from './postgres/schema.ts'
import { transact } from './postgres/transaction.ts'

/** Speaks to one PostgreSQL database: one statement in one transaction for each request. Nothing retries (R11). */
export const postgres: Adapter = postgresOver({})

/** The network as a test may bring it: its own names. */
export function postgresOver(network: { readonly lookup?: Lookup }): Adapter {
  return {
    name: 'postgres',
    backend: backendSchema,
    request: requestSchema,
    connect(backend, secret) {
      const { user, ref } = loginOf(backend)
      const width = Number(backend.config['connections'] ?? CONNECTIONS)
      const connections = new Connections(addressOf(backend), user, backend.private, network.lookup)
      const room: Room = {
        backend,
        ref,
        secret,
        connections,
        queue: new Queue(width),
        running: new Set(),
        closed: false,
      }
      let closing: Promise<void> | undefined
      const close = async (): Promise<void> => {
        room.closed = true
        // each ends by its own time
        await Promise.all(room.running)
        await connections.close()
      }
      return {
        send(request, attempt) {
          const sent = send(room, request, attempt)
          room.running.add(sent)
          return sent.finally(() => room.running.delete(sent))
        },
        close: () => (closing ??= close()),
      }
    },
  }
}

interface Room {
  readonly backend: BackendSpec
  readonly ref: string
  readonly secret: SecretSource
  readonly connections: Connections
  readonly queue: Queue
  readonly running: Set<Promise<Outcome>>
  closed: boolean
}

/** Wait for a place, ask for the credential, perform one transaction. Never rejects. */
async function send(room: Room, request: Json, attempt: Attempt): Promise<Outcome> {
  const { backend, queue } = room
  if (!(await queue.enter(attempt.id, attempt.notAfter, attempt.signal))) {
    const reason = attempt.signal.aborted ? 'the attempt was stopped' : 'the time for this attempt is over'
    return { kind: 'not_sent', reason }
  }
  // until COMMIT is written nothing has happened, for certain; transact() knows when that was
  let outcome: Outcome = { kind: 'not_sent', reason: 'a fault before anything was sent' }
  const deadline = new Deadline(Math.min(backend.timeout_ms, attempt.notAfter - performance.now()), attempt.signal)
  try {
    const asked = askedOf(request)
    if (room.closed) throw new Unsendable('the connection is closed')
    const password = await passwordOf(room, deadline)
    outcome = await transact(room.connections, asked, password, attempt, deadline)
  } catch (error) {
    if (error instanceof SecretUnavailable)
      outcome = { kind: 'not_sent', code: 'secret_unavailable', reason: error.message }
    else if (error instanceof Unsendable) outcome = { kind: 'not_sent', reason: error.message }
  } finally {
    deadline.end()
    queue.leave(attempt.id, outcome.kind === 'not_sent' && outcome.code === 'permit')
  }
  return outcome
}

/** This is where the secret of a postgres backend is opened. @throws SecretUnavailable, whose message holds no value */
async function passwordOf({ backend, ref, secret }: Room, deadline: Deadline): Promise<string> {
  let password: string
  try {
    password = (await deadline.wait(() => secret(ref))).open()
  } catch (error) {
    if (error instanceof SecretUnavailable) throw error
    const late = error instanceof Late ? ' did not come in time' : ' cannot be had'
    // whatever else a source throws may hold anything
    throw new SecretUnavailable(ref, `the credential of ${backend.name}${late}`)
  }
  // a NUL would end it early on the wire, half a character would become another
  if (password === '' || password.includes('\0') || !password.isWellFormed()) {
    throw new SecretUnavailable(ref, `the credential ${ref} is empty or no password`)
  }
  return password
}

/** @throws TypeError when the policy names no login */
function loginOf(backend: BackendSpec): { user: string; ref: string } {
  const auth = backend.config['auth']
  const { user, password } = (typeof auth === 'object' && auth !== null ? auth : {}) as { user?: Json; password?: Json }
  if (typeof user !== 'string' || user === '' || typeof password !== 'string') {
    throw new TypeError(`backend ${backend.name}: auth must name a user and the ref of its password`)
  }
  return { user, ref: password }
}
