import type { ValidateFunction } from 'ajv'
import { KEYS, languageOf } from '../language.ts'
import type { AdapterSchemas, Kind } from '../language.ts'
import { BUILT_IN_TOOLS, toolName } from '../tool.ts'
import type { PolicyText } from '../types.ts'
import { entriesAt, itemsAt, textAt } from './compiling.ts'
import type { Named } from './compiling.ts'
import { didYouMean } from './finding.ts'
import type { Report } from './finding.ts'
import { at, valueAt } from './place.ts'
import type { Document, Piece } from './place.ts'
import { beginningOf, readDocuments } from './reading.ts'
import { checkStructure, structureOf } from './structure.ts'

/** One document, known for what it is, its shape checked. */
export interface KindPiece {
  readonly kind: Kind
  readonly piece: Piece
}

/** More than this is no policy directory. */
const FILES_MOST = 5000
const CHARACTERS_MOST = 16 * 1024 * 1024

/** Reads every file strictly, tells what each document is by its keys, and holds it to the language. A file is a step. */
export function* readPolicy(
  texts: readonly PolicyText[],
  adapters: AdapterSchemas,
  report: Report,
): Generator<undefined, KindPiece[]> {
  const characters = texts.reduce((sum, { text }) => sum + text.length, 0)
  if (texts.length > FILES_MOST || characters > CHARACTERS_MOST) {
    const [first] = texts
    if (first !== undefined) {
      report.error(
        beginningOf(first),
        `a policy has at most ${FILES_MOST} files and ${CHARACTERS_MOST / 1024 / 1024} MB`,
      )
    }
    return []
  }
  const validators = validatorsOf(adapters)
  const pieces: KindPiece[] = []
  for (const text of texts) {
    for (const document of readDocuments(text, report)) {
      if (isTest(text.path)) {
        checkIsTable(document, report)
        continue
      }
      const kind = kindOf(document, report)
      if (kind === null) continue
      const piece: Piece = { document, path: [] }
      if (kind === 'tests')
        report.error(
          at(piece, 'tests'),
          'tests stand in a file that ends in .test.yaml',
          'move the document there',
          'key',
        )
      else {
        if (!document.unreadable) checkStructure(piece, document.value, validators(kind), report)
        pieces.push({ kind, piece })
      }
    }
    yield
  }
  return pieces
}

export function isTest(path: string): boolean {
  return /\.test\.ya?ml$/i.test(path)
}

type Validators = (kind: Kind) => ValidateFunction
let last: { readonly adapters: string; readonly validators: Validators } | null = null

/**
 * Compiled once for the same adapters: a policy is loaded again whenever it changes, its language is not. Each kind is
 * compiled when the first document of it comes: it takes longer than the reading of a small policy.
 */
function validatorsOf(adapters: AdapterSchemas): Validators {
  const text = JSON.stringify(adapters)
  if (last?.adapters === text) return last.validators
  const language = languageOf(adapters)
  const compiled = new Map<Kind, ValidateFunction>()
  const validators = (kind: Kind): ValidateFunction => {
    const validate = compiled.get(kind) ?? structureOf(language[kind])
    compiled.set(kind, validate)
    return validate
  }
  last = { adapters: text, validators }
  return validators
}

/** The first key that says what a document is. */
function kindOf(document: Document, report: Report): Kind | null {
  const keys = Object.keys(document.value)
  for (const kind of ORDER) if (KEYS[kind].some((key) => keys.includes(key))) return kind
  const piece: Piece = { document, path: keys.length === 0 ? [] : [keys[0] ?? ''] }
  const known = ORDER.flatMap((kind) => KEYS[kind])
  const hint =
    keys.map((key) => didYouMean(key, known)).find((said) => said?.startsWith('did you mean')) ??
    `one of its keys is: ${known.join(', ')}`
  report.error(piece, 'no key says what this document is', hint, 'key')
  return null
}

