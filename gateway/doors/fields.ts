import { Problem } from '../core/problem.ts'
import type { InputError, Json } from '../core/types.ts'
import type { JsonBody } from './read-body.ts'

/** One member of a small request body: what is wanted, in words, and the value or undefined. */
export interface Field<Value> {
  readonly want: string
  readonly read: (value: Json) => Value | undefined
  /** What a member that is not there stands for; without this it must be there. */
  readonly absent?: Value
}
type Values<Fields> = { readonly [name in keyof Fields]: Fields[name] extends Field<infer Value> ? Value : never }

/**
 * A closed object of a few members.
 *
 * @throws Problem input_invalid with all errors at once.
 */
export function readFields<Fields extends { readonly [name: string]: Field<unknown> }>(
  { value, notDigits }: JsonBody,
  fields: Fields,
): Values<Fields> {
  const errors: InputError[] = notDigits.map(({ path, text }) => ({
    path,
    got: text,
    want: 'an integer written in digits',
  }))
  const object =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as { [name: string]: Json }) : null
  if (object === null) errors.push({ path: '', got: kindOf(value), want: 'an object' })
  const read: { [name: string]: unknown } = {}
  for (const [name, field] of Object.entries(fields)) {
    const given = object !== null && Object.hasOwn(object, name) ? object[name] : undefined
    read[name] = given === undefined ? field.absent : field.read(given)
    if (object !== null && read[name] === undefined) errors.push({ path: name, got: kindOf(given), want: field.want })
  }
  for (const name of Object.keys(object ?? {}).filter((one) => !Object.hasOwn(fields, one))) {
    errors.push({
      path: name.slice(0, 100),
      got: 'a member',
      want: `only ${Object.keys(fields).join(', ') || 'nothing'}`,
    })
  }
  if (errors.length > 0) throw new Problem('input_invalid', 'The body does not fit.', { errors: errors.slice(0, 20) })
  return read as Values<Fields>
}

/** Text that people will read: something in it, and not a novel. */
export const reason: Field<string> = {
  want: 'a text of 1 to 500 characters',
  read: (value) => (typeof value === 'string' && value.trim() !== '' && value.length <= 500 ? value : undefined),
}

/** The same, or nothing: ''. */
export const reasonIfAny: Field<string> = { ...reason, absent: '' }

export const name: Field<string> = {
  want: 'a text of 1 to 200 characters',
  read: (value) => (typeof value === 'string' && value !== '' && value.length <= 200 ? value : undefined),
}

export const flag: Field<boolean> = {
  want: 'true or false',
  read: (value) => (typeof value === 'boolean' ? value : undefined),
}

export const outcome: Field<'done' | 'refused'> = {
  want: '"done" or "refused"',
  read: (value) => (value === 'done' || value === 'refused' ? value : undefined),
}

function kindOf(value: Json | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
