import { createHash } from 'node:crypto'
import type { AdapterSchemas } from './language.ts'
import { compileAction } from './policy/actions.ts'
import { compileBackend } from './policy/backends.ts'
import { compileBudget } from './policy/budgets.ts'
import { entriesAt, flagAt, textAt } from './policy/compiling.ts'
import type { Compiling } from './policy/compiling.ts'
import { report as newReport, sorted } from './policy/finding.ts'
import { compileGuardrail } from './policy/guardrails.ts'
import {
  belowPolicies,
  checkIssuers,
  compileGroup,
  compileIssuer,
  compilePeople,
  compileSessions,
} from './policy/identity.ts'
import { collectNames, isTest, readPolicy } from './policy/naming.ts'
import type { Naming } from './policy/naming.ts'
import { checkUsed, compileChannel, compileNotify } from './policy/notify.ts'
import { at } from './policy/place.ts'
import type { Piece } from './policy/place.ts'
import { readDocuments } from './policy/reading.ts'
import { attributesAt } from './policy/issue-rules.ts'
import { compileRoles } from './policy/roles.ts'
import { compileRoute } from './policy/routes.ts'
import type { Names } from './policy/scopes.ts'
import type { Finding, Policy, PolicyText } from './types.ts'

export { formatFinding } from './policy/finding.ts'
export type { AdapterSchemas } from './language.ts'

export type CompiledPolicy =
  | { readonly ok: true; readonly policy: Policy; readonly warnings: readonly Finding[] }
  | { readonly ok: false; readonly findings: readonly Finding[] }

/**
 * Compiles a policy directory: the texts of all its `*.yaml` files, in any order. All findings come at once, by file,
 * line and column. Files that the policy names (keys, prompts) are read by the caller, see `referencedFiles`; they are
 * part of the digest and of `policy.texts`, and may stand among the texts, so that a policy that decided can be compiled
 * again from what was kept.
 */
export function compile(
  texts: readonly PolicyText[],
  adapters: AdapterSchemas,
  other: OtherFiles = {},
): CompiledPolicy {
  const steps = compileSteps(texts, adapters, other)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** What a policy is compiled with beside its texts. */
interface OtherFiles {
  readonly files?: ReadonlyMap<string, string>
  readonly shapes?: readonly string[]
}

/** The same in small steps, for whoever has other work to do between them: a thousand roles take a second. */
export function* compileSteps(
  texts: readonly PolicyText[],
  adapters: AdapterSchemas,
  other: OtherFiles = {},
): Generator<undefined, CompiledPolicy> {
  const report = newReport()
  const yaml = texts.filter(({ path }) => isYaml(path)).sort(byPath)
  const files = new Map([
    ...(other.files ?? []),
    ...texts.filter(({ path }) => !isYaml(path)).map(({ path, text }) => [path, text] as const),
  ])
  const pieces = yield* readPolicy(yaml, adapters, report)
  const naming = collectNames(pieces, report)
  const parts = yield* compileParts(
    { report, adapters, files, names: naming.byName, ...(other.shapes === undefined ? {} : { shapes: other.shapes }) },
    naming,
  )
  const findings = sorted(report.list)
  // Warnings are about a policy that stands: beside an error they would mostly follow from it.
  const errors = findings.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) return { ok: false, findings: errors }
  const named = referencedIn(pieces.map(({ piece }) => piece.document)).map((path) => ({
    path,
    text: files.get(path) ?? '',
  }))
  const kept = [...yaml, ...named].sort(byPath)
  return { ok: true, policy: { digest: digestOf(kept), texts: kept, ...parts }, warnings: findings }
}

/** Paths, relative to the policy directory, of the key files and prompts that the policy names. Sorted. */
export function referencedFiles(texts: readonly PolicyText[]): string[] {
  const silent = newReport()
  // reading is the dearest part of compiling: what cannot name a file (nor spell a key by escapes) is not read for this
  const naming = texts.filter(({ path, text }) => isYaml(path) && !isTest(path) && /jwks|prompt|\\/.test(text))
  return referencedIn(naming.flatMap((text) => readDocuments(text, silent)))
}

