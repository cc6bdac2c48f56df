import type { BackendSpec, Json, JsonObject, Outcome } from '../gateway/core/types.ts'
import { SecretUnavailable } from './adapter.ts'
import type { Adapter, Attempt, Secret, SecretSource } from './adapter.ts'
import type { Lookup } from './egress.ts'
import { Queue } from './http/queue.ts'
import { addressOf } from './postgres/address.ts'
import { Connections } from './postgres/connections.ts'
import type { Login } from './postgres/connections.ts'
import { Deadline, Late } from './postgres/deadline.ts'
import { lend, takeBack } from './postgres/lent.ts'
import type { Lending } from './postgres/lent.ts'
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
    connect(backend, secret, lender) {
      const { user, password } = loginOf(backend)
      const width = Number(backend.config['connections'] ?? CONNECTIONS)
      const address = addressOf(backend)
      const connections = new Connections(address, backend.private, network.lookup)
      const room: Room = {
        backend,
        address,
        lender,
        user,
        password,
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
          const sent =
            isObject(request) && isObject(request['revoke'])
              ? revoke(room, request['revoke'], attempt)
              : send(room, request, attempt)
          room.running.add(sent)
          return sent.finally(() => room.running.delete(sent))
        },
        close: () => (closing ??= close()),
      }
    },
  }
}

interface Room extends Lending {
  readonly backend: BackendSpec
  /** A name, or the ref of one. */
  readonly user: string
  readonly password: string
  readonly secret: SecretSource
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
    const lease = isObject(request) && isObject(request['lease']) ? request['lease'] : null
    const asked = lease === null ? askedOf(request) : null
    if (room.closed) throw new Unsendable('the connection is closed')
    let shown: Secret | null = null
    const own = async (): Promise<Login> => {
      const login = await credentialOf(room, deadline)
      shown = login.shown
      return login
    }
    outcome =
      asked === null
        ? await lend(room, lease ?? {}, own, attempt, deadline)
        : await transact(room.connections, asked, await own(), attempt, deadline)
    if (outcome.kind === 'not_sent' && outcome.code === 'secret_unavailable' && shown !== null) attempt.denied?.(shown)
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

/** Beside the queue: what is revoked does not wait behind statements that may be those of its own login. Never rejects. */
async function revoke(room: Room, request: JsonObject, attempt: Attempt): Promise<Outcome> {
  const left_ms = Math.min(Math.max(room.backend.timeout_ms, REVOKE_MIN_MS), attempt.notAfter - performance.now())
  const deadline = new Deadline(left_ms, attempt.signal)
  try {
    if (room.closed) return { kind: 'unknown', reason: 'the connection is closed', evidence: {} }
    return await takeBack(room, request, () => credentialOf(room, deadline), attempt.id, deadline)
  } finally {
    deadline.end()
  }
}

/** What ends connections may have to wait for each; a backend's `timeout` is meant for one statement. */
const REVOKE_MIN_MS = 5000

/** This is where the secret of a postgres backend is opened. @throws SecretUnavailable, whose message holds no value */
async function credentialOf(room: Room, deadline: Deadline): Promise<Login & { readonly shown: Secret }> {
  const { backend, secret } = room
  let shown: Secret
  let user: string
  let password: string
  try {
    // asked in one turn: a name and a password that one lease holds must be of one lease
    const both = () => Promise.all([REF.test(room.user) ? secret(room.user) : null, secret(room.password)])
    const [name, word] = await deadline.wait(both)
    shown = word
    user = name === null ? room.user : name.open()
    password = word.open()
  } catch (error) {
    if (error instanceof SecretUnavailable) throw error
    const late = error instanceof Late ? ' did not come in time' : ' cannot be had'
    // whatever else a source throws may hold anything
    throw new SecretUnavailable(room.password, `the credential of ${backend.name}${late}`)
  }
  for (const [ref, text] of [
    [room.user, user],
    [room.password, password],
  ] as const) {
    // a NUL would end it early on the wire, half a character would become another
    if (text === '' || text.includes('\0') || !text.isWellFormed()) {
      throw new SecretUnavailable(
        ref,
        `the credential ${ref} is empty or no ${ref === room.user ? 'login' : 'password'}`,
      )
    }
  }
  return { user, password, shown }
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const REF = /^[a-z][a-z0-9]*:\/\//

/** @throws TypeError when the policy names no login */
function loginOf(backend: BackendSpec): Login {
  const auth = backend.config['auth']
  const { lease, ...said } = (typeof auth === 'object' && auth !== null ? auth : {}) as { [name: string]: Json }
  // both of one lease: asked in one turn, they are of one answer
  const { user, password } =
    typeof lease === 'string' ? { user: `${lease}#username`, password: `${lease}#password` } : said
  if (typeof user !== 'string' || user === '' || typeof password !== 'string') {
    throw new TypeError(`backend ${backend.name}: auth must name a user and the ref of its password`)
  }
  return { user, password }
}
