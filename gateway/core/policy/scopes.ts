import type { Type, TypeScope } from '../expression.ts'
import type { Expression, Keep, KeepType } from '../types.ts'

/** What conditions and templates may speak of, with the type of each. */
export interface Names {
  readonly roles: readonly string[]
  readonly actions: readonly string[]
  readonly switches: readonly string[]
  /** Attributes that sessions carry. */
  readonly attributes: { readonly [attribute: string]: Type }
}

export const CLAIMS: TypeScope = { claims: { object: {}, open: true } }
/** Of a `where`, at an issuer that says with `groups:` where its tokens list them. */
export const CLAIMS_AND_GROUPS: TypeScope = { ...CLAIMS, groups: 'any' }

const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday']

/** The scope of `core/scope.ts`, in types: keep both alike. */
export function callScope({ roles, actions, switches, attributes }: Names, input: Type, facts: Type): TypeScope {
  return {
    input,
    facts,
    session: { object: { ...attributes, id: 'string', role: { enum: roles }, requester: 'string' } },
    action: { object: { name: { enum: actions }, effect: { enum: ['read', 'write', 'lease'] } } },
    now: { object: { hour: 'int', minute: 'int', weekday: { enum: WEEKDAYS }, date: 'string' } },
    switches: { object: Object.fromEntries(switches.map((name) => [name, 'bool' as const])) },
    call: { object: { id: 'string' } },
  }
}

/** Attributes of the session that scopeOf sets itself. */
export const OWN_ATTRIBUTES: readonly string[] = ['id', 'role', 'requester']

export function typeOfKeep(keep: Keep): Type {
  return { object: Object.fromEntries(Object.entries(keep).map(([name, type]) => [name, typeOfKept(type)])) }
}

function typeOfKept(type: KeepType): Type {
  if (typeof type === 'object') return 'list' in type ? { list: typeOfKept(type.list) } : typeOfKeep(type.object)
  return ({ string: 'string', integer: 'int', number: 'double', boolean: 'bool' } as const)[type]
}

/** The first members below `name` that an expression or template reads: `session` of `session.queue` is `queue`. */
export function membersRead(name: string, read: Pick<Expression, 'reads'>): string[] {
  const prefix = `${name}.`
  return read.reads
    .filter((path) => path.startsWith(prefix))
    .map((path) => path.slice(prefix.length).split(/[.[]/)[0] ?? '')
}
