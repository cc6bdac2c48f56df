import { MissingRequiredClientCapabilityError, ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server'
import { timeOf } from '../../core/id.ts'
import { Problem } from '../../core/problem.ts'
import type { CallStatus, JsonObject } from '../../core/types.ts'
import type { Reply } from '../../pipeline/gateway.ts'
import { mustBeReady } from '../frame.ts'
import type { DoorParts } from '../frame.ts'
import { TASKS } from './exchange.ts'
import type { Exchange } from './exchange.ts'
import { callResult, stateInWords } from './results.ts'

/**
 * The Tasks extension (SEP-2663), where the client declares it: a call that goes on is a task, and its id is the call's.
 * Nothing is kept for it: the task is the call in the ledger, whichever replica is asked.
 */
export function taskOf({ envelope }: Reply): JsonObject {
  return { resultType: 'task', ...task(envelope), content: [{ type: 'text', text: stateInWords(envelope) }] }
}

function task(envelope: Reply['envelope']): JsonObject {
  const { call, entry, status } = envelope
  const made = timeOf(call) ?? 0
  return {
    taskId: call,
    // People decide, not the client: a held call needs no input of it, and is never put to it as a question.
    status: TASK_STATUS[status],
    statusMessage: stateInWords(envelope),
    createdAt: new Date(made).toISOString(),
    lastUpdatedAt: new Date(Math.max(timeOf(entry) ?? made, made)).toISOString(),
    // Calls are never deleted.
    ttlMs: null,
    pollIntervalMs: status === 'running' ? 1000 : 5000,
  }
}

/** A call that was refused is a task that completed, with a result that is an error. */
const TASK_STATUS: { readonly [status in CallStatus]: 'working' | 'completed' | 'cancelled' } = {
  held: 'working',
  running: 'working',
  unknown: 'working',
  needs_human: 'working',
  done: 'completed',
  refused: 'completed',
  denied: 'completed',
  rejected: 'completed',
  expired: 'completed',
  not_sent: 'completed',
  cancelled: 'cancelled',
}

/** `tasks/get`, `tasks/cancel`, `tasks/update`. @throws ProtocolError -32602 for a task that is none of this principal. */
export async function askTask(parts: DoorParts, exchange: Exchange): Promise<JsonObject> {
  const { gateway, scrub } = parts
  const { session, message, tasks } = exchange
  if (!tasks) throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS]: {} } } })
  const id = String(message.params['taskId'] ?? '')
  const reply = await gateway.show(session, id, 0).catch(unknownTask)
  if (message.method === 'tasks/get') {
    const at = task(reply.envelope)
    return at['status'] === 'completed'
      ? { ...at, result: { ...callResult(reply, scrub) } as unknown as JsonObject }
      : at
  }
  if (message.method === 'tasks/cancel' && reply.envelope.status === 'held') {
    mustBeReady(gateway)
    await gateway.cancel(session, id).catch(unknownTask)
  }
  // The acknowledgement says nothing more: what became of it, tasks/get says. An update has nothing to answer: no task asks.
  return {}
}

function unknownTask(error: unknown): never {
  if (error instanceof Problem && error.code === 'no_such_call') {
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'There is no such task of yours.', error.body())
  }
  throw error
}
