import assert from 'node:assert/strict'
import { touches } from '../../gateway/core/fold.ts'
import type { Operation } from '../../gateway/core/operations.ts'
import type { Touches } from '../../gateway/core/working.ts'
import { admitting, plan, want } from './world.ts'

const PLAN = plan({ want: [want('daily', 1, 5), want('rate', 1, 5)] })
const LIMITS = ['daily', 'rate', 'attempts', 'holds']
const KEY = { principal: 'demo:bot', role: 'support-agent', action: 'stripe.refund', key: 'k' }
const UNNAMED = { ...KEY, fingerprint: 'print' }
const JOIN = { op: 'join', ...UNNAMED, by: 'r' }
const KEYLESS = { ...JOIN, key: null }
const PROOF = { issuer: 'ci', jti: 'j1' }
const SEED = (call: string, limit: string) => ({ call, wants: [{ want: want(limit, 1, 5) }] })

/**
 * What must be loaded for each operation. What is missing here is not there for the fold: a batch would decide without a
 * limit, a key or a person's passkey, and the tests of the fold itself, which have everything loaded, would not see it.
 */
const LOADED: readonly (readonly [operation: object, loaded: Touches])[] = [
  [admitting('c1', { plan: PLAN, key: 'k' }), { keys: [KEY], unnamed: [], limits: LIMITS, sessions: ['ses_1'] }],
  [admitting('c1', { plan: PLAN, key: null }), { keys: [], unnamed: [], limits: LIMITS, sessions: ['ses_1'] }],
  [
    admitting('c1', { plan: PLAN, key: 'k', join: 'invented' }),
    { keys: [KEY], unnamed: [UNNAMED], limits: LIMITS, sessions: ['ses_1'] },
  ],
  [
    admitting('c1', { plan: PLAN, key: 'k', join: 'named' as never }),
    { keys: [KEY], unnamed: [], limits: LIMITS, sessions: ['ses_1'] },
  ],
  [JOIN, { keys: [KEY], unnamed: [JOIN] }],
  [KEYLESS, { keys: [], unnamed: [KEYLESS] }],
  [
    { op: 'approve', call: 'c1', plan: PLAN },
    { calls: ['c1'], limits: LIMITS },
  ],
  [
    { op: 'approve', call: 'c1', plan: PLAN, passkey: { passkey: 'k1' } },
    { calls: ['c1'], limits: LIMITS, passkeys: ['k1'] },
  ],
  [
    { op: 'take', call: 'c1', session: 's', plan: PLAN },
    { calls: ['c1'], sessions: ['s'], limits: LIMITS },
  ],
  [{ op: 'lease.end', call: 'c1' }, { leaseEnd: 'c1' }],
  [{ op: 'lease.note', call: 'c1' }, { calls: ['c1'] }],
  [
    { op: 'settle', call: 'c1' },
    { calls: ['c1'], leases: [] },
  ],
  [
    { op: 'settle', call: 'c1', lease: {} },
    { calls: ['c1'], leases: ['c1'] },
  ],
  [
    { op: 'reconcile', call: 'c1' },
    { calls: ['c1'], leases: [] },
  ],
  [
    { op: 'reconcile', call: 'c1', lease: true },
    { calls: ['c1'], leases: ['c1'] },
  ],
  ...(['hand_out', 'reject', 'cancel', 'start', 'take_over', 'person_settles'] as const).map(
    (op) => [{ op, call: 'c1' }, { calls: ['c1'] }] as const,
  ),
  [{ op: 'expire' }, { due: true }],
  [
    { op: 'session.issue', session: { principal: 'p', issuer: 'ci', jti: null } },
    { livePrincipal: 'p', proofs: [] },
  ],
  [
    {
      op: 'session.issue',
      session: { principal: 'p', ...PROOF, actor: { issuer: 'staff', jti: 'j2' } },
      renews: { session: 's0' },
      consent: 'n1',
    },
    { livePrincipal: 'p', proofs: [PROOF, { issuer: 'staff', jti: 'j2' }], renewalOf: 's0', consents: ['n1'] },
  ],
  [{ op: 'session.end', session: 's', reason: 'logout' }, { sessions: ['s'] }],
  [
    { op: 'session.end', session: 's', reason: 'revoked' },
    { sessions: ['s'], lineageOf: 's' },
  ],
  [{ op: 'session.use', session: 's', renews: 's0' }, { sessions: ['s', 's0'] }],
  [{ op: 'policy' }, { definitions: true, calls: [], limits: [] }],
  [
    { op: 'policy', seeds: [SEED('c1', 'daily'), SEED('c2', 'daily')] },
    { definitions: true, calls: ['c1', 'c2'], limits: ['daily'] },
  ],
  ...(['visit.use', 'visit.end', 'visit.challenge'] as const).map(
    (op) => [{ op, visit: 'v' }, { visits: ['v'] }] as const,
  ),
  [
    { op: 'visit.confirm', visit: 'v', word: { passkey: 'k1' } },
    { visits: ['v'], passkeys: ['k1'] },
  ],
  [
    { op: 'passkey.add', visit: 'v', passkey: { id: 'k1', person: 'demo:dana' } },
    { visits: ['v'], passkeys: ['k1'], passkeysOf: 'demo:dana' },
  ],
  [
    { op: 'passkey.remove', passkey: 'k1', visit: 'v' },
    { passkeys: ['k1'], visits: ['v'] },
  ],
  [
    { op: 'passkey.remove', passkey: 'k1', visit: null },
    { passkeys: ['k1'], visits: [] },
  ],
  [{ op: 'consent.ask', consent: { user_code: null } }, {}],
  [{ op: 'consent.ask', consent: { user_code: 'AAAA' } }, { userCode: 'AAAA' }],
  [{ op: 'consent.decide', consent: 'n1' }, { consents: ['n1'] }],
  [{ op: 'consent.poll', consent: 'n1' }, { consents: ['n1'] }],
  [
    { op: 'wait.begin', waits: [{ wait: { call: 'c1' } }] },
    { calls: ['c1'], told: ['c1'] },
  ],
  [
    { op: 'wait.end', calls: ['c1', 'c2'] },
    { calls: ['c1', 'c2'], told: ['c1', 'c2'] },
  ],
  [{ op: 'notice.claim', notices: [{ id: 'm', call: 'c1' }] }, { told: ['c1'] }],
  [{ op: 'notice.settle', id: 'm', call: 'c1' }, { told: ['c1'] }],
  [{ op: 'notice.retry', id: 'm', call: 'c1' }, { told: ['c1'] }],
  ...(['visit.open', 'session.deny', 'switch', 'policy.close', 'note'] as const).map((op) => [{ op }, {}] as const),
]

describe('what is loaded before an operation', () => {
  for (const [operation, loaded] of LOADED)
    it(`is all that ${(operation as Operation).op} asks: ${Object.keys(loaded).join(', ') || 'nothing'}`, () =>
      assert.deepEqual(touches(operation as Operation), loaded))
})
