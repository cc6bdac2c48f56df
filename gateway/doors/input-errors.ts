import type { InputError, Json } from '../core/types.ts'
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
