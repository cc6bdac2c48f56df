import { Problem } from '../core/problem.ts'
import type { Action, InputError, Json } from '../core/types.ts'
import type { JsonBody } from './read-body.ts'

/**
 * What only the raw text of an input shows: that it is no object, or holds an integer in another notation than digits
 * (1e3, 1.0, -0). The pipeline refuses it with the rest, so that the refusal has its entry.
 */
export function inputErrors({ value, notDigits }: JsonBody): InputError[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const got = value === null ? 'null' : Array.isArray(value) ? 'a list' : `a ${typeof value}`
    return [{ path: 'input', got, want: 'an object' }]
  }
  return notDigits.slice(0, 20).map(({ path, text }) => ({
    path: path.startsWith('[') ? `input${path}` : `input.${path}`,
    got: text,
    want: 'an integer written in digits',
    example: Number(text) === 0 ? 0 : (Number(text) satisfies Json),
  }))
}

/**
 * All that is wrong with an input: what its values show to the action's schema, and what only its text shows.
 *
 * @param text of `inputErrors`.
 */
export function allErrors(action: Action | undefined, input: Json, text: readonly InputError[]): InputError[] {
  const found = action?.validate(input) ?? []
  const places = new Set(found.map(({ path }) => path))
  return [...found, ...text.filter(({ path }) => !places.has(path))].slice(0, MOST)
}

/** More errors than this help nobody. */
const MOST = 50

/**
 * Hands on what a door throws, with all else that is wrong beside it: whoever mends it mends all of it at once.
 *
 * @throws what `read` throws.
 */
export function withErrors<Value>(read: () => Value, others: () => readonly InputError[]): Value {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const errors = [...(error.members.errors ?? []), ...others()]
    throw new Problem(error.code, error.message, { ...error.members, ...(errors.length > 0 ? { errors } : {}) })
  }
}

/** What a request key must be, wherever it stands. */
export function keyError(path: string, got: string): InputError {
  return { path, got, want: 'a name for this one effect: 1 to 255 visible ASCII characters', example: 'T-481/refund-1' }
}
