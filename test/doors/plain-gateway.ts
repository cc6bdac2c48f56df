import { problemBody } from '../../gateway/core/problem.ts'
import type { Code } from '../../gateway/core/problem.ts'
import type { Action, CallStatus, Grant, Json, JsonObject, Policy, Session } from '../../gateway/core/types.ts'
import type {
  ActionView,
  CallRequest,
  CallStory,
  Envelope,
  Gateway,
  Reply,
  SessionView,
} from '../../gateway/pipeline/gateway.ts'
import { POLICY } from '../identity/company.ts'

export interface PlainGateway extends Gateway {
  /** Every question that came through, in order: `call`, `show`, `people.approve` … with what the door made of it. */
  readonly asked: (readonly [string, ...unknown[]])[]
  /** `code source`, in order. */
  readonly refusals: string[]
  /** What the next questions are answered with; a thrown error where it is one. */
  answer: Reply | Error | null
  unready: string | null
  /** Set: calls wait for it. */
  gate: Promise<void> | null
}

/** A gateway without anything behind: what a door hands in is kept, what it is to answer is set. */
export function plainGateway(): PlainGateway {
  const asked: (readonly [string, ...unknown[]])[] = []
  const refusals: string[] = []

  const take = async <Answer>(name: string, args: readonly unknown[], usual: Answer): Promise<Answer> => {
    asked.push([name, ...args])
    if (gateway.gate !== null) await gateway.gate
    if (gateway.answer instanceof Error) throw gateway.answer
    return usual
  }
  const reply = (): Reply => (gateway.answer instanceof Error || gateway.answer === null ? done() : gateway.answer)
  const of = ({ id, role }: Session) => `${id} ${role}`

  const gateway: PlainGateway = {
    asked,
    refusals,
    answer: null,
    unready: null,
    gate: null,
    policy: () => DOOR_POLICY,
    notReady: () => gateway.unready,
    refused: (code, source) => void refusals.push(`${code} ${source}`),
    actions: (session) => take('actions', [of(session)], [VIEW]),
    routes: async () => [],
    call: (session: Session, request: CallRequest) =>
      take('call', [of(session), request], request.unreadable === undefined ? reply() : unreadable(request.unreadable)),
    show: (session, id, wait_ms) => take('show', [of(session), id, wait_ms], reply()),
    list: (session, filter) => take('list', [of(session), filter], [reply()]),
    cancel: (session, id) => take('cancel', [of(session), id], reply()),
    people: {
      calls: (person, filter) => take('people.calls', [person.id, filter], { calls: [], cursor: null }),
      exported: (person, filter) => take('people.exported', [person.id, filter], { calls: [], cursor: null }),
      story: (person, id) => take('people.story', [person.id, id], STORY),
      proof: (person, id) => take('people.proof', [person.id, id], PROOF),
      approve: (person, id, card, passkey) =>
        take('people.approve', [person.id, id, card, ...(passkey === undefined ? [] : [passkey])], STORY),
      reject: (person, id, reason) => take('people.reject', [person.id, id, reason], STORY),
      settle: (person, id, outcome, reason) => take('people.settle', [person.id, id, outcome, reason], STORY),
      sessions: (person, filter) => take('people.sessions', [person.id, filter], [SESSION_VIEW]),
      revoke: (person, id, why) =>
        take('people.revoke', [person.id, id, ...(why === undefined ? [] : [why])], SESSION_VIEW),
      limits: (person) => take('people.limits', [person.id], [{ limit: 'daily' }]),
      roles: (person) => take('people.roles', [person.id], [{ role: 'support-agent', grants: [] }]),
      setSwitch: (person, name, on, reason) =>
        take<JsonObject>('people.setSwitch', [person.id, name, on, reason], { name, on, reason }),
      restore: (person) => take<JsonObject>('people.restore', [person.id], { restored: false }),
      acceptRestore: (person, reason) =>
        take<JsonObject>('people.acceptRestore', [person.id, reason], { accepted: false }),
      rights: () => ({ view: true, freeze: true, settle: true, export: true }),
      mayReadEntries: async () => {},
      policy: (person) => take<JsonObject>('people.policy', [person.id], { digest: 'sha256:p' }),
    },
    passkeys: {
      list: (person, browsing, whose) =>
        take('passkeys.list', [person.id, browsing, whose], { passkeys: [], at: null, fresh_until: null }),
      creation: (person, browsing) => take<Json>('passkeys.creation', [person.id, browsing], {}),
      register: (person, browsing, name, made) =>
        take('passkeys.register', [person.id, browsing, name, made], PASSKEY_VIEW),
      confirmation: (person, browsing) => take<Json>('passkeys.confirmation', [person.id, browsing], {}),
      confirm: (person, browsing, signed) =>
        take('passkeys.confirm', [person.id, browsing, signed], { passkeys: [], at: null, fresh_until: null }),
      remove: (person, browsing, id, reason) =>
        take('passkeys.remove', [person.id, browsing, id, reason], PASSKEY_VIEW),
      toApprove: (person, id) => take('passkeys.toApprove', [person.id, id], { card: 'c', options: {} }),
    },
  }
  return gateway
}

