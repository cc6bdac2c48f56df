import type { Group, Issuer, JsonObject, Policy } from '../types.ts'
import { compileExpression } from '../expression.ts'
import type { TypeScope } from '../expression.ts'
import type { Expression } from '../types.ts'
import { checkPrefixes } from './claims.ts'
import { durationAt, entriesAt, expressionAt, flagAt, has, known, numberAt, textAt, textsAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { toldAt } from './notify.ts'
import { at, sound, valueAt } from './place.ts'
import type { Piece } from './place.ts'
import { isInternal, secretAt } from './backends.ts'
import { didYouMean as hintOf } from './finding.ts'
import { CLAIMS, CLAIMS_AND_GROUPS } from './scopes.ts'

/** Compiles one issuer; null where it cannot be understood. */
export function compileIssuer(compiling: Compiling, name: string, piece: Piece): Issuer | null {
  if (!sound(piece)) return null
  const { report } = compiling
  const dev = has(at(piece, 'dev'))
  const text = (key: string): string | null => textAt(at(piece, key))
  if (has(at(piece, 'accounts')) && !dev)
    report.error(at(piece, 'accounts'), '`accounts` are of an issuer `dev: true` only', undefined, 'key')
  if (dev || has(at(piece, 'oidc'))) {
    const why = dev ? 'an issuer `dev: true` names itself' : '`oidc` is the issuer'
    for (const key of dev ? ['issuer', 'audience', 'client_id'] : ['issuer']) {
      if (has(at(piece, key)))
        report.error(at(piece, key), `\`${key}\` cannot be said here: ${why}`, 'take the line out', 'key')
    }
  } else if (!has(at(piece, 'issuer'))) {
    report.error(piece, '`issuer` is missing', 'write the `iss` claim of its tokens')
  }
  if (!dev && !has(at(piece, 'audience')) && !has(at(piece, 'client_id'))) {
    report.error(piece, '`audience` is missing', 'without one, a token made for another service would be believed')
  }
  if (has(at(piece, 'audience')) && has(at(piece, 'client_id'))) {
    report.error(at(piece, 'client_id'), '`audience` and `client_id` are two names of one thing', 'keep one', 'key')
  }
  for (const key of ['oidc', 'jwks_uri']) checkAddress(compiling, at(piece, key))
  for (const key of ['client_secret', 'scope']) {
    if (has(at(piece, key)) && !(has(at(piece, 'oidc')) && has(at(piece, 'client_id')) && has(at(piece, 'person')))) {
      const why = 'people sign in where `oidc`, `client_id` and `person` are said'
      report.error(at(piece, key), `\`${key}\` is of no use here: ${why}`, undefined, 'key')
    }
  }
  const keys = keysOf(compiling, piece)
  if (keys === null) return null
  const secret = text('client_secret')
  const person = expressionAt(compiling, at(piece, 'person'), CLAIMS, 'any')
  const display = expressionAt(compiling, at(piece, 'name'), CLAIMS, 'any')
  const groups = expressionAt(compiling, at(piece, 'groups'), CLAIMS, 'any')
  return {
    name,
    issuer: dev ? `keystay:dev:${name}` : (text('oidc') ?? text('issuer') ?? ''),
    audience: dev ? 'keystay' : (text('audience') ?? text('client_id') ?? ''),
    client_id: text('client_id'),
    client_secret: secret === null ? null : (secretAt(compiling, at(piece, 'client_secret'), secret)[0] ?? null),
    scope: text('scope'),
    keys,
    once: has(at(piece, 'once')) ? flagAt(at(piece, 'once')) : null,
    person: person ?? (dev ? plain('claims.sub') : null),
    display: display ?? (dev ? plain('claims.name') : null),
    groups: groups ?? (dev ? plain('claims.groups') : null),
    accounts: Object.fromEntries(
      entriesAt(at(piece, 'accounts')).map(([account, claims]) => [account, accountOf(account, claims)]),
    ),
  }
}

/** A token is taken to its issuer by `iss` and `aud`: two issuers must not share both. */
export function checkIssuers({ names, report }: Compiling, issuers: ReadonlyMap<string, Issuer>): void {
  const seen = new Map<string, string>()
  for (const { name, issuer, audience } of issuers.values()) {
    const key = JSON.stringify([issuer, audience])
    const other = seen.get(key)
    const piece = names.issuers.get(name)
    if (other !== undefined && piece !== undefined)
      report.error(piece, `\`${other}\` has the same issuer and audience`, 'keep one of the two', 'key')
    seen.set(key, name)
  }
}

function accountOf(account: string, piece: Piece): JsonObject {
  return { name: account, groups: [], ...(valueAt(piece) as JsonObject | null) }
}

function plain(text: string): Expression | null {
  const compiled = compileExpression(text, CLAIMS, 'any')
  return compiled.ok ? compiled.expression : null
}

/** Keys that come over the network come over TLS, from this machine apart. */
function checkAddress({ report }: Compiling, piece: Piece): void {
  const text = textAt(piece)
  if (text === null) return
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) return report.error(piece, 'this is not an https: address')
  if (url.username !== '' || url.password !== '') {
    report.error(piece, 'an address in a policy holds no user name or password', 'keys are public: write it without')
  }
  if (url.protocol === 'http:' && !(isInternal(url.hostname) && /^(localhost|127\.|\[::1\])/.test(url.hostname))) {
    report.error(piece, 'keys must come over https:', 'whoever can change the answer could sign as this issuer')
  }
}

