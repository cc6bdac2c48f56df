import type { Attempt, Connection } from '../../adapters/adapter.ts'
import type { Json, JsonObject } from '../../gateway/core/types.ts'
import type { Broken } from './broken.ts'
import { folded } from './folded.ts'
import type { Planted } from './process.ts'

/** Rules of logins that are given out (docs/decisions/012), each broken alone. */
export const BROKEN_LEASES: { readonly [rule: string]: Broken } = {
  'lease issued': {
    what: 'a login is given, and no entry names it',
    planted: folded((fold, working, operation) => {
      if (operation.op !== 'settle') return fold(working, operation)
      const { lease: _lease, ...rest } = operation
      return fold(working, rest)
    }),
  },
  'lease note': {
    what: 'what a vault takes a login back by is not written down',
    planted: lending((connection, request, attempt) => connection.send(request, { ...attempt, note: async () => {} })),
  },
  'lease permit': {
    what: 'a login is made by a permit that is old',
    planted: lending((connection, request, attempt) => connection.send(request, { ...attempt, permit: () => true })),
  },
  'lease lands': {
    what: 'a login in doubt is revoked before it must have landed, and not again',
    planted: {
      house: (house) => ({
        ...house,
        // Timeout and landing of ware and of blind.
        clock: { ...house.clock, sleep: (ms) => house.clock.sleep(ms === 2000 ? 1 : ms) },
      }),
    },
  },
  'lease owner': {
    what: 'a login is given by a process that another has taken the call over from',
    planted: folded((fold, working, operation) => {
      const call = operation.op === 'settle' ? working.calls.get(operation.call) : undefined
      if (operation.op === 'settle' && operation.lease !== undefined && call !== undefined)
        working.calls.set(call.id, { ...call, owner: working.owner })
      return fold(working, operation)
    }),
  },
  'lease revoked': {
    what: 'a login that could not be revoked counts as gone',
    planted: lending(async (connection, request, attempt) => {
      const outcome = await connection.send(request, attempt)
      const isRevoked = (request as JsonObject)['revoke'] !== undefined
      return isRevoked ? { kind: 'done', output: null, evidence: {} } : outcome
    }),
  },
  'lease session': {
    what: 'a login outlives its session',
    planted: {
      store: (store) => ({
        ...store,
        async leases(asked) {
          const found = await store.leases(asked)
          return found.filter(({ expires_at }) => asked.due_at === undefined || expires_at <= asked.due_at)
        },
      }),
    },
  },
}

function lending(
  send: (connection: Connection, request: Json, attempt: Attempt) => ReturnType<Connection['send']>,
): Planted {
  return {
    lender: (lender) => ({
      ...lender,
      connect(backend, secret) {
        const connection = lender.connect(backend, secret)
        return { ...connection, send: (request, attempt) => send(connection, request, attempt) }
      },
    }),
  }
}
