import { sha256 } from './token.ts'
import type { Random } from './token.ts'

/** Without vowels no words, and nothing that looks like another (RFC 8628, section 6.1): 20^8 codes, 34 bits. */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ'
const LENGTH = 8

/** What a person types, as it is shown: `BCDF-GHJK`. */
export function newUserCode(random: Random): string {
  let code = ''
  while (code.length < LENGTH) {
    // 240 is the last multiple of 20 in a byte: beyond it some letters would come more often.
    for (const byte of random(LENGTH)) if (byte < 240 && code.length < LENGTH) code += LETTERS.charAt(byte % 20)
  }
  return `${code.slice(0, 4)}-${code.slice(4)}`
}

/** @returns what it is looked up by, whatever case and dashes it was typed with; null where it cannot be one. */
export function userCodeHash(typed: string): string | null {
  const code = typed.toUpperCase().replaceAll(/[\s-]/g, '')
  return new RegExp(`^[${LETTERS}]{${LENGTH}}$`).test(code) ? sha256(`user_code ${code}`) : null
}
