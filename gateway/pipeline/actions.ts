import { formatAmount } from '../core/money.ts'
import type { Action, ApprovalLine, Grant, Json, JsonObject, JsonSchema, LimitView, Session } from '../core/types.ts'
import { standingWants } from '../core/weigh.ts'
import { questionOf, weighingOf } from './consider.ts'
import type { ActionView, RouteView } from './gateway.ts'
import type { House } from './house.ts'
import { limitsOf } from './reply.ts'

/** What the role of this session can do, sorted by name. */
export async function actionsOf(house: House, session: Session): Promise<ActionView[]> {
  const { actions, roles } = house.policy()
  const views: ActionView[] = []
  for (const [name, grant] of [...(roles.get(session.role)?.grants ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const action = actions.get(name)
    if (action === undefined || action.route !== undefined) continue
    views.push({
      name,
      description: `${action.describe.trim()} ${inWords(grant)}`.trim(),
      effect: action.effect,
      input_schema: action.input,
      output_schema: outputSchema(action),
      example: action.example,
      limits: await limitsLeft(house, session, action),
      ...(grant.next.length > 0 ? { next: grant.next } : {}),
    })
  }
  return views
}

/** The routes of the role of this session, sorted by name. */
export async function routesOf(house: House, session: Session): Promise<RouteView[]> {
  const { actions, roles } = house.policy()
  const views: RouteView[] = []
  for (const [name, grant] of [...(roles.get(session.role)?.grants ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const action = actions.get(name)
    if (action?.route === undefined) continue
    const { allow, headers, request_max } = action.route
    views.push({
      name,
      description: `${action.describe.trim()} ${inWords(grant)}`.trim(),
      effect: action.effect,
      at: `/proxy/${name}`,
      allow: allow.map(({ method, path }) => `${method} ${path}`),
      headers,
      request_max,
      limits: await limitsLeft(house, session, action),
      ...(grant.next.length > 0 ? { next: grant.next } : {}),
    })
  }
  return views
}

async function limitsLeft(house: House, session: Session, action: Action): Promise<LimitView[]> {
  const switches = await house.store.switches()
  const question = questionOf(house, house.policy(), switches, { id: '', session, action: action.name, input: {} })
  return limitsOf(house, standingWants(house.policy(), question, weighingOf(house, switches)), house.clock.now())
}

/** The limits of a role that count by role, for people. */
export async function standing(house: House, role: string): Promise<JsonObject[]> {
  const session: Session = {
    id: '',
    lineage: '',
    role,
    principal: '',
    requester: '',
    acting_for: null,
    attributes: {},
    issued_at: 0,
    expires_at: 0,
  }
  const views: JsonObject[] = []
  for (const name of house.policy().roles.get(role)?.grants.keys() ?? []) {
    const action = house.policy().actions.get(name)
    if (action === undefined) continue
    const limits = await limitsLeft(house, session, action)
    for (const limit of limits.filter(({ by }) => by === 'role')) views.push({ action: name, ...limit })
  }
  return views
}

/** Limits are public: said in words, never as a way round them. */
function inWords(grant: Grant): string {
  const lines = [
    ...grant.max.map(({ max }) => `At most ${amounts(max)} at once.`),
    ...grant.limits
      .filter(({ kind }) => kind === 'budget')
      .map(
        ({ max, per, by }) =>
          `${amounts(max)} per ${per}${by.kind === 'fact' ? ` and ${by.value.text.split('.').at(-1)}` : ''}.`,
      ),
    ...grant.limits
      .filter(({ kind }) => kind === 'rate')
      .map(({ max, per }) => `${Object.values(max)[0]} calls per ${per}.`),
    ...grant.approval.map(approvalInWords),
  ]
  return lines.join(' ')
}

function approvalInWords(line: ApprovalLine): string {
  const above =
    line.above === null
      ? 'Always'
      : `Above ${amounts(line.above)}${line.window === null ? '' : ` per ${line.window.per}`}`
  return `${above}: ${line.count} of ${line.of} must approve.`
}

function amounts(max: { readonly [unit: string]: number }): string {
  return Object.entries(max)
    .map(([unit, amount]) => formatAmount({ unit, amount }))
    .join(' or ')
}

/** What a lease is answered with, once. */
const LOGIN: JsonSchema = {
  type: 'object',
  required: ['user', 'password', 'host', 'port', 'database', 'sslmode', 'expires_at'],
  properties: {
    user: { type: 'string' },
    password: { type: 'string' },
    host: { type: 'string' },
    port: { type: 'integer' },
    database: { type: 'string' },
    sslmode: { enum: ['verify-full', 'disable'] },
    expires_at: { type: 'string', format: 'date-time', description: 'It ends then, or earlier with the session.' },
    roles: { type: 'array', items: { type: 'string' } },
    connections: { type: 'integer', description: 'Connections that it may have open at a time.' },
  },
}

/** The allow-list of the answer as a schema: names only, since a backend's types are its own. */
function outputSchema(action: Action): JsonSchema {
  if (action.lease !== undefined) return LOGIN
  const properties: { [name: string]: Json } = {}
  for (const path of action.keep) {
    const first = path.split('.')[0]
    if (first !== undefined && first !== '*') properties[first] = {}
  }
  const isList = action.keep.some((path) => path.startsWith('*'))
  return isList ? { type: 'array' } : { type: 'object', properties, additionalProperties: false }
}
