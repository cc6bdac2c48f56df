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
  return visibleIn(JSON.stringify(value, null, indent))
}

/** The same of JSON that is text already. */
export function visibleIn(json: string): string {
  // Most of it is plain, which is quicker to see.
  if (PLAIN.test(json)) return json
  return json.replace(HIDDEN, (character) =>
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
const PLAIN = /^[\n -~]*$/
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\u115f\u1160\u3164\uffa0\p{Variation_Selector}]|\u034f/gu

const SHORT: { readonly [character: string]: string } = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
