import { timingSafeEqual } from 'node:crypto'
import type { Request } from 'express'
import { Problem } from '../core/problem.ts'
import type { Person } from '../core/types.ts'
import type { Visitor } from '../identity/visits.ts'
import { cookiesFor } from './cookies.ts'
import { sourceOf } from './frame.ts'
import type { DoorParts } from './frame.ts'

type WhoParts = Pick<DoorParts, 'gateway' | 'identity' | 'signIn' | 'adminUrl'>

/**
 * The person who asks the people's API: by a bearer JWT, or by the cookie of a browser that signed in. With a cookie a
 * change must come from a page of ours: its Origin (sameOrigin has compared it with the Host) and its CSRF token say so. A
 * bearer needs neither: no page can make a browser send one.
 *
 * @throws Problem token_missing, token_invalid, not_eligible, backend_unavailable.
 */
export async function personAt(request: Request, parts: WhoParts): Promise<Person> {
  const { authorization } = request.headers
  const cookie = authorization === undefined ? personCookie(request, parts) : null
  if (cookie === null) return parts.identity.person(authorization)
  const visitor = await parts.signIn?.visits.find(cookie)
  if (visitor == null) throw new Problem('token_invalid', 'Your sign-in has ended. Sign in again: /login.')
  if (request.method !== 'GET') mustBeOurPage(request, visitor, request.get('keystay-csrf') ?? '', parts)
  return visitor.person
}

/** The visitor of a page, or null: a page asks whoever is not signed in to do so. */
export async function visitorAt(request: Request, parts: WhoParts): Promise<Visitor | null> {
  const cookie = personCookie(request, parts)
  return cookie === null ? null : ((await parts.signIn?.visits.find(cookie)) ?? null)
}

/** @throws Problem not_eligible, counted. */
export function mustBeOurPage(request: Request, { csrf }: Visitor, said: string, { gateway }: WhoParts): void {
  if (request.headers.origin !== undefined && isSame(said, csrf)) return
  gateway.refused('not_eligible', sourceOf(request))
  throw new Problem('not_eligible', 'This did not come from a page of Keystay. Open the page again, and decide there.')
}

export function personCookie(request: Request, { adminUrl, signIn }: WhoParts): string | null {
  if (signIn === undefined || adminUrl === undefined) return null
  return cookiesFor(adminUrl())?.read(request, 'person') ?? null
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