/** What stands in a file of tests is read by `policy test` alone: a guardrail there would decide nothing. */
function checkIsTable(document: Document, report: Report): void {
  const keys = Object.keys(document.value)
  const decides = ORDER.filter((kind) => kind !== 'tests').flatMap((kind) => KEYS[kind])
  const key = keys.find((each) => decides.includes(each))
  if (key === undefined || keys.includes('tests')) return
  const piece: Piece = { document, path: [key] }
  report.error(
    piece,
    `\`${key}\` is not read in a file of tests`,
    'move the document to a file that does not end in .test.yaml',
    'key',
  )
}

/** `role:` and `action:` first: the keys of the others may one day stand in them. */
const ORDER: readonly Kind[] = [
  'role',
  'action',
  'route',
  'tests',
  'backends',
  'identity',
  'guardrails',
  'budgets',
  'notify',
]

export interface Naming {
  readonly byName: { readonly [kind in Named]: Map<string, Piece> }
  readonly guardrails: readonly Piece[]
  readonly people: Piece | undefined
  readonly sessions: Piece | undefined
  readonly notify: Piece | undefined
}

/** Who is called what, over all documents. A name that stands twice is a finding at the second place. */
export function collectNames(pieces: readonly KindPiece[], report: Report): Naming {
  const byName: Naming['byName'] = {
    channels: new Map(),
    backends: new Map(),
    issuers: new Map(),
    groups: new Map(),
    budgets: new Map(),
    switches: new Map(),
    actions: new Map(),
    roles: new Map(),
  }
  const once = new Map<string, Piece>()
  const guardrails: Piece[] = []
  const said = new Set<string>()
  for (const { kind, piece } of pieces) {
    for (const key of ['channels', 'backends', 'issuers', 'groups', 'budgets', 'switches'] as const) {
      if (!KEYS[kind].includes(key)) continue
      for (const [name, place] of entriesAt(at(piece, key))) claim(byName[key], name, place, report)
    }
    for (const key of ['people', 'sessions']) {
      if (kind === 'identity' && Object.hasOwn(piece.document.value, key)) claim(once, key, at(piece, key), report)
    }
    if (kind === 'notify' && Object.hasOwn(piece.document.value, 'notify'))
      claim(once, 'notify', at(piece, 'notify'), report)
    if (kind === 'action' || kind === 'route' || kind === 'role') {
      const name = valueAt(at(piece, kind))
      // A route is granted as an action is: they share their names.
      if (typeof name === 'string')
        claim(byName[kind === 'role' ? 'roles' : 'actions'], name, piece, report, at(piece, kind))
    }
    for (const guardrail of kind === 'guardrails' ? itemsAt(at(piece, 'guardrails')) : []) {
      guardrails.push(guardrail)
      const name = textAt(at(guardrail, 'name'))
      if (name !== null && said.has(name))
        report.error(at(guardrail, 'name'), `there is a guardrail \`${name}\` already`, 'choose another name')
      if (name !== null) said.add(name)
    }
  }
  for (const [name, place] of byName.switches) {
    if (name === 'all') report.error(place, '`all` is a switch of the gateway itself', 'choose another name', 'key')
  }
  checkTools(byName.actions, report)
  return { byName, guardrails, people: once.get('people'), sessions: once.get('sessions'), notify: once.get('notify') }
}

function claim(names: Map<string, Piece>, name: string, piece: Piece, report: Report, place = piece): void {
  const first = names.get(name)
  if (first === undefined) names.set(name, piece)
  else
    report.error(
      place,
      `\`${name}\` is defined already, in ${first.document.file}`,
      'keep one of the two',
      place === piece ? 'key' : 'value',
    )
}

/** Two actions must not become one tool. */
function checkTools(actions: ReadonlyMap<string, Piece>, report: Report): void {
  const tools = new Map<string, string>(BUILT_IN_TOOLS.map((tool) => [tool, 'a tool of the gateway']))
  for (const [name, piece] of actions) {
    if (!Object.hasOwn(piece.document.value, 'action')) continue
    const tool = toolName(name)
    const other = tools.get(tool)
    if (other !== undefined)
      report.error(
        at(piece, 'action'),
        `as a tool this is called \`${tool}\`, and so is ${other}`,
        'choose another name',
      )
    tools.set(tool, `\`${name}\``)
  }
}
