/**
 * Text of agents and backends, safe for a terminal. Control characters (ESC begins an ANSI sequence), bidirectional
 * marks (they reorder what is read), zero-width and other invisible ones become `\u{…}`, so that a card cannot be
 * rewritten by what stands on it. (Unicode TR 36, Trojan Source CVE-2021-42574.)
 */
export function visible(text: string): string {
  return text.replace(HIDDEN, (character) => SHORT[character] ?? `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

/** JSON whose invisible characters are escapes: the same value for a program, and harmless on a terminal. */
export function visibleJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(HIDDEN, (character) =>
    // An indented text has line feeds of its own; those inside strings are escaped already.
    character === '\n'
      ? character
      : Array.from(
          { length: character.length },
          (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
        ).join(''),
  )
}

// Cc and Cf: control and format (bidi, zero-width, tags); Zl Zp: line and paragraph separators; Cs: half a character;
// Co, Cn: no character at all; the Hangul fillers and variation selectors are drawn as nothing.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\u115f\u1160\u3164\uffa0\p{Variation_Selector}]|\u034f/gu

const SHORT: { readonly [character: string]: string } = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Columns that a text takes on a terminal: wide characters take two, combining marks none. */
export function columns(text: string): number {
  let width = 0
  for (const character of text) width += /\p{M}/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1
  return width
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u

/** Breaks visible text into lines of at most `width` columns, between words where it can. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/(?<= )/)) {
    if (line && columns(line) + columns(word.trimEnd()) > width) {
      lines.push(line.trimEnd())
      line = ''
    }
    for (const character of word) {
      if (columns(line) + columns(character) > width && character !== ' ') {
        lines.push(line)
        line = ''
      }
      line += character
    }
  }
  return [...lines, line.trimEnd()]
}
