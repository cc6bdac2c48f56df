import { Composer, CST, isMap, isScalar, isSeq, Lexer, LineCounter, Parser, visit } from 'yaml'
import type { Document as YamlDocument, Node, YAMLMap } from 'yaml'
import type { Json, JsonObject, PolicyText } from '../types.ts'
import type { Report } from './finding.ts'
import type { Document, Piece } from './place.ts'

/** What a reader of policies accepts at most. A policy is written by people: these are far above what one needs. */
const CHARACTERS = 256 * 1024
const FLOW_DEPTH = 32
const INDENT = 100
const COMPACT = 8
const NODES = 20_000
/** The parser is not linear in what it cannot make sense of. */
const TOKENS = 40_000

/**
 * Reads one file strictly: YAML 1.2 without anchors, aliases, merge keys, tags, duplicate keys or numbers that are not
 * numbers. Anything else that the parser only warns about is an error too.
 *
 * A document with such a finding is `unreadable`: what was meant can only be guessed, but what it names is known, so
 * that references to it are not findings too.
 */
export function readDocuments({ path: file, text }: PolicyText, report: Report): Document[] {
  if (text.length > CHARACTERS) {
    const place = beginningOf({ path: file, text: text.slice(0, 200) })
    report.error(place, `the file has more than ${CHARACTERS / 1024} KB`, 'split it into several files')
    return []
  }
  const place = beginningOf({ path: file, text })
  const { lines } = place.document
  const say: Say = (offset, message, hint) => report.error(place, message, hint, { at: offset })
  const unseen = text.search(UNSEEN)
  if (unseen >= 0) {
    const code = text.codePointAt(unseen) ?? 0
    if (code === 0xfffd) say(unseen, 'this is not text in UTF-8', 'save the file as UTF-8')
    else {
      const written = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
      say(
        unseen,
        `an invisible character (${written}) stands here`,
        'take it out, or write it as an escape in double quotes',
      )
    }
  }
  const tokens = judgeTokens(text, say)
  if (tokens === 'too_much') return []

  const documents: Document[] = []
  for (const parsed of parse(text)) {
    const all = [...parsed.errors, ...parsed.warnings.filter(({ code }) => code !== 'TAG_RESOLVE_FAILED')]
    // What comes unexpectedly after another error mostly follows from it, token by token.
    const wrong = all.filter(({ code }, index) => code !== 'UNEXPECTED_TOKEN' || index === 0)
    for (const { code, message, pos } of wrong) {
      say(Math.min(pos[0], Math.max(text.length - 1, 0)), sentence(message), HINTS[code])
    }
    if (parsed.contents === null || (isScalar(parsed.contents) && parsed.contents.value === null)) continue
    if (!isMap(parsed.contents)) {
      if (wrong.length === 0)
        say(parsed.contents.range[0], 'a policy document is a map', 'begin with `role:`, `action:`, `backends:` …')
      continue
    }
    const map = parsed.contents as YAMLMap
    const unreadable = !nodesAllowed(map, say) || wrong.length > 0 || tokens === 'refused'
    const value = plain(map) as JsonObject
    documents.push({ file, text, lines, map, value, broken: [], unreadable, hidden: credentials(value, false) })
  }
  return documents
}

/**
 * What nobody sees who reads the file: control characters (YAML 1.2.2, 5.1, has none of them), marks that turn the
 * direction of text, so that an editor shows another line than is judged (CVE-2021-42574), and bytes that were no text.
 */
const UNSEEN =
  // oxlint-disable-next-line no-control-regex -- these are what is refused
  /(?!^\ufeff)[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffd-\uffff\p{Cs}]/u

type Say = (offset: number, message: string, hint?: string) => void

/** Looks at the tokens alone, in linear time, before anything recursive sees the text. */
function judgeTokens(text: string, say: Say): 'fine' | 'refused' | 'too_much' {
  let offset = 0
  let depth = 0
  let compact = 0
  let lineStart = true
  let scalar = false
  let allowed = true
  let tokens = 0
  const refuse = (message: string, hint?: string): void => {
    allowed = false
    say(offset, message, hint)
  }
  for (const token of new Lexer().lex(text)) {
    if (scalar) {
      scalar = false
      lineStart = false
      offset += token.length
      continue
    }
    const type = CST.tokenType(token)
    if (type === 'scalar') {
      scalar = true
      continue
    }
    if (type === 'doc-mode' || type === 'flow-error-end') continue
    if (type === 'anchor')
      refuse(
        'anchors are not part of the language',
        'write the value where it is needed, or quote it: `&` begins an anchor',
      )
    if (type === 'alias')
      refuse('aliases are not part of the language', 'write the value out, or quote it: `*` begins an alias')
    if (type === 'tag') refuse('tags are not part of the language', 'quote it: `!` begins a tag')
    if (type === 'directive-line') refuse('directives are not part of the language', 'take the line out')
    if (type === 'flow-map-start' || type === 'flow-seq-start') depth++
    if (type === 'flow-map-end' || type === 'flow-seq-end') depth--
    if (type === 'newline') [lineStart, compact] = [true, 0]
    if (type === 'seq-item-ind' || type === 'explicit-key-ind') compact++
    if (++tokens > TOKENS) {
      refuse(`the file has more than ${TOKENS} tokens`, 'split it into several files')
      return 'too_much'
    }
    const tooDeep = depth > FLOW_DEPTH || compact > COMPACT || (type === 'space' && lineStart && token.length > INDENT)
    if (tooDeep) {
      refuse('this is nested too deeply', `at most ${FLOW_DEPTH} brackets and ${INDENT} columns of indentation`)
      return 'too_much'
    }
    if (type !== 'newline') lineStart = false
    offset += token.length
  }
  return allowed ? 'fine' : 'refused'
}

