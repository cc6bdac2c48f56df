/** A text as it would be read, and where each of its characters was written. */
export interface Unescaped {
  readonly text: string
  /** The place in the written text of a place in this one; its end for the end. */
  from(at: number): number
}

const ESCAPES =
  /%([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})|\\([nrtbf"'/\\])|&#([0-9]{1,7});|&#[xX]([0-9A-Fa-f]{1,6});|&(amp|lt|gt|quot|apos);/g

/**
 * Undoes the escapes of URLs, JSON and HTML, whichever they are; a byte of a URL becomes the character of its number.
 * @returns null when there are none
 */
export function unescape(written: string): Unescaped | null {
  if (!/[%\\&]/.test(written)) return null
  const pieces: string[] = []
  // beginnings of stretches that are as they were written: place here, place there
  const here: number[] = [0]
  const there: number[] = [0]
  let at = 0
  let length = 0
  for (const match of written.matchAll(ESCAPES)) {
    const character = characterOf(match)
    pieces.push(written.slice(at, match.index), character)
    length += match.index - at
    here.push(length, length + character.length)
    at = match.index + match[0].length
    there.push(match.index, at)
    length += character.length
  }
  if (here.length === 1) return null
  pieces.push(written.slice(at))
  return {
    text: pieces.join(''),
    from(place) {
      let low = 0
      let high = here.length - 1
      while (low < high) {
        const middle = Math.ceil((low + high) / 2)
        if ((here[middle] ?? 0) <= place) low = middle
        else high = middle - 1
      }
      return (there[low] ?? 0) + place - (here[low] ?? 0)
    },
  }
}

function characterOf([, percent, json, hex, short, decimal, entity, name]: RegExpMatchArray): string {
  const number = percent ?? json ?? hex ?? entity
  if (number !== undefined) return fromCode(Number.parseInt(number, 16))
  if (decimal !== undefined) return fromCode(Number(decimal))
  return SHORT[short ?? name ?? ''] ?? short ?? ''
}

function fromCode(code: number): string {
  return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd'
}

const SHORT: { readonly [written: string]: string } = {
  n: '\n',
  r: '\r',
  t: '\t',
  b: '\b',
  f: '\f',
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
}
