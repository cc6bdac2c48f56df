import { isBeingTold, isOwed, joinName, takesJoins, TELLING_MS } from '../join.ts'
import type { Unnamed } from '../join.ts'
import type { Handed, HandOut, Join, Joined } from '../operations.ts'
import type { Call } from '../types.ts'
import { keyName, mark, namedCall } from '../working.ts'
import type { Working } from '../working.ts'

/**
 * A request without a key of its own joins the equal call that is open, or takes what came of one that nobody has been
 * told yet: once that was heard, an equal request is new work. In the transaction that decides, so that of two at once
 * only one is new, and only one is told.
 *
 * @param by the request. @returns undefined: it is work of its own.
 */
export function joins(working: Working, request: Unnamed, by: string): Exclude<Joined, { kind: 'alone' }> | undefined {
  const { principal, role, action, key } = request
  const name = key === null ? null : keyName(principal, role, action, key)
  // The SDK repeats its own request: surely the same one, whatever became of it.
  const repeated = name === null ? undefined : namedCall(working, name)
  const call = repeated ?? joinable(working, request)
  if (call === undefined) return undefined
  // New work if the other hears it, and the one to be told if not: nobody knows yet.
  if (repeated === undefined && isBeingTold(call, working.now)) return { kind: 'telling' }
  // Its own repeats find the call for ever, also when an equal request would be new work.
  if (name !== null && repeated === undefined) {
    working.keys.set(name, call.id)
    working.joined.set(name, call.id)
  }
  if (repeated !== undefined) return { kind: 'joined', call }
  if (isOwed(call)) return { kind: 'joined', call: tells(working, call, by), handed: true }
  return { kind: 'joined', call: call.join === 'owed' ? call : mark(working, { ...call, join: 'owed' }) }
}

/** The same before the decision, where a backend would otherwise be asked for facts in vain. */
export function joinsFirst(working: Working, operation: Join): Joined {
  return joins(working, operation, operation.by) ?? { kind: 'alone' }
}

/**
 * What came of a call is about to be told to somebody who asked without a key: until it is known whether they heard it,
 * an equal request waits. Were we to crash in between, the next one is told, once nobody can be on the way any more.
 */
export function handsOut(working: Working, { call: id, by, went }: HandOut): Handed {
  const call = working.calls.get(id)
  if (call === undefined) return { kind: 'no_such_call' }
  const { telling: _over, ...rest } = call
  // The same request again, or one that joined while it was open: each of them is told.
  if (went === undefined && isOwed(call)) return { kind: 'marked', call: tells(working, call, by) }
  // One who heard it is enough.
  if (went === 'told' && isOwed(call)) return { kind: 'marked', call: mark(working, { ...rest, join: 'handed' }) }
  // Somebody else may be on the way by now.
  if (went === 'back' && call.join === 'telling' && call.telling?.by === by)
    return { kind: 'marked', call: mark(working, { ...rest, join: 'owed' }) }
  return { kind: 'as_it_was', call }
}

function tells(working: Working, call: Call, by: string): Call {
  return mark(working, { ...call, join: 'telling', telling: { by, until: working.now + TELLING_MS } })
}

/** Of several, one of which something is to be told already, else the oldest. */
function joinable(working: Working, request: Unnamed): Call | undefined {
  const wanted = joinName(request)
  const found = [...working.calls.values()].filter((call) => takesJoins(call) && joinName(call) === wanted)
  return (
    found.find(({ join }) => join === 'owed' || join === 'telling') ?? found.sort((a, b) => (a.id < b.id ? -1 : 1))[0]
  )
}