const PASSKEY_VIEW = {
  id: 'a'.repeat(64),
  person: 'demo:dana',
  name: 'Laptop',
  added_at: '2026-11-23T00:00:00.000Z',
  used_at: null,
  aaguid: '00000000-0000-0000-0000-000000000000',
  synced: false,
  rp: 'localhost',
}

export function envelope(status: CallStatus, more: Partial<Envelope> = {}): Envelope {
  return {
    call: 'call_1',
    action: 'refund',
    status,
    limits: [],
    session: { expires_in: 7200 },
    entry: 'ent_1',
    ...more,
  }
}

export function done(more: Partial<Envelope> = {}): Reply {
  return { replayed: false, envelope: envelope('done', { output: { id: 're_1' }, ...more }), problem: null }
}

/** A call that ended in a problem, as the pipeline answers it. */
export function ended(status: CallStatus, code: Code, detail: string, retry_after?: number): Reply {
  const problem = problemBody(code, detail, { call: 'call_1', entry: 'ent_1', ...(retry_after ? { retry_after } : {}) })
  return { replayed: false, envelope: envelope(status, { problem }), problem }
}

export const VIEW: ActionView = {
  name: 'refund',
  description: 'Refund a charge. At most 200.00 USD at once.',
  effect: 'write',
  input_schema: { type: 'object' },
  output_schema: { type: 'object' },
  example: { amount: 1 },
  limits: [],
}

const SESSION_VIEW: SessionView = {
  session: 'ses_1',
  role: 'support-agent',
  requester: 'ci:agents:support',
  acting_for: null,
  lineage: 'ses_1',
  issued_at: '2026-11-23T15:00:00.000Z',
  expires_at: '2026-11-23T17:00:00.000Z',
  ended_at: null,
  ended_reason: null,
}

export const STORY = { call: 'call_1', status: 'held', card: 'sha256:card' } as unknown as CallStory

export const PROOF = { call: 'call_1', checkpoint: '', vkey: '', entries: [], unsigned: 0 }

const grant = (action: string) => [action, { action, max: [], limits: [], approval: [] } as unknown as Grant] as const
const action = (name: string, effect: 'read' | 'write') =>
  [name, { name, effect, validate: (_input: unknown) => [] as const } as unknown as Action] as const

/** The people and workloads of the identity tests; `support-agent` may `refund` (write) and `charge.get` (read). */
export const DOOR_POLICY: Policy = {
  ...POLICY,
  actions: new Map([action('refund', 'write'), action('charge.get', 'read'), action('secret.write', 'write')]),
  roles: new Map(
    [...POLICY.roles].map(([name, role]) => [
      name,
      { ...role, grants: new Map(name === 'support-agent' ? [grant('refund'), grant('charge.get')] : []) },
    ]),
  ),
}

/** What the pipeline says of an input whose text could not be taken as it stands. */
function unreadable(errors: NonNullable<CallRequest['unreadable']>): Reply {
  const problem = problemBody('input_invalid', 'The input has an error: see errors.', { errors })
  return { ...done(), problem }
}
