import type { Request } from 'express'
import { isLoopback } from './loopback.ts'

/**
 * Cookies of people's browsers. Where people come by https: they are `__Host-` ones: no other host, no plain connection
 * and no path of this host can set or see them. On plain http: a browser takes no such cookie; there is no sign-in then
 * but on this machine itself (for trying things out), under another name, which is worth nothing where https: is spoken.
 */
export interface Cookies {
  /** Null where the browser sent none, or more than one. */
  read(request: Request, name: CookieName): string | null
  /** @param life_s how long the browser keeps it; until it is closed where it is not said. */
  set(name: CookieName, value: string, life_s?: number): string
  clear(name: CookieName): string
}
/** `person`: the visit. `login`: what a sign-in that is under way needs when the issuer sends the browser back. */
export type CookieName = 'person' | 'login'

/** @returns null where people come by plain http: from another machine: whoever listens would have the cookie. */
export function cookiesFor(adminUrl: string): Cookies | null {
  const { protocol, hostname } = URL.parse(adminUrl) ?? { protocol: '', hostname: '' }
  const secure = protocol === 'https:'
  if (!secure && !isLoopback(hostname)) return null
  const full = (name: CookieName): string => `${secure ? '__Host-' : ''}keystay-${name}`
  // Strict: no other site's link or form comes with it. The issuer's way back is another site's, so that one is Lax.
  const about = (name: CookieName): string =>
    `Path=/; HttpOnly; SameSite=${name === 'person' ? 'Strict' : 'Lax'}${secure ? '; Secure' : ''}`
  return {
    read(request, name) {
      const found = (request.headers.cookie ?? '').split(/; */).filter((pair) => pair.startsWith(`${full(name)}=`))
      return found.length === 1 ? (found[0]?.slice(full(name).length + 1) ?? null) : null
    },
    set: (name, value, life_s) =>
      `${full(name)}=${value}; ${about(name)}${life_s === undefined ? '' : `; Max-Age=${life_s}`}`,
    clear: (name) => `${full(name)}=; ${about(name)}; Max-Age=0`,
  }
}
