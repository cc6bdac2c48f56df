import { deepEqual, equal, ok } from 'node:assert/strict'
import { columns, visible, visibleJson, wrap } from '../../gateway/cli/visible.ts'

describe('hostile text on a terminal', () => {
  const table: [string, string, string][] = [
    ['an ANSI sequence', 'a\u001b[2Jb', 'a\\u{1b}[2Jb'],
    ['an 8-bit control sequence', 'a\u009b2Jb', 'a\\u{9b}2Jb'],
    ['a line feed, a return, a tab', 'a\nb\rc\td', 'a\\nb\\rc\\td'],
    ['a bell and a backspace', '\u0007\b', '\\u{7}\\u{8}'],
    ['a right-to-left override', 'pay \u202e001', 'pay \\u{202e}001'],
    ['isolates', '\u2066x\u2069', '\\u{2066}x\\u{2069}'],
    ['a zero-width space and joiner', 'a\u200bb\u200dc', 'a\\u{200b}b\\u{200d}c'],
    ['a byte-order mark', '\ufeffx', '\\u{feff}x'],
    ['line and paragraph separators', '\u2028\u2029', '\\u{2028}\\u{2029}'],
    ['tag characters', '\u{e0041}', '\\u{e0041}'],
    ['a Hangul filler', '\u3164', '\\u{3164}'],
    ['half a character', '\ud800', '\\u{d800}'],
    ['what is harmless', 'Grüße 漢字 🙂 é "<b>"', 'Grüße 漢字 🙂 é "<b>"'],
  ]
  for (const [name, text, shown] of table) {
    it(`makes visible: ${name}`, () => equal(visible(text), shown))
    it(`keeps the value in JSON: ${name}`, () => {
      const json = visibleJson({ text })
      equal(visible(json), json)
      deepEqual(JSON.parse(json), { text })
    })
  }
  it('leaves indented JSON as it is', () => equal(visibleJson({ a: 1 }, 2), '{\n  "a": 1\n}'))

  it('wraps at the width, wide characters and endless words included', () => {
    deepEqual(wrap('one two three', 7), ['one two', 'three'])
    deepEqual(wrap('abcdefgh', 3), ['abc', 'def', 'gh'])
    deepEqual(wrap('漢字漢字', 4), ['漢字', '漢字'])
    ok(wrap(`${'x'.repeat(500)} ${'漢'.repeat(300)} y`, 40).every((line) => columns(line) <= 40))
    deepEqual(wrap('', 10), [''])
  })
})
