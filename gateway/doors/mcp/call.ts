import { Problem } from '../../core/problem.ts'
import { REQUEST_KEY } from '../../core/tool.ts'
import type { Json, JsonObject } from '../../core/types.ts'
import type { CallRequest, Reply } from '../../pipeline/gateway.ts'
import { mustBeReady } from '../frame.ts'
import type { DoorParts } from '../frame.ts'
import { isKey } from '../headers.ts'
import { allErrors, inputErrors, keyError, withErrors } from '../input-errors.ts'
import type { Exchange } from './exchange.ts'
import { isObject } from './message.ts'
import { stateInWords } from './results.ts'
import { actionOf } from './tools.ts'

/** How long a call is waited for, people included: a client drops a request after about a minute. */
const WAIT_MS = 20_000
/** A client that can take a task waits for a running call only. */
const TASK_WAIT_MS = 10_000
/** How often whoever asked for it hears how the call stands. */
const STEP_MS = 2_000

/**
 * A tool of the role, asked as every action is: by `gateway.call`. Unknown tools go the same way, so that they are
 * refused as ungranted ones are, with an entry. The call goes on whatever becomes of the client.
 *
 * @throws Problem what the door itself refuses; whatever the pipeline throws.
 */
export async function askFor({ gateway }: DoorParts, exchange: Exchange): Promise<Reply> {
  const { session, progress, tasks } = exchange
  mustBeReady(gateway)
  const request = asked(gateway.policy(), exchange)
  if (tasks) return gateway.call(session, { ...request, wait_ms: TASK_WAIT_MS })
  if (progress === null) return gateway.call(session, { ...request, wait_ms: WAIT_MS, wait_held: true })

  const first = await gateway.call(session, { ...request, wait_ms: STEP_MS })
  let reply = first
  for (let waited = 0; waited < WAIT_MS && goesOn(reply); waited += STEP_MS) {
    progress(stateInWords(reply.envelope))
    try {
      reply = await gateway.show(session, first.envelope.call, STEP_MS)
    } catch {
      // The call is in the ledger already: how it stood last is the answer, whatever keeps us from looking again.
      return reply
    }
  }
  return { ...reply, replayed: first.replayed }
}

export function goesOn({ envelope, problem }: Reply): boolean {
  return problem === null && ['held', 'running', 'unknown'].includes(envelope.status)
}

/** The call that the arguments ask for, and what they got wrong that only their text shows. */
function asked(policy: ReturnType<DoorParts['gateway']['policy']>, exchange: Exchange): CallRequest {
  const { session, message, notDigits } = exchange
  const tool = String(message.params['name'])
  const action = actionOf(policy, session.role, tool)
  const given = message.params['arguments'] ?? {}
  if (action === undefined) return { action: tool, input: given, key: null, wait_ms: 0 }
  const { sent, input } = split(given)
  const errors = inputErrors({ value: input, notDigits: ofArguments(notDigits) })
  const known = policy.actions.get(action)
  const others = () => allErrors(known, input, errors)
  const key = withErrors(() => keyOf(sent, known?.effect !== 'read'), others)
  return { action, input, key, wait_ms: 0, ...(errors.length > 0 ? { unreadable: others() } : {}) }
}

/** @throws Problem malformed for a key that is none: a wrong one must never pass as another; key_required. */
function keyOf(sent: Json | undefined, needed: boolean): string | null {
  const none = sent === undefined || sent === null || sent === ''
  if (none && needed) {
    throw new Problem('key_required', 'Add request_key: a name for this one effect; repeat it on every retry.', {
      errors: [keyError(REQUEST_KEY, 'nothing')],
    })
  }
  if (none) return null
  if (typeof sent === 'string' && isKey(sent)) return sent
  throw new Problem('malformed', 'A request_key has 1 to 255 visible ASCII characters.', {
    errors: [keyError(REQUEST_KEY, `a ${typeof sent}`)],
  })
}

function split(given: Json): { readonly sent: Json | undefined; readonly input: Json } {
  if (!isObject(given) || !Object.hasOwn(given, REQUEST_KEY)) return { sent: undefined, input: given }
  // Not a copy by assignment: a member named __proto__ stays a member.
  const members = Object.entries(given).filter(([name]) => name !== REQUEST_KEY)
  return { sent: given[REQUEST_KEY], input: Object.fromEntries(members) satisfies JsonObject }
}

function ofArguments(notDigits: Exchange['notDigits']): Exchange['notDigits'] {
  return notDigits.flatMap(({ path, text }) => {
    const [, below] = /^params\.arguments\.?(.+)$/s.exec(path) ?? []
    return below === undefined || below === REQUEST_KEY ? [] : [{ path: below, text }]
  })
}
