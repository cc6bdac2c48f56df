import type { Problem } from '../../core/problem.ts'
import type { NotDigits } from '../../core/strict-json.ts'
import type { Json, Session } from '../../core/types.ts'
import type { DoorParts } from '../frame.ts'
import { isRefusedAtTheDoor, toProblem } from '../problem.ts'
import { isObject } from './message.ts'
import type { Message } from './message.ts'

/** One HTTP request: who asks, and what, as it was read strictly. The protocol's library sees a copy. */
export interface Exchange {
  readonly session: Session
  readonly message: Message
  readonly notDigits: readonly NotDigits[]
  /** The address that it came from. */
  readonly source: string
  /** Tells how it stands to whoever waits and asked for it; null where nobody did. */
  readonly progress: ((message: string) => void) | null
  /** Whether the client declared that it can take a task for an answer. */
  readonly tasks: boolean
}

/** What is thrown while a tool works, as a problem: written down as at every door. */
export function toldProblem({ gateway, fault }: DoorParts, source: string, error: unknown): Problem {
  const problem = toProblem(error)
  if (problem.code === 'internal') fault(error)
  if (isRefusedAtTheDoor(problem.code)) gateway.refused(problem.code, source)
  return problem
}

export const TASKS = 'io.modelcontextprotocol/tasks'
export const CLIENT_CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'

/** Whether the request's own `_meta` declares the Tasks extension (SEP-2663: for each request anew). */
export function declaresTasks({ params }: Message): boolean {
  return isObject(within(params, ['_meta', CLIENT_CAPABILITIES, 'extensions', TASKS]))
}

function within(value: Json | undefined, [name, ...rest]: readonly string[]): Json | undefined {
  if (name === undefined) return value
  return isObject(value) && Object.hasOwn(value, name) ? within(value[name], rest) : undefined
}