function keysOf(compiling: Compiling, piece: Piece): Issuer['keys'] | null {
  const text = (key: string): string | null => textAt(at(piece, key))
  const oidc = text('oidc')
  if (oidc !== null) return { kind: 'oidc', issuer: oidc }
  const uri = text('jwks_uri')
  if (uri !== null) return { kind: 'jwks_uri', uri }
  const path = text('jwks')
  if (path === null) return { kind: 'dev' }
  const keys = readKeys(compiling, at(piece, 'jwks'), path)
  return keys === null ? null : { kind: 'jwks', keys }
}

function readKeys(compiling: Compiling, piece: Piece, path: string): JsonObject | null {
  const file = fileOf(compiling, piece, path)
  if (file === null) return null
  const wrong = (message: string, hint?: string): null => {
    compiling.report.error(piece, `${path}: ${message}`, hint)
    return null
  }
  let read: unknown
  try {
    read = JSON.parse(file.text)
  } catch {
    return wrong('this is not JSON')
  }
  const keys = typeof read === 'object' && read !== null ? (read as { keys?: unknown }).keys : undefined
  if (!Array.isArray(keys) || keys.length === 0 || keys.some((key) => typeof key !== 'object' || key === null)) {
    return wrong('this is not a JWK set', 'it looks like { "keys": [ … ] }')
  }
  for (const key of keys as { [member: string]: unknown }[]) {
    if ('d' in key || 'k' in key || key['kty'] === 'oct') {
      return wrong(
        'it holds a private or symmetric key',
        'leave only public keys in it: whoever reads the policy could sign',
      )
    }
  }
  return read as JsonObject
}

/** A file beside the policy, by a path that stays below its directory. */
export function fileOf(
  { files, report }: Compiling,
  piece: Piece,
  path: string,
): { path: string; text: string } | null {
  const below = belowPolicies(path)
  if (below === null) {
    report.error(
      piece,
      `"${path}" is not a path below the policy directory`,
      'write it relative to that directory, without ..',
    )
    return null
  }
  const text = files.get(below)
  if (text !== undefined) return { path: below, text }
  report.error(piece, `the file ${below} cannot be read`, 'paths are relative to the policy directory')
  return null
}

/** `./keys/ci.json` → `keys/ci.json`; null for what leaves the directory. */
export function belowPolicies(path: string): string | null {
  const parts = path.replace(/^\.\//, '').split('/')
  if (path.startsWith('/') || path.includes('\\') || path.includes('\0')) return null
  return parts.some((part) => part === '' || part === '.' || part === '..') ? null : parts.join('/')
}

export function compileGroup(compiling: Compiling, name: string, piece: Piece): Group | null {
  if (!sound(piece)) return null
  const issuer = textAt(at(piece, 'issuer')) ?? ''
  const exists = known(compiling, 'issuers', issuer, at(piece, 'issuer'))
  const where = expressionAt(compiling, at(piece, 'where'), whereScope(compiling, issuer), 'bool')
  if (where === null || !exists) return null
  checkPrefixes(compiling.report, where.text, at(piece, 'where'))
  return { name, issuer, where, ...toldAt(compiling, piece) }
}

/** `groups` only where the issuer has them: a condition on what is never there would silently fit nobody. */
export function whereScope({ names }: Compiling, issuer: string | null): TypeScope {
  const piece = names.issuers.get(issuer ?? '')
  const listed = piece !== undefined && (has(at(piece, 'groups')) || has(at(piece, 'dev')))
  return listed ? CLAIMS_AND_GROUPS : CLAIMS
}

/** A group that is to decide must be one of people: of an issuer with `person:`. */
export function peopleGroup(
  compiling: Compiling,
  name: string,
  piece: Piece,
  where?: { offset: number; length: number },
): void {
  const { names, report } = compiling
  const group = names.groups.get(name)
  if (group === undefined) {
    if (where === undefined) known(compiling, 'groups', name, piece)
    else report.error(piece, `there is no group \`${name}\``, hintOf(name, names.groups.keys()), where)
    return
  }
  const issuer = names.issuers.get(textAt(at(group, 'issuer')) ?? '')
  if (issuer === undefined || has(at(issuer, 'person')) || has(at(issuer, 'dev'))) return
  report.error(
    piece,
    `nobody of the group \`${name}\` can decide: its issuer has no \`person:\``,
    'write `person: claims.sub` at the issuer',
    where,
  )
}

export function compilePeople(compiling: Compiling, piece: Piece | undefined): Policy['people'] {
  const rights = (key: string): readonly string[] => {
    if (piece === undefined) return []
    const list = at(piece, key)
    textsAt(list).forEach((group, index) => peopleGroup(compiling, group, at(list, index)))
    return textsAt(list)
  }
  const metrics = piece === undefined ? null : textAt(at(piece, 'metrics'))
  const after = piece === undefined ? null : at(at(piece, 'passkeys'), 'registered_for')
  return {
    view: rights('view'),
    freeze: rights('freeze'),
    settle: rights('settle'),
    export: rights('export'),
    metrics: metrics === 'open' ? 'open' : 'token',
    ...(after === null || !has(after) ? {} : { passkeys_after_ms: durationAt(compiling, after, '0s') }),
  }
}

export function compileSessions(compiling: Compiling, piece: Piece | undefined): Policy['sessions'] {
  if (piece === undefined) return { lifetime_max_ms: 12 * 3_600_000, live_per_principal: 20 }
  return {
    lifetime_max_ms: durationAt(compiling, at(piece, 'lifetime_max'), '12h'),
    live_per_principal: numberAt(at(piece, 'live_per_principal'), 20),
  }
}
