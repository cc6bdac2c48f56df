import { anonymous, endpointsOf, SHAPES, textOf } from '../endpoint.ts'
import type { InputSchema } from '../input-schema.ts'
import type { TypeScope } from '../expression.ts'
import type { Action, Effect, Endpoint, Grant, Json, JsonObject, Source } from '../types.ts'
import { checkTaken, membersOf } from './compat-parameters.ts'
import { entriesAt, has, templateAt, textAt, textsAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { didYouMean } from './finding.ts'
import { at, sound, valueAt } from './place.ts'
import type { Piece } from './place.ts'

/** The endpoints of an action, by shape. A second endpoint for the same requests is a finding. */
export function compileCompat(
  compiling: Compiling,
  piece: Piece,
  input: InputSchema | null,
  scope: TypeScope,
  effect: Effect | null,
): { readonly [shape: string]: readonly Endpoint[] } {
  const { report, shapes = SHAPES } = compiling
  const compat: { [shape: string]: Endpoint[] } = {}
  if (effect === 'lease' && has(piece))
    report.error(piece, 'a credential is given out at the gateway’s own doors alone', 'leave `compat` out', 'key')
  for (const [shape, place] of entriesAt(piece)) {
    if (!shapes.includes(shape))
      report.error(place, `no door has the shape \`${shape}\``, didYouMean(shape, shapes), 'key')
    const endpoints: Endpoint[] = []
    for (const [text, mapping] of entriesAt(place)) {
      const endpoint = endpointAt(compiling, text, mapping, input, scope)
      if (endpoint === null) continue
      if (endpoint.method === 'GET' && effect !== 'read')
        report.error(
          mapping,
          '`GET` only reads, and clients repeat it as they like',
          'write POST, PUT or DELETE',
          'key',
        )
      const twin = endpoints.find((other) => anonymous(other) === anonymous(endpoint))
      if (twin !== undefined) report.error(mapping, `this is ${textOf(twin)} again`, 'keep one of the two', 'key')
      endpoints.push(endpoint)
    }
    compat[shape] = endpoints
  }
  return compat
}

/** Two granted actions of one role must not stand at one endpoint: a request there would mean either. */
export function checkEndpoints(
  { report, shapes = SHAPES }: Compiling,
  grants: ReadonlyMap<string, Grant>,
  actions: ReadonlyMap<string, Action>,
  placeOf: (action: string) => Piece,
): void {
  for (const shape of shapes) {
    const first = new Map<string, string>()
    for (const { action, endpoint } of endpointsOf(shape, grants, actions)) {
      const other = first.get(anonymous(endpoint))
      if (other !== undefined && other !== action.name) {
        report.error(
          placeOf(action.name),
          `\`${action.name}\` and \`${other}\` both stand at ${textOf(endpoint)} of the shape \`${shape}\``,
          'grant one of the two, or give one of them another endpoint',
          'key',
        )
      }
      first.set(anonymous(endpoint), action.name)
    }
  }
}

function endpointAt(
  compiling: Compiling,
  text: string,
  piece: Piece,
  input: InputSchema | null,
  scope: TypeScope,
): Endpoint | null {
  if (!sound(piece) || input === null) return null
  const [method = '', path = ''] = text.split(' ')
  const sources: { [member: string]: Source } = {}
  for (const [member, place] of entriesAt(at(piece, 'input'))) {
    const source = sourceAt(compiling, member, place, input)
    if (source !== null) sources[member] = source
  }
  const ignore = textsAt(at(piece, 'ignore'))
  const answer = at(piece, 'answer')
  const answerScope: TypeScope = { output: 'any', input: scope['input'] ?? 'any', call: scope['call'] ?? 'any' }
  const endpoint: Endpoint = {
    method: method as Endpoint['method'],
    path,
    input: sources,
    ignore,
    answer: has(answer) ? templateAt(compiling, answer, valueAt(answer) ?? null, answerScope, () => 'value') : null,
    add: (valueAt(at(piece, 'add')) ?? {}) as JsonObject,
  }
  checkTaken(compiling, piece, endpoint, input)
  return endpoint
}

function sourceAt({ report }: Compiling, member: string, piece: Piece, input: InputSchema): Source | null {
  const members = Object.keys(membersOf(input))
  if (!members.includes(member)) {
    report.error(piece, `the input has no member \`${member}\``, didYouMean(member, members), 'key')
    return null
  }
  const from = textAt(piece)
  if (from !== null) return { from }
  const always = valueAt(at(piece, 'always'))
  const otherwise = valueAt(at(piece, 'otherwise'))
  const named = textAt(at(piece, 'from'))
  if (always !== undefined) {
    if (named !== null || otherwise !== undefined)
      report.error(
        piece,
        'what is `always` the same comes from no parameter',
        'keep `always`, or `from` and `otherwise`',
      )
    fits(report, at(piece, 'always'), member, always, input)
    return { always }
  }
  if (otherwise !== undefined) fits(report, at(piece, 'otherwise'), member, otherwise, input)
  return { from: named ?? member, ...(otherwise === undefined ? {} : { otherwise }) }
}

function fits(report: Compiling['report'], piece: Piece, member: string, value: Json, input: InputSchema): void {
  const path = `input.${member}`
  const wrong = input.validate({ ...input.example, [member]: value }).find((error) => error.path === path)
  if (wrong !== undefined) report.error(piece, `\`${member}\` cannot be this: wanted ${wrong.want}`)
}
