/**
 * Where an authorization code may be sent: a program on the person's own machine that listens on loopback, at any port
 * and path (RFC 8252, section 7.3). No other host, so nobody can be sent away with a code; no fragment, no user name.
 * `localhost` too, which RFC 8252 would rather not have and many programs use.
 */
export function isLoopbackRedirect(uri: string): boolean {
  return uri.length <= 500 && LOOPBACK.test(uri) && URL.canParse(uri)
}

/** By its letters: no second reader of URLs could see another host in it. */
const LOOPBACK =
  /^http:\/\/(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?(?:\/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*)?(?:\?[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*)?$/

/** The answer of RFC 6749, section 4.1.2, in the query; what was there stays. */
export function withAnswer(uri: string, members: { readonly [name: string]: string | null }): string {
  const url = new URL(uri)
  for (const [name, value] of Object.entries(members)) if (value !== null) url.searchParams.append(name, value)
  return url.href
}
