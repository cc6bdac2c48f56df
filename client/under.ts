/** A path of the gateway's, below the nonce where the address is one of `keystay run`. */
export function under(base: URL, path: string): URL {
  return new URL(isLent(base) ? `${base.pathname.replace(/\/$/, '')}${path}` : path, base)
}

/** Is it an address that `keystay run` made, which adds the token? Its path is a nonce of 24 bytes. */
export function isLent({ protocol, hostname, pathname }: URL): boolean {
  return protocol === 'http:' && hostname === '127.0.0.1' && /^\/[\w-]{32}\/?$/.test(pathname)
}
