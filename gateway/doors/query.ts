import type { Request } from 'express'
import { Problem } from '../core/problem.ts'
import type { CallStatus } from '../core/types.ts'
import { visible } from '../core/visible.ts'

/**
 * The query's members, each once, none but these: a filter that is misspelt must not show everything.
 *
 * @throws Problem malformed.
 */
export function readQuery<Name extends string>(
  request: Request,
  names: readonly Name[],
): { readonly [name in Name]?: string } {
  const at = request.originalUrl.indexOf('?')
  const members: { [name in Name]?: string } = {}
  if (at === -1) return members
  for (const [name, value] of new URLSearchParams(request.originalUrl.slice(at + 1))) {
    const known = names.find((one) => one === name)
    const takes = names.join(', ') || 'nothing'
    if (known === undefined) throw malformed(name, `The query takes ${takes} here.`, 'a member', `only ${takes}`)
    if (members[known] !== undefined) throw malformed(name, `The query has ${known} twice.`, 'two of them', 'it once')
    // Replacement characters are what broken UTF-8 becomes.
    if (value === '' || value.length > 300 || value.includes('\uFFFD')) {
      throw unreadable(known, 'a text of 1 to 300 characters in UTF-8')
    }
    members[known] = value
  }
  return members
}

/** ISO 8601 in UTC, as this API prints it; the time may be left out. @returns ms since the epoch. */
export function timeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const shaped = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?Z)?$/.test(text)
  const time = shaped ? Date.parse(text) : Number.NaN
  // 31 February is read as March by some and refused by others.
  if (Number.isNaN(time) || !new Date(time).toISOString().startsWith(text.slice(0, 10))) {
    throw unreadable(name, 'a time in UTC: 2026-11-23 or 2026-11-23T15:00:00Z')
  }
  return time
}

export function integerOf(name: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined
  if (!/^(?:0|[1-9][0-9]{0,8})$/.test(text) || Number(text) > max) {
    throw unreadable(name, `an integer from 0 to ${max}`)
  }
  return Number(text)
}

/** The id that a page ended with: any other text would stand somewhere in their order, and show half a list as the whole. */
export function cursorOf(prefix: string, text: string | undefined): string | undefined {
  if (text !== undefined && (!text.startsWith(`${prefix}_`) || !/^[a-z]+_\w{1,64}$/.test(text)))
    throw unreadable('cursor', 'the cursor of the page before')
  return text
}

export function statusOf(text: string | undefined): CallStatus | undefined {
  if (text === undefined) return undefined
  if (!Object.hasOwn(STATUSES, text)) throw unreadable('status', `one of: ${Object.keys(STATUSES).join(', ')}`)
  return text as CallStatus
}

/** Digits and a point; a comma is a point to some and nothing to others. */
export function decimalOf(name: string, text: string | undefined): string | undefined {
  if (text !== undefined && !/^(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,8})?$/.test(text)) {
    throw unreadable(name, 'a decimal number: 12.50')
  }
  return text
}

const STATUSES: { readonly [status in CallStatus]: true } = {
  held: true,
  running: true,
  unknown: true,
  needs_human: true,
  done: true,
  refused: true,
  denied: true,
  rejected: true,
  expired: true,
  cancelled: true,
  not_sent: true,
}

function unreadable(name: string, want: string): Problem {
  return malformed(name, `The query member ${name} cannot be read.`, 'another text', want)
}

function malformed(name: string, detail: string, got: string, want: string): Problem {
  return new Problem('malformed', detail, { errors: [{ path: `query.${visible(name.slice(0, 64))}`, got, want }] })
}
