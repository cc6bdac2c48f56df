import assert from 'node:assert/strict'
import { compile } from '../../gateway/core/compile.ts'
import { changed, schemas } from './company.ts'

/** What is said of one more file of the company. */
function said(text: string): (string | undefined)[][] {
  const { texts, files } = changed()
  const compiled = compile([...texts, { path: 'more.yaml', text }], schemas, { files })
  const all = compiled.ok ? compiled.warnings : compiled.findings
  return all.map(({ line, column, message, hint }) => [`${line}:${column}`, message, hint])
}

const KB = 1024
const BIG = ['1:1', 'the file has more than 256 KB', 'split it into several files']
const TOKENS = ['the file has more than 40000 tokens', 'split it into several files']
const DEEP = ['this is nested too deeply', 'at most 32 brackets and 100 columns of indentation']
const flow = (depth: number, open = '[', close = ']') => `switches: ${open.repeat(depth)}${close.repeat(depth)}\n`
const compact = (depth: number) => `switches:\n  ${'- '.repeat(depth)}a\n`
const indented = (columns: number) => `switches:\n${' '.repeat(columns)}a: false\n`
/** What a reader can make out, and only the language refuses. */
const isRead = (findings: (string | undefined)[][]) =>
  findings.every(([, message]) => !/nested|tokens|KB|values/.test(message ?? ''))

describe('a file of a policy', () => {
  it('is read up to its bounds, each to the one', () => {
    assert.deepEqual(said(`#${' '.repeat(256 * KB - 1)}`), [])
    assert.deepEqual(said(`#${' '.repeat(256 * KB)}`), [BIG])
    for (const [fits, not] of [
      [flow(32), flow(33)],
      [flow(32, '{a: ', '}'), flow(33, '{a: ', '}')],
      [compact(8), compact(9)],
      [indented(100), indented(101)],
    ] as const) {
      assert.ok(isRead(said(fits)), JSON.stringify([fits, said(fits)]))
      assert.deepEqual(
        said(not).map(([, ...words]) => words),
        [DEEP],
        not,
      )
    }
  })

  it('is as deep as what is open, not as all that it holds', () => {
    assert.ok(isRead(said(`switches: [${'[],{},'.repeat(40)}]\n`)))
    assert.ok(isRead(said(`switches:\n${'  - - a\n'.repeat(40)}`)))
    assert.ok(isRead(said(`switches: # ${'-'.repeat(3)}${' '.repeat(150)}\n  a: false\n`)))
    assert.ok(isRead(said(`describe: |\n  ${'[{- '.repeat(40)}\n`)), 'a text is no brackets')
  })

  it('has so many tokens and values, and no more', () => {
    const items = (count: number) => said(`switches: [${'a,'.repeat(count)}]\n`)
    assert.deepEqual(
      items(40_001).map(([, ...words]) => words),
      [TOKENS],
    )
    assert.deepEqual(items(20_000), [['1:1', 'the document has more than 20000 values', 'split it']])
    assert.ok(isRead(items(5000)))
  })

  const NUMBERS: readonly (readonly [written: string, message: string | null, hint?: string])[] = [
    ['10', null],
    ['-1.5', null],
    ['.inf', 'this number is not finite', 'write a number in digits'],
    ['-.INF', 'this number is not finite', 'write a number in digits'],
    ['.nan', 'this number is not finite', 'write a number in digits'],
    ['9007199254740991', null],
    ['9007199254740992', 'this number is beyond 2^53 and would be changed by reading it', 'quote it'],
    ['-9007199254740992', 'this number is beyond 2^53 and would be changed by reading it', 'quote it'],
    ['0x10', 'this number is not written in plain digits', 'write 16'],
    ['0o17', 'this number is not written in plain digits', 'write 15'],
    ['1e3', 'this number is not written in plain digits', 'write 1000'],
    ['017', 'this number is not written in plain digits', 'write a number in digits, without zeros before it'],
    ['+017', 'this number is not written in plain digits', 'write a number in digits, without zeros before it'],
    ['1.5e-1', 'this number is not written in plain digits', 'write a number in digits, without zeros before it'],
    ['+5', 'this number is not written in plain digits', 'write 5'],
  ]
  for (const [written, message, hint] of NUMBERS)
    it(`${message === null ? 'may hold' : 'may not hold'} the number ${written}`, () => {
      const found = said(`switches: { incident2: ${written} }\n`).filter(([, words]) =>
        words?.startsWith('this number'),
      )
      assert.deepEqual(found, message === null ? [] : [['1:24', message, hint]])
    })

  const KEYS: readonly (readonly [text: string, at: string, message: string, hint: string])[] = [
    ['switches: { a: false, a: false }\n', '1:23', 'the key `a` stands here twice', 'keep one of the two'],
    ['switches: { a: false, "a": false }\n', '1:23', 'the key `a` stands here twice', 'keep one of the two'],
    ['switches: { __proto__: false }\n', '1:13', '`__proto__` cannot be a key', 'choose another name'],
    [
      'switches: { <<: { a: false } }\n',
      '1:13',
      'merge keys are not part of the language',
      'write the lines out; a role may say `extends:`',
    ],
    ['%YAML 1.1\n---\nswitches: {}\n', '1:1', 'directives are not part of the language', 'take the line out'],
    ['- a\n', '1:1', 'a policy document is a map', 'begin with `role:`, `action:`, `backends:` …'],
    ['switches: {} # \ufffd\n', '1:16', 'this is not text in UTF-8', 'save the file as UTF-8'],
    [
      'switches: {} # \u202e\n',
      '1:16',
      'an invisible character (U+202E) stands here',
      'take it out, or write it as an escape in double quotes',
    ],
    [
      'switches: {} # \0\n',
      '1:16',
      'an invisible character (U+0000) stands here',
      'take it out, or write it as an escape in double quotes',
    ],
    [
      '# a\n\ufeffswitches: {}\n',
      '2:1',
      'an invisible character (U+FEFF) stands here',
      'take it out, or write it as an escape in double quotes',
    ],
  ]
  for (const [text, at, message, hint] of KEYS)
    it(`is refused: ${JSON.stringify(text)}`, () => assert.deepEqual(said(text)[0], [at, message, hint]))

  it('may begin with a byte-order mark, be empty, or hold only a remark', () => {
    for (const text of ['', '\n', '# nothing\n', '---\n---\n', '\ufeff# nothing\n'])
      assert.deepEqual(said(text), [], text)
  })
})
