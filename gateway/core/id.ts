/** Crockford's base 32: no I, L, O, U. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/**
 * `prefix_` + 26 characters: 48 bits of time, then 80 random bits, so that ids sort by the millisecond they were made in
 * and cannot be guessed.
 *
 * @param ms since the epoch, integer. @param random ten random bytes.
 * @throws RangeError for another number of bytes, or a time beyond 48 bits.
 */
export function idFrom(prefix: string, ms: number, random: Uint8Array): string {
  if (random.length !== 10) throw new RangeError(`an id takes ten random bytes, not ${random.length}`)
  return `${prefix}_${timePart(ms)}${randomPart(random)}`
}

/** The millisecond an id was made in; null for what is no id of ours. */
export function timeOf(id: string): number | null {
  const match = /^[a-z]+_([0-9A-HJKMNP-TV-Z]{10})[0-9A-HJKMNP-TV-Z]{16}$/.exec(id)
  if (match?.[1] === undefined) return null
  let ms = 0
  for (const character of match[1]) ms = ms * 32 + ALPHABET.indexOf(character)
  return ms
}

function timePart(ms: number): string {
  if (!Number.isInteger(ms) || ms < 0 || ms >= 2 ** 48) throw new RangeError(`${ms} is no time of 48 bits`)
  let text = ''
  for (let left = ms, place = 0; place < 10; place++) {
    text = ALPHABET[left % 32] + text
    left = Math.floor(left / 32)
  }
  return text
}

/** 80 bits are 16 characters of five. */
function randomPart(random: Uint8Array): string {
  let text = ''
  let bits = 0
  let waiting = 0
  for (const byte of random) {
    waiting = (waiting << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += ALPHABET[(waiting >> bits) & 31]
    }
    waiting &= (1 << bits) - 1
  }
  return text
}
