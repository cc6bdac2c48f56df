import type { Router } from 'express'
import { PROBLEMS } from '../core/problem.ts'
import type { Code } from '../core/problem.ts'
import type { Json, JsonObject, JsonSchema, Session } from '../core/types.ts'
import type { ActionView, RouteView } from '../pipeline/gateway.ts'
import { newRouter } from './frame.ts'
import type { DoorParts, Route } from './frame.ts'
import { WAIT_MAX_S } from './headers.ts'
import { readQuery } from './query.ts'

/**
 * `GET /openapi.json`: what the role of the session that asks can do, as OpenAPI 3.1. Another role has another document,
 * so it needs a token as all else does.
 */
export function openApiRoute({ gateway, identity }: DoorParts, route: Route): Router {
  const router = newRouter()
  router.get(
    '/openapi.json',
    route(async (request) => {
      const session = await identity.authenticate(request.headers.authorization)
      readQuery(request, [])
      const [actions, routes] = await Promise.all([gateway.actions(session), gateway.routes(session)])
      const body = openApi(session, gateway.policy().digest, actions, routes)
      return { status: 200, type: 'application/openapi+json', body }
    }),
  )
  return router
}

/** https://spec.openapis.org/oas/v3.1.1: its schemas are JSON Schema 2020-12, so those of the actions stand as they are. */
function openApi(
  session: Session,
  policy: string,
  actions: readonly ActionView[],
  routes: readonly RouteView[],
): JsonObject {
  return {
    openapi: '3.1.1',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: `Keystay: ${session.role}`,
      summary: `The actions of the role ${session.role}.`,
      description:
        'Each action is one narrow thing that can be asked. A request key names one effect: a retry with the same key never acts twice.',
      version: policy,
    },
    servers: [{ url: '/' }],
    security: [{ session: [] }],
    tags: ['actions', ...(routes.length > 0 ? ['routes'] : []), 'calls', 'session'].map((name) => ({ name })),
    paths: {
      ...Object.fromEntries(actions.map((action) => [`/v1/actions/${action.name}`, { post: actionOf(action) }])),
      ...routePaths(routes),
      '/v1/actions': { get: read('actions', 'listActions', 'The actions of this role, with what is left of limits.') },
      '/v1/calls': {
        get: {
          ...read('calls', 'listCalls', 'The calls of this principal and role, newest first.'),
          parameters: [
            query('status', { type: 'string', enum: STATUSES }),
            query('key', KEY),
            query('since', { type: 'string', format: 'date-time' }),
          ],
        },
      },
      '/v1/calls/{call}': {
        get: {
          ...read('calls', 'getCall', 'One call as it stands now; always 200, whatever became of it.', CALL),
          parameters: [callId(), query('wait', { type: 'integer', minimum: 0, maximum: WAIT_MAX_S })],
        },
      },
      '/v1/calls/{call}/cancel': {
        post: { ...read('calls', 'cancelCall', 'Takes a held call back.', CALL), parameters: [callId()] },
      },
      '/v1/session': {
        get: read('session', 'getSession', 'The role that this token holds, and until when.'),
        delete: {
          tags: ['session'],
          operationId: 'endSession',
          summary: 'Ends the session.',
          responses: { '204': { description: 'It has ended.' }, default: PROBLEM },
        },
      },
    },
    components: {
      securitySchemes: {
        session: { type: 'http', scheme: 'bearer', description: 'A session token (`kst_…`) of POST /oauth/token.' },
      },
      schemas: { Call: CALL_SCHEMA, Problem: PROBLEM_SCHEMA },
    },
  }
}

function actionOf(action: ActionView): JsonObject {
  const reads = action.effect === 'read'
  const output: JsonSchema = { allOf: [CALL, { type: 'object', properties: { output: action.output_schema } }] }
  return {
    tags: ['actions'],
    operationId: action.name.replaceAll('.', '_'),
    summary: (action.description.split(/(?<=\.) /)[0] ?? action.name).slice(0, 200),
    description: action.description,
    'x-keystay-effect': action.effect,
    'x-keystay-limits': action.limits as unknown as Json,
    ...(action.next === undefined ? {} : { 'x-keystay-next': action.next }),
    parameters: [
      header('Idempotency-Key', KEY, 'Names this one effect; the same on every retry of it.', !reads),
      header('Prefer', { type: 'string', examples: ['wait=10'] }, `wait=N: seconds to wait, at most ${WAIT_MAX_S}.`),
      header('Keystay-Dry-Run', { type: 'string', enum: ['true', 'false'] }, 'Decide only, where the grant allows it.'),
    ],
    requestBody: {
      required: true,
      content: { 'application/json': { schema: action.input_schema, example: action.example } },
    },
    responses: {
      '200': { description: 'Done.', content: json(output) },
      '202': { description: 'Held, running or in doubt: look again at Location.', content: json(CALL) },
      ...Object.fromEntries(
        [...codesByStatus()].map(([status, codes]) => [
          String(status),
          { description: codes.join(', '), content: PROBLEM.content },
        ]),
      ),
      default: PROBLEM,
    },
  }
}

