import type { Type } from '../expression.ts'
import { compileInput } from '../input-schema.ts'
import { NEVER_PASSED, parseAllowed, routeErrors } from '../route.ts'
import type { Allowed } from '../route.ts'
import { parseSize } from '../size.ts'
import { compileTemplate, templateOfText } from '../template.ts'
import type { Action, BackendSpec, Effect, Json, JsonObject, Recorded, Route } from '../types.ts'
import type { CompiledAction } from './actions.ts'
import { costAt } from './actions.ts'
import { durationAt, has, itemsAt, known, textAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { at, sound } from './place.ts'
import type { Piece } from './place.ts'
import { callScope } from './scopes.ts'
import type { Names } from './scopes.ts'

/**
 * A route is an action whose input is method, path, query and length of what the agent sends, so that every line of a
 * grant means in it what it means anywhere. Null where the document cannot be read.
 */
export function compileRoute(
  compiling: Compiling,
  name: string,
  piece: Piece,
  backends: ReadonlyMap<string, BackendSpec>,
  names: Names,
): CompiledAction | null {
  if (piece.document.unreadable) return null
  const before = compiling.report.list.length
  const backend = textAt(at(piece, 'backend'))
  if (backend !== null && known(compiling, 'backends', backend, at(piece, 'backend'))) {
    checkBackend(compiling, at(piece, 'backend'), backends.get(backend))
  }
  const effect: Effect = textAt(at(piece, 'effect')) === 'read' ? 'read' : 'write'
  const route: Route = {
    allow: allowAt(compiling, at(piece, 'allow')),
    headers: headersAt(compiling, at(piece, 'headers'), backends.get(backend ?? '')),
    request_max: sizeAt(compiling, at(piece, 'request_max'), '1MB'),
    record: {
      request: recordedAt(at(piece, 'record', 'request')),
      response: recordedAt(at(piece, 'record', 'response')),
    },
  }
  const [first] = route.allow
  const compiled = first === undefined ? null : compileInput(membersOf(route, first))
  const input = compiled?.ok === true ? compiled.input : null
  const type: Type = input?.type ?? 'any'
  const scope = callScope(names, type, { object: {} })
  const cost = costAt(compiling, at(piece, 'cost'), scope)
  const request = compileTemplate(REQUEST, scope, () => 'value')
  const summary = templateOfText('${input.method} ${input.path}', scope)
  const replay_ms = durationAt(compiling, at(piece, 'replay'), '7d')

  const errors = compiling.report.list.slice(before).some(({ severity }) => severity === 'error')
  const whole = sound(piece) && !errors && input !== null && first !== undefined && backend !== null
  const action: Action | null =
    !whole || !request.ok || !summary.ok
      ? null
      : {
          name,
          describe: textAt(at(piece, 'describe')) ?? '',
          effect,
          input: input.schema,
          validate(given) {
            const found = input.validate(given)
            return found.length > 0 ? found : routeErrors(route, given as JsonObject)
          },
          sensitive: [],
          example: { method: first.method, path: examplePath(first) },
          backend,
          facts: [],
          cost,
          summary: summary.template,
          request: request.template,
          recheck: null,
          keep: ['outcome', 'status', 'request', 'response', 'reason'],
          undo: 'none',
          replay_ms,
          route,
        }
  return {
    name,
    action,
    input: type,
    facts: { object: {} },
    effect,
    cost,
    priced: has(at(piece, 'cost')),
    attributes: [],
    streamed: true,
  }
}

const REQUEST: Json = { method: '${input.method}', path: '${input.path}', query: '${input.query?}' }

function membersOf({ allow, request_max }: Route, first: Allowed): JsonObject {
  return {
    method: { enum: [...new Set(allow.map(({ method }) => method))] },
    path: { type: 'string', maxLength: 2000, example: examplePath(first) },
    'query?': { type: 'string', maxLength: 4000, example: 'limit=10' },
    'length?': { type: 'integer', minimum: 0, maximum: request_max, description: 'Of the body, where it is said.' },
  }
}

function examplePath({ path }: Allowed): string {
  return path.replaceAll('*', 'x')
}

function checkBackend({ report, adapters }: Compiling, piece: Piece, backend: BackendSpec | undefined): void {
  if (backend === undefined || adapters[backend.adapter]?.request['x-streams'] === true) return
  const streaming = Object.entries(adapters).flatMap(([name, { request }]) =>
    request['x-streams'] === true ? [name] : [],
  )
  report.error(
    piece,
    `\`${backend.name}\` has adapter \`${backend.adapter}\`, which sends whole requests; a route passes them on as they come`,
    `name a backend with adapter: ${streaming.join(' or ') || 'proxy'}`,
  )
}

function allowAt({ report }: Compiling, piece: Piece): Allowed[] {
  const seen = new Set<string>()
  return itemsAt(piece).flatMap((item) => {
    const text = textAt(item)
    if (text === null) return []
    const line = parseAllowed(text)
    if (line === null) {
      const hint = 'segments of letters, digits and . _ ~ : @ -, or `*` alone; no query, no encoding, no dots alone'
      report.error(item, 'this is not a path that has one spelling only', hint)
      return []
    }
    if (seen.has(text)) report.error(item, 'this stands in the list already', 'keep one of the two')
    seen.add(text)
    return [line]
  })
}

function headersAt({ report }: Compiling, piece: Piece, backend: BackendSpec | undefined): string[] {
  const own = headerOfCredential(backend)
  return itemsAt(piece).flatMap((item) => {
    const name = textAt(item)?.toLowerCase()
    if (name === undefined) return []
    if (!NEVER_PASSED.test(name) && name !== own) return [name]
    report.error(item, `\`${name}\` is the gateway’s own, or says who asks for what`, 'take it out: it never passes')
    return []
  })
}

function headerOfCredential(backend: BackendSpec | undefined): string | null {
  const auth = backend?.config['auth']
  const header =
    typeof auth === 'object' && auth !== null && !Array.isArray(auth) ? (auth as JsonObject)['header'] : null
  return typeof header === 'string' ? header.toLowerCase() : null
}

function sizeAt({ report }: Compiling, piece: Piece, otherwise: string): number {
  const bytes = parseSize(textAt(piece) ?? otherwise)
  if (bytes === null) report.error(piece, 'this size is too large', 'write 16GB or less')
  return bytes ?? 0
}

function recordedAt(piece: Piece): Recorded {
  const text = textAt(piece)
  return text === 'body' || text === 'none' ? text : 'digest'
}

/** What no line of a grant can ask of a stream: it runs now, or not at all. */
export function checkRouteGrant({ report }: Compiling, piece: Piece, action: CompiledAction): void {
  if (!has(at(piece, 'approval'))) return
  report.error(
    at(piece, 'approval'),
    `${action.name} is a route: a stream cannot wait for people`,
    'write an action for what people must approve',
    'key',
  )
}
