import type { Operation, ResultOf } from '../../gateway/core/operations.ts'
import type { Call } from '../../gateway/core/types.ts'
import { StoreFault } from '../../gateway/store/db.ts'
import type { Driver } from '../../gateway/store/db.ts'
import { BROKEN_JOINS } from './broken-joins.ts'
import { BROKEN_LEASES } from './broken-leases.ts'
import { BROKEN_NOTICES } from './broken-notices.ts'
import { folded } from './folded.ts'
import type { Planted } from './process.ts'

/** One rule, broken in one place, from the outside: what follows it is the production code as it stands. */
export interface Broken {
  readonly what: string
  readonly planted: Planted
}

/** By the name that `--break` knows. */
export const BROKEN: { readonly [rule: string]: Broken } = {
  R1: {
    what: 'an intent is answered before it is durable',
    planted: {
      database(database, time) {
        return {
          ...database,
          driver: (host, shared) => tooEarly(database.driver(host, shared), (ms) => time.after(ms, host)),
        }
      },
    },
  },
  R2: {
    what: 'each attempt has a backend key of its own',
    planted: {
      adapter: (adapter) => ({
        ...adapter,
        connect(backend, secret) {
          const connection = adapter.connect(backend, secret)
          return {
            ...connection,
            send: (request, attempt) => connection.send(request, { ...attempt, id: `${attempt.id}#${attempt.number}` }),
          }
        },
      }),
    },
  },
  R3: {
    what: 'a permit never grows old',
    planted: {
      adapter: (adapter) => ({
        ...adapter,
        connect(backend, secret) {
          const connection = adapter.connect(backend, secret)
          return {
            ...connection,
            send: (request, attempt) => connection.send(request, { ...attempt, permit: () => true }),
          }
        },
      }),
    },
  },
  'R3 owner': {
    what: 'an old permit is renewed for a call that another process has taken over',
    planted: {
      store: (store) => {
        /** The call as this process knew it when it began. */
        const mine = new Map<string, Call>()
        return {
          ...store,
          async write<O extends Operation>(operation: O): Promise<ResultOf<O>> {
            const result = await store.write(operation)
            if ('kind' in result && result.kind === 'started') mine.set(result.call.id, result.call)
            return result
          },
          async call(id) {
            const now = await store.call(id)
            const then = mine.get(id)
            return now === null || then === undefined ? now : { ...now, owner: then.owner, attempt: then.attempt }
          },
        }
      },
    },
  },
  R4: {
    what: 'a certain no settles a call of which an earlier attempt is in doubt',
    planted: folded((fold, working, operation) => {
      const call = operation.op === 'settle' ? working.calls.get(operation.call) : undefined
      if (call?.state === 'unknown') working.calls.set(call.id, { ...call, state: 'executing', doubt: [] })
      return fold(working, operation)
    }),
  },
  R5: {
    what: 'an answer that is no certain no is taken for one',
    planted: {
      adapter: (adapter) => ({
        ...adapter,
        connect(backend, secret) {
          const connection = adapter.connect(backend, secret)
          return {
            ...connection,
            async send(request, attempt) {
              const outcome = await connection.send(request, attempt)
              if (outcome.kind !== 'unknown' || attempt.number === 0) return outcome
              return { kind: 'refused', status: 500, message: outcome.reason, evidence: {} }
            },
          }
        },
      }),
    },
  },
  R6: {
    what: 'a call in doubt gives its reservation back',
    planted: folded((fold, working, operation) => {
      const result = fold(working, operation)
      if (operation.op !== 'settle' || !('call' in result) || result.call.state !== 'unknown') return result
      for (const { limit, amount } of result.call.reserve) {
        const state = working.limits.get(limit)
        if (state !== undefined) state.held -= amount
        working.changed.limits.add(limit)
      }
      return result
    }),
  },
  R7: {
    what: 'the backend is asked before everything must have landed',
    planted: {
      house: (house) => ({
        ...house,
        // The only wait of this length is the timeout and the time that an effect may take to land, of pay and of shop.
        clock: { ...house.clock, sleep: (ms) => house.clock.sleep(ms === 3000 ? 1 : ms) },
      }),
    },
  },
  R8: {
    what: 'a key is free again once its call is done',
    planted: folded((fold, working, operation) => {
      const result = fold(working, operation)
      if (!('call' in result) || result.call.state !== 'done') return result
      working.calls.set(result.call.id, { ...result.call, bound: false })
      return result
    }),
  },
  R9: {
    what: 'a commit whose answer was lost is taken for kept',
    planted: {
      database: (database) => ({
        ...database,
        driver: (host, shared) => takenForKept(database.driver(host, shared)),
      }),
    },
  },
  R12: {
    what: 'a yes counts for whatever card stands when it comes',
    planted: folded((fold, working, operation) => {
      if (operation.op !== 'approve') return fold(working, operation)
      const card = working.calls.get(operation.call)?.card ?? ''
      return fold(working, { ...operation, approval: { ...operation.approval, card } })
    }),
  },
  R13: {
    what: 'what is reserved and not settled does not count',
    planted: folded((fold, working, operation) => {
      if (operation.op !== 'admit') return fold(working, operation)
      const before = new Map([...working.limits].map(([id, { held }]) => [id, held]))
      for (const limit of working.limits.values()) limit.held = 0
      const result = fold(working, operation)
      for (const [id, limit] of working.limits) limit.held += before.get(id) ?? 0
      return result
    }),
  },
  'R13 twice': {
    what: 'what is reserved counts twice',
    planted: folded((fold, working, operation) => {
      if (operation.op !== 'admit') return fold(working, operation)
      const before = new Map([...working.limits].map(([id, { held }]) => [id, held]))
      for (const limit of working.limits.values()) limit.held *= 2
      const result = fold(working, operation)
      for (const [id, limit] of working.limits) limit.held -= before.get(id) ?? 0
      return result
    }),
  },
  'R13 date': {
    what: 'a call that was held is counted under the date it was asked for',
    planted: folded((fold, working, operation) => {
      const result = fold(working, operation)
      if (operation.op !== 'approve' || !('kind' in result) || result.kind !== 'started') return result
      working.calls.set(result.call.id, { ...result.call, intent_at: result.call.created_at })
      return result
    }),
  },
  R14: {
    what: 'the time of a batch may lie before the last entry',
    planted: {
      folding: (folding, wall) => ({
        ...folding,
        fold: (working, operation) =>
          operation.op === 'admit' || operation.op === 'settle'
            ? folding.fold({ ...working, now: wall() }, operation)
            : folding.fold(working, operation),
      }),
    },
  },
  quorum: {
    what: 'one yes is enough',
    planted: folded((fold, working, operation) => {
      if (operation.op !== 'approve') return fold(working, operation)
      const need = operation.plan.need.map((line) => ({ ...line, count: 1 }))
      const call = working.calls.get(operation.call)
      if (call !== undefined)
        working.calls.set(call.id, { ...call, need: call.need.map((line) => ({ ...line, count: 1 })) })
      return fold(working, { ...operation, plan: { ...operation.plan, need } })
    }),
  },
  'own call': {
    what: 'whoever asked may approve',
    planted: folded((fold, working, operation) => {
      if (operation.op !== 'approve') return fold(working, operation)
      const barred = { persons: [], groups: [] }
      const call = working.calls.get(operation.call)
      if (call !== undefined) working.calls.set(call.id, { ...call, barred })
      return fold(working, { ...operation, plan: { ...operation.plan, barred } })
    }),
  },
  expiry: {
    what: 'a hold whose time is over can be approved',
    planted: folded((fold, working, operation) => {
      if (operation.op !== 'approve') return fold(working, operation)
      const call = working.calls.get(operation.call)
      if (call?.expires_at != null && call.expires_at <= working.now) {
        return fold({ ...working, now: call.expires_at - 1 }, operation)
      }
      return fold(working, operation)
    }),
  },
  'key scope': {
    what: 'a request key is looked up whoever asks',
    planted: {
      store: (store) => ({
        ...store,
        async callByKey(_principal, role, action, key) {
          const found = await store.calls({ role, action, key, limit: 20 })
          return found.find(({ bound }) => bound) ?? null
        },
      }),
    },
  },
  'what was decided': {
    what: 'another amount is sent than was decided',
    planted: {
      adapter: (adapter) => ({
        ...adapter,
        connect(backend, secret) {
          const connection = adapter.connect(backend, secret)
          return {
            ...connection,
            send(request, attempt) {
              const { json, ...rest } = request as { json?: { amount?: number } }
              const more = json?.amount === undefined ? json : { ...json, amount: json.amount + 1 }
              return connection.send((more === undefined ? rest : { ...rest, json: more }) as never, attempt)
            },
          }
        },
      }),
    },
  },
  'kept question': {
    what: 'another question is kept than was asked',
    planted: {
      store: (store) => ({
        ...store,
        write: (operation) => {
          if (operation.op !== 'admit' || operation.bodies.question === null) return store.write(operation)
          const question = operation.bodies.question.replace('"incident":false', '"incident":true')
          return store.write({ ...operation, bodies: { ...operation.bodies, question } })
        },
      }),
    },
  },
  'key input': {
    what: 'a key answers for another input',
    planted: {
      store: (store) => ({
        ...store,
        fingerprint: (text) => store.fingerprint(text.startsWith('{') ? '{}' : text),
      }),
    },
  },
  freeze: {
    what: 'switches are not looked at when an attempt begins',
    planted: {
      ...folded((fold, working, operation) => {
        if (operation.op !== 'admit' && operation.op !== 'start') return fold(working, operation)
        return fold({ ...working, switches: { version: working.switches.version, positions: {} } }, operation)
      }),
      store: (store) => ({
        ...store,
        switches: async () => ({ ...(await store.switches()), positions: {} }),
        switchesNow: async () => ({ version: 0, positions: {} }),
      }),
    },
  },
  revocation: {
    what: 'a revoked session goes on',
    planted: {
      store: (store) => ({
        ...store,
        session: async (id) => {
          const row = await store.session(id)
          return row === null ? null : { ...row, ended_at: null, ended_reason: null }
        },
      }),
    },
  },
  replicas: {
    what: 'a process answers from what it has once seen',
    planted: {
      store: (store) => {
        const seen = new Map<string, Call>()
        return {
          ...store,
          async call(id) {
            const known = seen.get(id) ?? (await store.call(id))
            if (known !== null) seen.set(id, known)
            return known
          },
        }
      },
    },
  },
  ...BROKEN_JOINS,
  ...BROKEN_LEASES,
  ...BROKEN_NOTICES,
}

function takenForKept(driver: Driver): Driver {
  return {
    ...driver,
    async transaction(work) {
      let result: unknown
      try {
        return await driver.transaction(async (db, wall) => {
          const worked = await work(db, wall)
          result = worked
          return worked
        })
      } catch (error) {
        if (error instanceof StoreFault && error.during === 'commit') return result as never
        throw error
      }
    },
  }
}

/** Undoes a transaction that starts a call, says that it is done, and does it a moment later. */
function tooEarly(driver: Driver, after: (ms: number) => Promise<void>): Driver {
  const undone = new Error('undone')
  return {
    ...driver,
    async transaction(work) {
      let early: unknown
      try {
        return await driver.transaction(async (db, wall) => {
          const count = async () =>
            (await db.all<{ n: number }>(`SELECT COUNT(*) AS n FROM entries WHERE kind = 'call.started'`))[0]?.n ?? 0
          const before = await count()
          const result = await work(db, wall)
          if ((await count()) === before) return result
          early = result
          throw undone
        })
      } catch (error) {
        if (error !== undone) throw error
        void after(50)
          .then(() => driver.transaction(work))
          .catch(() => {})
        return early as never
      }
    },
  }
}