/** A path of its own for each that a route lets through; what is asked and answered there is the backend's. */
function routePaths(routes: readonly RouteView[]): JsonObject {
  const paths: { [path: string]: { [method: string]: Json } } = {}
  for (const route of routes) {
    for (const line of route.allow) {
      const [method = '', below = ''] = line.split(' ')
      let stars = 0
      const path = `${route.at}${below === '/' ? '' : below}`.replaceAll('*', () => `{segment_${++stars}}`)
      const operation = routeOperation(route, line, stars)
      paths[path] = { ...paths[path], [method.toLowerCase()]: operation }
    }
  }
  return paths
}

function routeOperation(route: RouteView, line: string, stars: number): JsonObject {
  const reads = route.effect === 'read'
  const segments = Array.from({ length: stars }, (_, index) => ({
    name: `segment_${index + 1}`,
    in: 'path',
    required: true,
    schema: { type: 'string', pattern: '^[A-Za-z0-9._~:@-]+$' },
  }))
  const body = { content: { '*/*': {} }, description: `At most ${route.request_max} bytes.` }
  return {
    tags: ['routes'],
    summary: line,
    description: `${route.description} Passed on as it comes; the answer is the backend’s, as it streams.`,
    'x-keystay-route': route.name,
    'x-keystay-effect': route.effect,
    'x-keystay-limits': route.limits as unknown as Json,
    parameters: [
      ...segments,
      ...(reads ? [] : [header('Idempotency-Key', KEY, 'Names this one effect; the same on every retry of it.', true)]),
    ],
    ...(line.startsWith('GET ') ? {} : { requestBody: body }),
    responses: { '200': { description: 'What the backend answers.', content: { '*/*': {} } }, default: PROBLEM },
  }
}

/** What may answer a call, by status; what only people meet is left out. */
function codesByStatus(): Map<number, string[]> {
  const elsewhere: readonly Code[] = ['not_eligible', 'own_call', 'passkey_required', 'already_decided', 'card_changed']
  const byStatus = new Map<number, string[]>()
  for (const [code, { status }] of Object.entries(PROBLEMS).sort(([, a], [, b]) => a.status - b.status)) {
    if (!elsewhere.includes(code as Code)) byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return byStatus
}

function read(tag: string, operationId: string, summary: string, schema: JsonSchema = { type: 'object' }): JsonObject {
  const responses = { '200': { description: summary, content: json(schema) }, default: PROBLEM }
  return { tags: [tag], operationId, summary, responses }
}

function json(schema: JsonSchema): JsonObject {
  return { 'application/json': { schema } }
}

function query(name: string, schema: JsonSchema): JsonObject {
  return { name, in: 'query', schema }
}

function header(name: string, schema: JsonSchema, description: string, required = false): JsonObject {
  return { name, in: 'header', required, schema, description }
}

function callId(): JsonObject {
  return { name: 'call', in: 'path', required: true, schema: { type: 'string', pattern: '^call_[0-9A-Z]{26}$' } }
}

const KEY: JsonSchema = { type: 'string', minLength: 1, maxLength: 255, pattern: '^[!-~]+$' }
const STATUSES = 'held running unknown needs_human done refused denied rejected expired cancelled not_sent'.split(' ')
const CALL: JsonSchema = { $ref: '#/components/schemas/Call' }
const PROBLEM = {
  description: 'A problem (RFC 9457).',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}

const CALL_SCHEMA: JsonSchema = {
  type: 'object',
  description: 'One call as it stands now.',
  required: ['call', 'action', 'status', 'limits', 'session', 'entry'],
  properties: {
    call: { type: 'string' },
    action: { type: 'string' },
    status: { type: 'string', enum: STATUSES },
    output: true,
    output_gone: { const: true },
    evidence: { type: 'object', description: 'Ids in the backend’s own log, and who approved.' },
    limits: { type: 'array', items: { type: 'object' } },
    session: { type: 'object', properties: { expires_in: { type: 'integer' } } },
    entry: { type: 'string', description: 'The entry of the ledger.' },
    need: { type: 'array', items: { type: 'object' }, description: 'Whose yes is missing.' },
    expires_at: { type: 'string', format: 'date-time' },
    approve_at: { type: 'string' },
    detail: { type: 'string', description: 'Of a call in doubt: what not to do meanwhile.' },
    problem: { $ref: '#/components/schemas/Problem' },
    dry_run: { type: 'object' },
  },
}

const PROBLEM_SCHEMA: JsonSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'detail', 'retry'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(PROBLEMS) },
    detail: { type: 'string' },
    call: { type: 'string' },
    because: { type: 'array', items: { type: 'string' } },
    errors: { type: 'array', items: { type: 'object' } },
    retry: { type: 'string', enum: ['never', 'same_key', 'after', 'after_approval', 'fix_input'] },
    retry_after: { type: 'number' },
    resets_at: { type: 'string', format: 'date-time' },
    next: { type: 'array', items: { type: 'string' } },
    entry: { type: 'string' },
  },
}
