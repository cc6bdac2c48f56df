import type { ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { Type } from './expression.ts'
import { fitted, inputErrors, measure, MOST, withMeant } from './policy/input-errors.ts'
import { exampleOf, membersOf } from './policy/member.ts'
import type { Member } from './policy/member.ts'
import { memberProblems } from './policy/member-problems.ts'
import type { MemberProblem } from './policy/member-problems.ts'
import { linearEngine, linearPattern } from './policy/pattern.ts'
import { respelt } from './policy/respelt.ts'
import type { InputError, JsonObject, JsonSchema } from './types.ts'

/** A compiled `input:` of an action. */
export interface InputSchema {
  /** JSON Schema 2020-12 for clients: closed, every size bounded. */
  readonly schema: JsonSchema
  /** Empty: valid. All errors at once, at most 50. Never throws, whatever the input is. */
  readonly validate: (input: unknown) => readonly InputError[]
  /** Top-level members that are sensitive, or hold something that is. */
  readonly sensitive: readonly string[]
  /** Validates. */
  readonly example: JsonObject
  /** What expressions and templates see. */
  readonly type: Type
}

/**
 * Compiles the members of an `input:` that has the shape of the language. The validator itself is compiled at its first
 * use: a policy has more actions than one process calls.
 *
 * @param priced members that the cost is made from: where they ask for too much, no other amount is said.
 */
export function compileInput(
  members: JsonObject,
  priced: readonly string[] = [],
):
  | { readonly ok: true; readonly input: InputSchema; readonly warnings: readonly MemberProblem[] }
  | { readonly ok: false; readonly problems: readonly MemberProblem[] } {
  const root: Member = { kind: 'object', members: membersOf(members), sensitive: false }
  const problems = memberProblems(root, [])
  if (problems.some(({ warning }) => warning !== true)) return { ok: false, problems }
  const schema: JsonSchema = { $schema: 'https://json-schema.org/draft/2020-12/schema', ...schemaOf(root) }
  let check: ValidateFunction | null = null
  const validate = (input: unknown): readonly InputError[] => {
    const oversized: InputError[] = []
    measure(root, input, 'input', oversized)
    if (oversized.length >= MOST) return oversized
    // Patterns, formats and uniqueness are judged only where sizes are bounded: what is too large has something in its
    // place that fits.
    const bounded = oversized.length === 0 ? input : fitted(root, input)
    check ??= compileSchema(schema)
    if (oversized.length === 0 && check(input)) return []
    const judge = (value: unknown) =>
      check?.(value) === false ? inputErrors(check.errors ?? [], root, value, priced) : []
    const others = judge(bounded)
    const spelt = respelt(root, bounded)
    const meant = spelt.paths.length === 0 ? others : withMeant(others, judge(spelt.value), spelt.paths)
    return [...oversized, ...meant].slice(0, MOST)
  }
  const sensitive = root.members.filter(({ member }) => holdsSensitive(member)).map(({ name }) => name)
  const example = exampleOf(root) as JsonObject
  if (hasOwnExample(root)) {
    const [wrong] = validate(example)
    if (wrong !== undefined)
      return {
        ok: false,
        problems: [{ path: [], message: `the example of \`${wrong.path}\` does not fit: wanted ${wrong.want}` }],
      }
  }
  return { ok: true, warnings: problems, input: { schema, validate, sensitive, example, type: typeOf(root) } }
}

function compileSchema(schema: JsonSchema): ValidateFunction {
  // One instance per schema: nothing is kept when a policy is replaced.
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    strict: true,
    ownProperties: true,
    meta: false,
    validateSchema: false,
    logger: false,
    code: { regExp: linearEngine },
  })
  addFormats.default(ajv, ['uuid', 'date', 'date-time'])
  ajv.addFormat('email', EMAIL)
  return ajv.compile(schema)
}

/** Linear; the pattern of ajv-formats is not. */
const email = linearPattern(
  "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$",
)
const EMAIL = (text: string): boolean => text.length <= 254 && email.test(text)

// ---------------------------------------------------------------- what clients see

function schemaOf(member: Member): JsonSchema {
  const described: JsonSchema = member.description === undefined ? {} : { description: member.description }
  switch (member.kind) {
    case 'object':
      return {
        type: 'object',
        ...described,
        properties: Object.fromEntries(member.members.map(({ name, member: part }) => [name, schemaOf(part)])),
        required: member.members.filter(({ optional }) => !optional).map(({ name }) => name),
        additionalProperties: false,
      }
    case 'array':
      return { type: 'array', ...described, items: schemaOf(member.items), ...member.keywords }
    default:
      return { type: member.kind, ...described, ...member.keywords }
  }
}

function typeOf(member: Member): Type {
  const values = member.kind === 'object' || member.kind === 'array' ? undefined : member.keywords['enum']
  switch (member.kind) {
    case 'object':
      return {
        object: Object.fromEntries(
          member.members.map(({ name, optional, member: part }) => [
            name,
            optional ? { optional: typeOf(part) } : typeOf(part),
          ]),
        ),
      }
    case 'array':
      return { list: typeOf(member.items) }
    case 'integer':
      return 'int'
    case 'number':
      return 'double'
    case 'boolean':
      return 'bool'
    default:
      if (Array.isArray(values)) return { enum: values.map(String) }
      return typeof member.keywords['const'] === 'string' ? { enum: [member.keywords['const']] } : 'string'
  }
}

function hasOwnExample(member: Member): boolean {
  if (member.written?.['example'] !== undefined) return true
  if (member.kind === 'object') return member.members.some(({ member: part }) => hasOwnExample(part))
  return member.kind === 'array' && hasOwnExample(member.items)
}

function holdsSensitive(member: Member): boolean {
  if (member.sensitive) return true
  if (member.kind === 'object') return member.members.some(({ member: part }) => holdsSensitive(part))
  return member.kind === 'array' && holdsSensitive(member.items)
}
