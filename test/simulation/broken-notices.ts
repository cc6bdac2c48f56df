import type { Broken } from './broken.ts'
import { folded } from './folded.ts'

/** Rules of notices (docs/decisions/017), each broken alone. */
export const BROKEN_NOTICES: { readonly [rule: string]: Broken } = {
  'notice claim': {
    what: 'a notice that is claimed is due all the same',
    planted: folded((fold, working, operation) =>
      fold(working, operation.op === 'notice.claim' ? { ...operation, for_ms: 0 } : operation),
    ),
  },
  'notice name': {
    what: 'each try of a notice has a name of its own',
    planted: {
      courier: (courier) => (channel) => {
        const { bring, ...rest } = courier(channel)
        let tries = 0
        return { ...rest, bring: (message, signal) => bring({ ...message, id: `${message.id}.${++tries}` }, signal) }
      },
    },
  },
  'notice found': {
    what: 'who waits is looked for at the start alone',
    planted: {
      store: (store) => ({
        ...store,
        told: { ...store.told, waitsSince: async (from) => ({ ...(await store.told.waitsSince(from)), found: [] }) },
      }),
    },
  },
  'notice end': {
    what: 'a wait that is over goes on',
    planted: folded((fold, working, operation) =>
      fold(working, operation.op === 'wait.end' ? { ...operation, calls: [] } : operation),
    ),
  },
  'notice silent': {
    what: 'a channel that has been sent something is sent no more',
    planted: {
      store: (store) => {
        const sent = new Set<string>()
        const due: typeof store.told.due = async (channel, now, limit) => {
          if (sent.has(channel)) return []
          const found = await store.told.due(channel, now, limit)
          if (found.length > 0) sent.add(channel)
          return found
        }
        return { ...store, told: { ...store.told, due } }
      },
    },
  },
  'notice late': {
    what: 'what may have come is a dead letter before it is known how its wait ends',
    planted: folded((fold, working, operation) => {
      const result = fold(working, operation)
      if (operation.op !== 'notice.claim') return result
      for (const { id } of operation.notices) {
        const notice = working.notices.get(id)
        const isLate = notice?.state === 'waiting' && notice.until !== null && notice.until <= working.now
        if (!isLate || working.waits.get(notice.wait)?.over != null) continue
        const { unsure: _unsure, ...rest } = notice
        working.notices.set(id, { ...rest, state: 'dead', owner: null })
        working.changed.notices.add(id)
      }
      return result
    }),
  },
  'notice unsure': {
    what: 'what somebody was sending when they died never came',
    planted: folded((fold, working, operation) => {
      const result = fold(working, operation)
      if (operation.op !== 'notice.claim') return result
      for (const { id } of operation.notices) {
        const notice = working.notices.get(id)
        if (notice?.unsure === undefined) continue
        const { unsure: _unsure, ...rest } = notice
        working.notices.set(id, rest)
      }
      return result
    }),
  },
}