function referencedIn(documents: readonly Piece['document'][]): string[] {
  const paths = new Set<string>()
  for (const document of documents) {
    const root: Piece = { document, path: [] }
    const keys = entriesAt(at(root, 'issuers')).map(([, issuer]) => textAt(at(issuer, 'jwks')))
    const prompt = textAt(at(root, 'prompt')) ?? textAt(at(root, 'prompt', 'file'))
    for (const path of [...keys, prompt]) {
      const below = path === null ? null : belowPolicies(path)
      if (below !== null) paths.add(below)
    }
  }
  return [...paths].sort()
}

/** `sha256:` over the listing of paths and texts, in the order of paths. */
function digestOf(texts: readonly PolicyText[]): string {
  const listing = [...texts].sort(byPath).map(({ path, text }) => [path, text])
  return `sha256:${createHash('sha256').update(JSON.stringify(listing), 'utf8').digest('hex')}`
}

function* compileParts(
  compiling: Compiling,
  { byName, guardrails, people, sessions, notify: told }: Naming,
): Generator<undefined, Omit<Policy, 'digest' | 'texts'>> {
  const bounds = compileSessions(compiling, sessions)
  const issuers = each(byName.issuers, (name, piece) => compileIssuer(compiling, name, piece))
  checkIssuers(compiling, issuers)
  const channels = each(byName.channels, (name, piece) => compileChannel(compiling, name, piece))
  const notify = compileNotify(compiling, channels, told)
  const groups = each(byName.groups, (name, piece) => compileGroup(compiling, name, piece))
  const rights = compilePeople(compiling, people)
  const backends = each(byName.backends, (name, piece) => compileBackend(compiling, name, piece))
  const budgets = each(byName.budgets, (name, piece) => compileBudget(compiling, name, piece))

  const carried = [...byName.roles.values()].flatMap((piece) => Object.keys(attributesAt(at(piece, 'issue_to'))))
  const names = (type: 'any' | { optional: 'any' }): Names => ({
    roles: [...byName.roles.keys()],
    actions: [...byName.actions.keys()],
    switches: [...byName.switches.keys()],
    attributes: Object.fromEntries(carried.map((attribute) => [attribute, type])),
  })
  // made once: a list of all names for each of ten thousand actions would fill the memory
  const anyNames = names('any')
  const actions = yield* eachStep(byName.actions, (name, piece) => {
    const one = Object.hasOwn(piece.document.value, 'action') ? compileAction : compileRoute
    return one(compiling, name, piece, backends, anyNames)
  })
  const drawn = new Set<string>()
  const roles = yield* compileRoles(compiling, {
    names: anyNames,
    actions,
    budgets,
    drawn,
    lifetime_max_ms: bounds.lifetime_max_ms,
  })
  for (const [name, piece] of byName.budgets) {
    if (!drawn.has(name))
      compiling.report.warning(
        piece,
        `no grant draws from \`${name}\``,
        `write \`budget: ${name}\` at a grant, or take it out`,
        'key',
      )
  }
  checkUsed(compiling, { ...(notify === undefined ? {} : { notify }), groups, roles })
  return {
    backends,
    actions: each(actions, (_name, { action }) => action),
    roles,
    // A guardrail meets sessions of every role: it asks whether an attribute is there.
    guardrails: guardrails
      .map((piece) => compileGuardrail(compiling, piece, actions, names({ optional: 'any' })))
      .filter((made) => made !== null),
    switches: each(byName.switches, (_name, piece) => flagAt(piece)),
    issuers,
    groups,
    people: rights,
    sessions: bounds,
    ...(notify === undefined ? {} : { notify }),
  }
}

function each<From, To>(
  named: ReadonlyMap<string, From>,
  one: (name: string, from: From) => To | null,
): Map<string, To> {
  return new Map(
    [...named].flatMap(([name, from]) => {
      const made = one(name, from)
      return made === null ? [] : [[name, made] as const]
    }),
  )
}

/** One is a step. */
function* eachStep<From, To>(
  named: ReadonlyMap<string, From>,
  one: (name: string, from: From) => To | null,
): Generator<undefined, Map<string, To>> {
  const all = new Map<string, To>()
  for (const [name, from] of named) {
    const made = one(name, from)
    if (made !== null) all.set(name, made)
    yield
  }
  return all
}

export function isYaml(path: string): boolean {
  return /\.ya?ml$/i.test(path)
}

function byPath(a: { readonly path: string }, b: { readonly path: string }): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0
}
