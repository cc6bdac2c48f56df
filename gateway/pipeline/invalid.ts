import { isTooMuch } from '../core/policy/input-errors.ts'
import type { ProblemMembers } from '../core/problem.ts'
import type { Action, InputError } from '../core/types.ts'
import type { CallRequest } from './gateway.ts'

/** All that is wrong with an input. A door that found it out from the text has looked at the rest too. */
export function invalid(
  action: Pick<Action, 'validate'>,
  { input, unreadable = [] }: Pick<CallRequest, 'input' | 'unreadable'>,
): readonly InputError[] {
  return unreadable.length > 0 ? unreadable : action.validate(input)
}

/** What a refused input is told: where an amount is too large nothing is to be mended, and no other amount is said. */
export function invalidMembers(errors: readonly InputError[]): ProblemMembers {
  return errors.some(isTooMuch) ? { errors, retry: 'never' } : { errors }
}
