import type { Type } from '../expression.ts'
import type { Grant, Role } from '../types.ts'
import type { CompiledAction } from './actions.ts'
import type { SharedBudget } from './budgets.ts'
import { checkEndpoints } from './compat.ts'
import { durationAt, entriesAt, flagAt, has, known, textAt, textsAt, timezoneAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { didYouMean } from './finding.ts'
import { checkGrant, compileGrant, inherit } from './grants.ts'
import type { OwnGrant } from './grants.ts'
import { at } from './place.ts'
import type { Piece } from './place.ts'
import { attributesAt, issueRules } from './issue-rules.ts'
import { compilePrompt } from './prompt.ts'
import { nearest } from '../spelling.ts'
import { callScope, membersRead, OWN_ATTRIBUTES } from './scopes.ts'
import type { Names } from './scopes.ts'

/** What roles are compiled with beside the rest. */
export interface RoleContext {
  readonly names: Names
  readonly actions: ReadonlyMap<string, CompiledAction>
  readonly budgets: ReadonlyMap<string, SharedBudget>
  readonly drawn: Set<string>
  readonly lifetime_max_ms: number
}

const LIFETIME_MS = 3_600_000

/** A chain of roles longer than this nobody can read. */
const ANCESTORS_MOST = 10

/** Compiles every role, parents before children whatever the order of the files. A role is a step. */
export function* compileRoles(compiling: Compiling, context: RoleContext): Generator<undefined, Map<string, Role>> {
  const compiled = new Map<string, Role>()
  const open = new Set<string>()
  const visit = (name: string, piece: Piece): Role => {
    const done = compiled.get(name)
    if (done !== undefined) return done
    open.add(name)
    const parentPiece = parentOf(compiling, name, at(piece, 'extends'), open)
    const parent = parentPiece === null ? null : visit(...parentPiece)
    open.delete(name)
    const role = compileRole(compiling, name, piece, parent, context)
    compiled.set(name, role)
    return role
  }
  for (const [name, piece] of compiling.names.roles) {
    visit(name, piece)
    yield
  }
  return compiled
}

function parentOf(compiling: Compiling, name: string, above: Piece, open: ReadonlySet<string>): [string, Piece] | null {
  const { report, names } = compiling
  const parent = textAt(above)
  if (parent === null) return null
  const piece = names.roles.get(parent)
  if (piece === undefined) {
    const others = [...names.roles.keys()].filter((other) => other !== name)
    report.error(above, `there is no role \`${parent}\``, didYouMean(parent, others))
    return null
  }
  if (open.has(parent)) {
    report.error(above, `\`${name}\` extends itself, by way of ${[...open].slice(-5).join(', ')}`)
    return null
  }
  if (ancestorsOf(compiling, name) <= ANCESTORS_MOST) return [parent, piece]
  report.error(above, `a role has at most ${ANCESTORS_MOST} ancestors`)
  return null
}

/** One more than the most where there are more: as the files say it, whichever role is compiled first. */
function ancestorsOf({ names }: Compiling, name: string): number {
  const above = new Set<string>()
  const parentName = (role: string): string | null => {
    const piece = names.roles.get(role)
    return piece === undefined ? null : textAt(at(piece, 'extends'))
  }
  for (let role = parentName(name); role !== null && !above.has(role); role = parentName(role)) {
    above.add(role)
    if (above.size > ANCESTORS_MOST) break
  }
  return above.size
}

function compileRole(
  compiling: Compiling,
  name: string,
  piece: Piece,
  parent: Role | null,
  context: RoleContext,
): Role {
  const timezone = timezoneAt(compiling, at(piece, 'timezone'), parent?.timezone ?? 'UTC')
  const issue_to = issueRules(compiling, at(piece, 'issue_to'))
  const attributes = attributesAt(at(piece, 'issue_to'))
  const names: Names = { ...context.names, attributes }

  const own = new Map<string, OwnGrant>()
  for (const [action, place] of piece.document.unreadable ? [] : entriesAt(at(piece, 'grants'))) {
    if (!known(compiling, 'actions', action, place, 'key')) continue
    const target = context.actions.get(action)
    const scope = callScope(names, target?.input ?? 'any', target?.facts ?? 'any')
    own.set(
      action,
      compileGrant(
        compiling,
        place,
        { role: name, action, timezone, scope, budgets: context.budgets, drawn: context.drawn },
        target,
      ),
    )
    checkAttributes(compiling, place, target, attributes, name)
  }
  if (parent !== null) checkInherited(compiling, piece, parent, timezone, attributes, context)

  const grants = new Map<string, Grant>()
  for (const [action, grant] of own) {
    const above = parent?.grants.get(action)
    grants.set(action, above === undefined ? plain(grant) : inherit(grant, above, parent?.name ?? ''))
  }
  for (const [action, grant] of parent?.grants ?? []) {
    if (!own.has(action)) grants.set(action, inherit(undefined, grant, parent?.name ?? ''))
  }
  for (const [action, grant] of own) {
    const target = context.actions.get(action)
    const whole = grants.get(action)
    if (target !== undefined && whole !== undefined) checkGrant(compiling, whole, grant, target)
    checkNext(compiling, grant, grants)
  }
  const compiledActions = new Map(
    [...context.actions].flatMap(([name, { action }]) => (action ? [[name, action]] : [])),
  )
  checkEndpoints(compiling, grants, compiledActions, (action) =>
    own.has(action) ? at(piece, 'grants', action) : at(piece, 'extends'),
  )

  // A misspelt one is a finding already, with its hint.
  const described = Object.keys(piece.document.value).some((key) => nearest(key, ['describe']) !== null)
  if (!described && !has(at(piece, 'extends'))) compiling.report.error(piece, '`describe` is missing')
  const owners = at(piece, 'owners')
  textsAt(owners).forEach((group, index) => known(compiling, 'groups', group, at(owners, index)))
  return {
    name,
    describe: textAt(at(piece, 'describe')) ?? parent?.describe ?? '',
    owners: has(owners) ? textsAt(owners) : (parent?.owners ?? []),
    owners_approve: has(at(piece, 'owners_approve'))
      ? flagAt(at(piece, 'owners_approve'))
      : !has(owners) && parent?.owners_approve === true,
    timezone,
    lifetime_ms: lifetimeOf(compiling, at(piece, 'session', 'lifetime'), parent, context),
    issue_to,
    grants,
    prompt: has(at(piece, 'prompt'))
      ? compilePrompt(compiling, at(piece, 'prompt'), grants, at(piece, 'grants'))
      : null,
  }
}

function plain({ piece: _piece, priced: _priced, says: _says, ...grant }: OwnGrant): Grant {
  return grant
}

function lifetimeOf(compiling: Compiling, piece: Piece, parent: Role | null, { lifetime_max_ms }: RoleContext): number {
  const otherwise = Math.min(parent?.lifetime_ms ?? LIFETIME_MS, lifetime_max_ms)
  if (!has(piece)) return otherwise
  const lifetime = durationAt(compiling, piece, '1h')
  if (lifetime > lifetime_max_ms)
    compiling.report.error(
      piece,
      'this is longer than `sessions.lifetime_max`',
      'shorten it, or raise the bound in identity.yaml',
    )
  if (parent !== null && lifetime > parent.lifetime_ms)
    compiling.report.error(
      piece,
      `this is longer than the lifetime of \`${parent.name}\``,
      'a role that extends another may only shorten it',
    )
  return lifetime
}

function checkAttributes(
  { report }: Compiling,
  piece: Piece,
  action: CompiledAction | undefined,
  attributes: { readonly [attribute: string]: Type },
  role: string,
): void {
  for (const attribute of action?.attributes ?? []) {
    if (attributes[attribute] === 'any') continue
    report.error(
      piece,
      `${action?.name} reads session.${attribute}, which not every session of \`${role}\` carries`,
      `add it to \`carry:\` in each rule of \`issue_to\``,
      'key',
    )
  }
}

/** What is inherited must mean in the child what it meant in the parent. */
function checkInherited(
  compiling: Compiling,
  piece: Piece,
  parent: Role,
  timezone: string,
  attributes: { readonly [attribute: string]: Type },
  context: RoleContext,
): void {
  const above = at(piece, 'extends')
  for (const grant of parent.grants.values()) {
    checkAttributes(compiling, above, context.actions.get(grant.action), attributes, textAt(at(piece, 'role')) ?? '')
    const conditions = [
      ...grant.require.map((line) => ({ because: line.because, read: line.that })),
      ...grant.approval.flatMap((line) => (line.when === null ? [] : [{ because: line.because, read: line.when }])),
      ...grant.limits.flatMap((line) =>
        line.by.kind === 'fact' ? [{ because: line.because, read: line.by.value }] : [],
      ),
      ...grant.approval.flatMap((line) =>
        line.window?.by.kind === 'fact' ? [{ because: line.because, read: line.window.by.value }] : [],
      ),
    ]
    for (const { because, read } of conditions) {
      const missing = membersRead('session', read).find(
        (name) => !OWN_ATTRIBUTES.includes(name) && attributes[name] === undefined,
      )
      if (missing !== undefined) {
        compiling.report.error(
          above,
          `${because} of \`${parent.name}\` reads session.${missing}, which this role does not carry`,
          'add it to `carry:` in `issue_to`',
        )
      }
      if (timezone !== parent.timezone && read.reads.some((path) => path === 'now' || path.startsWith('now.'))) {
        compiling.report.error(
          at(piece, 'timezone'),
          `${because} of \`${parent.name}\` asks for the time of day in ${parent.timezone}`,
          'keep the time zone of the role that is extended',
        )
      }
    }
  }
}

function checkNext({ report, names }: Compiling, own: OwnGrant, grants: ReadonlyMap<string, Grant>): void {
  own.next.forEach((action, index) => {
    const piece = at(own.piece, 'next', index)
    if (action === own.action) report.error(piece, 'an action is no way out of itself')
    else if (!grants.has(action)) {
      const exists = names.actions.has(action)
      report.error(
        piece,
        exists ? `\`${action}\` is not granted to this role` : `there is no action \`${action}\``,
        exists ? `add \`${action}:\` to the grants` : didYouMean(action, grants.keys()),
      )
    }
  })
}
