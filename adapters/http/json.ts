import { isSafeNumber, parse } from 'lossless-json'
import type { Json } from '../../gateway/core/types.ts'

const DEPTH_MAX = 64

/**
 * Reads a backend's JSON (RFC 8259). A number that a double would change (beyond ±(2^53−1), too many digits, infinite)
 * becomes a string of exactly what was written, so that no decision is taken on a rounded one: where a fact or condition
 * wants a number it then errors, which denies. Two members of one name with different values are unreadable: readers
 * differ in which they take.
 *
 * @returns undefined when it is not JSON in UTF-8, or deeper than 64
 */
export function readJson(bytes: Uint8Array): Json | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    // the parser recurses, so the depth is known before it starts
    return depthOf(text) > DEPTH_MAX ? undefined : (parse(text, null, { parseNumber }) as Json)
  } catch {
    return undefined
  }
}

function parseNumber(text: string): number | string {
  const number = Number(text)
  if (Number.isInteger(number) && !Number.isSafeInteger(number)) return text
  return isSafeNumber(text) ? number : text
}

function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (inString) {
      if (code === BACKSLASH) at += 1
      else if (code === QUOTE) inString = false
    } else if (code === QUOTE) inString = true
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) deepest = Math.max(deepest, ++depth)
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1
  }
  return deepest
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
