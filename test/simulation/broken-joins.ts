import { isOwed, takesJoins } from '../../gateway/core/join.ts'
import type { Call } from '../../gateway/core/types.ts'
import type { Working } from '../../gateway/core/working.ts'
import type { Broken } from './broken.ts'
import { folded } from './folded.ts'

/** Rules of requests without a key of the agent's own (docs/decisions/009), each broken alone. */
export const BROKEN_JOINS: { readonly [rule: string]: Broken } = {
  'join open': {
    what: 'an equal request without a key does not join what is open',
    planted: folded((fold, working, operation) => {
      const asks = operation.op === 'join' || (operation.op === 'admit' && operation.join === 'invented')
      return asks
        ? without(
            working,
            (call) => takesJoins(call) && !isOwed(call),
            () => fold(working, operation),
          )
        : fold(working, operation)
    }),
  },
  'join owed': {
    what: 'what came of a call is owed to nobody',
    planted: folded((fold, working, operation) => {
      const asks = operation.op === 'join' || (operation.op === 'admit' && operation.join === 'invented')
      return asks ? without(working, isOwed, () => fold(working, operation)) : fold(working, operation)
    }),
  },
  'join mark': {
    what: 'that an answer is on its way is not written down before it',
    planted: folded((fold, working, operation) => {
      const call = operation.op === 'hand_out' ? working.calls.get(operation.call) : undefined
      if (operation.op !== 'hand_out' || operation.went !== undefined || call === undefined)
        return fold(working, operation)
      return { kind: 'as_it_was', call }
    }),
  },
  'join heard': {
    what: 'an answer counts as heard by who has hung up',
    planted: folded((fold, working, operation) => {
      if (operation.op !== 'hand_out' || operation.went !== 'back') return fold(working, operation)
      return fold(working, { ...operation, went: 'told' })
    }),
  },
  'join told': {
    what: 'that an answer was heard is not written down',
    planted: folded((fold, working, operation) => {
      if (operation.op !== 'hand_out' || operation.went !== 'told') return fold(working, operation)
      return fold(working, { ...operation, went: 'back' })
    }),
  },
  'join name': {
    what: 'a request that joined is not known by its name',
    planted: folded((fold, working, operation) => {
      const known = new Map(working.keys)
      const result = fold(working, operation)
      for (const name of working.joined.keys()) {
        if (known.has(name)) continue
        working.joined.delete(name)
        working.keys.delete(name)
      }
      return result
    }),
  },
}

/** Does something while these calls take no joins. */
function without<T>(working: Working, hidden: (call: Call) => boolean, work: () => T): T {
  const calls = [...working.calls.values()].filter(hidden)
  const bare = calls.map((call) => {
    const { join: _join, ...rest } = call
    working.calls.set(call.id, rest)
    return rest
  })
  const result = work()
  for (const [at, call] of calls.entries()) {
    const now = working.calls.get(call.id)
    if (now !== undefined && now === bare[at]) working.calls.set(call.id, call)
  }
  return result
}
