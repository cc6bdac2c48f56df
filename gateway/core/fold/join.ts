import { isOwed, joinName, takesJoins } from '../join.ts'
import type { Unnamed } from '../join.ts'
import type { Handed, HandOut, Join, Joined } from '../operations.ts'
import type { Call } from '../types.ts'
import { keyName, mark, namedCall } from '../working.ts'
import type { Working } from '../working.ts'

/**
 * A request without a key of its own joins the equal call that is open, or takes what came of one that nobody has been
 * told yet: from then on that is told, and an equal request is new work. In the transaction that decides, so that of two
 * at once only one is new, and only one is told.
 *
 * @returns undefined: it is work of its own.
 */
export function joins(working: Working, request: Unnamed): Extract<Joined, { kind: 'joined' }> | undefined {
  const { principal, role, action, key } = request
  const name = key === null ? null : keyName(principal, role, action, key)
  // The SDK repeats its own request: surely the same one, whatever became of it.
  const repeated = name === null ? undefined : namedCall(working, name)
  const call = repeated ?? joinable(working, request)
  if (call === undefined) return undefined
  // Its own repeats find the call for ever, also when an equal request would be new work.
  if (name !== null && repeated === undefined) {
    working.keys.set(name, call.id)
    working.joined.set(name, call.id)
  }
  if (repeated !== undefined) return { kind: 'joined', call }
  if (isOwed(call)) return { kind: 'joined', call: mark(working, { ...call, join: 'handed' }), handed: true }
  return { kind: 'joined', call: call.join === 'owed' ? call : mark(working, { ...call, join: 'owed' }) }
}

/** The same before the decision, where a backend would otherwise be asked for facts in vain. */
export function joinsFirst(working: Working, operation: Join): Joined {
  return joins(working, operation) ?? { kind: 'alone' }
}

/**
 * What came of a call is about to be told to somebody who asked without a key. Were we to crash after it, that request's
 * own repeat still gets it; anybody else's is new work. `back`: it was not told after all.
 */
export function handsOut(working: Working, { call: id, back = false }: HandOut): Handed {
  const call = working.calls.get(id)
  if (call === undefined) return { kind: 'no_such_call' }
  if (back && call.join === 'handed') return { kind: 'marked', call: mark(working, { ...call, join: 'owed' }) }
  if (!back && isOwed(call)) return { kind: 'marked', call: mark(working, { ...call, join: 'handed' }) }
  return { kind: 'as_it_was', call }
}

/** Of several, one that is owed already, else the oldest. */
function joinable(working: Working, request: Unnamed): Call | undefined {
  const wanted = joinName(request)
  const found = [...working.calls.values()].filter((call) => takesJoins(call) && joinName(call) === wanted)
  return found.find(({ join }) => join === 'owed') ?? found.sort((a, b) => (a.id < b.id ? -1 : 1))[0]
}