function parse(text: string): YamlDocument.Parsed[] {
  // Duplicate keys are found below: the parser's own search is quadratic.
  const composer = new Composer({
    version: '1.2',
    strict: true,
    uniqueKeys: false,
    stringKeys: true,
    merge: false,
    prettyErrors: false,
    logLevel: 'silent',
  })
  return [...composer.compose(new Parser().parse(text))]
}

function nodesAllowed(map: YAMLMap, say: Say): boolean {
  let nodes = 0
  let allowed = true
  const refuse: Say = (...finding) => {
    allowed = false
    say(...finding)
  }
  visit(map, {
    Scalar(_key, node) {
      nodes++
      if (typeof node.value === 'number' && !Number.isFinite(node.value)) {
        refuse(node.range?.[0] ?? 0, 'this number is not finite', 'write a number in digits')
      } else if (typeof node.value === 'number' && Math.abs(node.value) > Number.MAX_SAFE_INTEGER) {
        refuse(node.range?.[0] ?? 0, 'this number is beyond 2^53 and would be changed by reading it', 'quote it')
      } else if (typeof node.value === 'number' && !/^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/.test(node.source ?? '0')) {
        // 017 is 15 to a reader of YAML 1.1: which was meant, only its writer knows.
        const exact = Number.isInteger(node.value) && !/^[-+]?0[0-9]/.test(node.source ?? '')
        const hint = exact ? `write ${node.value}` : 'write a number in digits, without zeros before it'
        refuse(node.range?.[0] ?? 0, 'this number is not written in plain digits', hint)
      }
    },
    Map(_key, node) {
      const keys = new Set<string>()
      for (const { key } of node.items) {
        if (!isScalar(key)) continue
        const name = String(key.value)
        const offset = key.range?.[0] ?? 0
        if (name === '<<')
          refuse(offset, 'merge keys are not part of the language', 'write the lines out; a role may say `extends:`')
        else if (name === '__proto__') refuse(offset, '`__proto__` cannot be a key', 'choose another name')
        else if (keys.has(name)) refuse(offset, `the key \`${name}\` stands here twice`, 'keep one of the two')
        keys.add(name)
      }
    },
    Node() {
      if (++nodes > NODES) return visit.BREAK
      return undefined
    },
  })
  if (nodes > NODES) refuse(0, `the document has more than ${NODES} values`, 'split it')
  return allowed
}

function plain(node: Node | null): Json {
  if (isMap(node)) {
    return Object.fromEntries(
      node.items.map(({ key, value }) => [isScalar(key) ? String(key.value) : '', plain(value as Node | null)]),
    )
  }
  if (isSeq(node)) return node.items.map((item) => plain(item as Node | null))
  return isScalar(node) ? (node.value as Json) : null
}

/** Whoever writes a credential into a policy is told so without showing it once more. */
function credentials(value: Json, inside: boolean): string[] {
  if (typeof value === 'string') return inside && value.length > 3 && !/^[a-z]+:\/\//.test(value) ? [value] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, part]) => {
    if (key === 'channels' && !inside) return ofChannels(part)
    if (key === 'url' && typeof part === 'string') return /^[a-z]+:\/\/([^/@]+)@/.exec(part)?.slice(1) ?? []
    if (inside && (key === 'header' || key === 'user')) return []
    return credentials(part, inside || key === 'auth')
  })
}

/** Where a channel names a secret, an address is one too: who knows that of Slack may write there. */
function ofChannels(channels: Json): string[] {
  const lines = typeof channels === 'object' && channels !== null ? Object.values(channels) : []
  const named = lines.flatMap((line: Json) => (typeof line === 'object' && line !== null ? Object.entries(line) : []))
  const texts = named.flatMap(([key, value]) =>
    ['secret', 'password', 'slack', 'teams'].includes(key)
      ? [value].flat()
      : typeof value === 'string'
        ? (/^[a-z]+:\/\/([^/@]+)@/.exec(value)?.slice(1) ?? [])
        : [],
  )
  return texts.filter((text): text is string => {
    return typeof text === 'string' && text.length > 3 && !/^(age|env|file|vault|aws):\/\//.test(text)
  })
}

/** A file as a place for findings, whatever is in it. */
export function beginningOf({ path: file, text }: PolicyText): Piece {
  const lines = new LineCounter()
  lines.addNewLine(0)
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) lines.addNewLine(i + 1)
  const map = { items: [], range: [0, 1, 1] } as unknown as YAMLMap
  return { document: { file, text, lines, value: {}, map, broken: [], unreadable: true, hidden: [] }, path: [] }
}

const HINTS: { readonly [code: string]: string } = {
  BAD_SCALAR_START: 'quote the text',
  BLOCK_AS_IMPLICIT_KEY: 'quote the value: a colon and a space begin a map',
  TAB_AS_INDENT: 'indent with spaces',
  MISSING_CHAR: 'a quote, bracket or colon is missing here or above',
  BAD_INDENT: 'the lines of one map or list begin in the same column',
  NON_STRING_KEY: 'a key is text',
}

function sentence(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1)
}
