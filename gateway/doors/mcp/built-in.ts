import { Problem } from '../../core/problem.ts'
import { toolName } from '../../core/tool.ts'
import type { BuiltInTool } from '../../core/tool.ts'
import type { InputError, Json, JsonObject } from '../../core/types.ts'
import { mustBeReady } from '../frame.ts'
import type { DoorParts } from '../frame.ts'
import { sessionBody } from '../session-body.ts'
import type { Exchange } from './exchange.ts'
import { isObject } from './message.ts'
import { resultOf, stateResult } from './results.ts'
import type { ToolResult } from './results.ts'

/** The gateway's own tools: they look at calls, take them back, and say what is left. None leads to an effect. */
export async function askGateway(parts: DoorParts, exchange: Exchange, tool: BuiltInTool): Promise<ToolResult> {
  const { gateway, scrub, now } = parts
  const { session, message } = exchange
  const given = message.params['arguments'] ?? {}
  switch (tool) {
    case 'call_status': {
      const { call, wait = 0 } = read(given, ['call', 'wait'])
      return stateResult(await gateway.show(session, call, wait * 1000), scrub)
    }
    case 'call_cancel': {
      const { call } = read(given, ['call'])
      mustBeReady(gateway)
      return stateResult(await gateway.cancel(session, call), scrub)
    }
    case 'limits': {
      read(given, [])
      const views = await gateway.actions(session)
      const tools = views.map(({ name, limits }) => ({ tool: toolName(name), action: name, limits }))
      return resultOf({ role: session.role, tools }, scrub)
    }
    case 'session_info':
      read(given, [])
      return resultOf(sessionBody(session, now()), scrub)
  }
}

/** @throws Problem input_invalid with all errors at once. */
function read(given: Json, names: readonly string[]): { readonly call: string; readonly wait?: number } {
  const errors: InputError[] = []
  const { call, wait, ...others }: JsonObject = isObject(given) ? given : {}
  if (!isObject(given)) errors.push({ path: 'input', got: 'no object', want: 'an object', example: {} })
  else if (names.includes('call') && !(typeof call === 'string' && /^call_[0-9A-Za-z]{1,40}$/.test(call))) {
    errors.push({ path: 'input.call', got: call === undefined ? 'nothing' : 'another value', want: 'an id: call_…' })
  }
  if (
    wait !== undefined &&
    names.includes('wait') &&
    !(Number.isInteger(wait) && Number(wait) >= 0 && Number(wait) <= 20)
  ) {
    errors.push({ path: 'input.wait', got: 'another value', want: 'an integer from 0 to 20', example: 20 })
  }
  const strange = Object.entries({
    ...others,
    ...(call === undefined ? {} : { call }),
    ...(wait === undefined ? {} : { wait }),
  })
  for (const [name] of strange.filter(([one]) => !names.includes(one))) {
    errors.push({ path: `input.${name.slice(0, 100)}`, got: 'a member', want: `only ${names.join(', ') || 'nothing'}` })
  }
  if (errors.length > 0) {
    throw new Problem('input_invalid', 'The arguments do not fit: see errors.', { errors: errors.slice(0, 20) })
  }
  return { call: String(call), ...(typeof wait === 'number' ? { wait } : {}) }
}
