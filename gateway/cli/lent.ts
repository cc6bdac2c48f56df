/** KEYSTAY_URL under `keystay run`: its path is a nonce of 24 bytes, and whoever asks there asks in the session held there. */
const LENT = /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/?$/

export function isLent(base: string): boolean {
  return LENT.test(base)
}

/** A path of the gateway at this address. @throws TypeError where it is none. */
export function pathAt(base: string, path: string): URL {
  return new URL(isLent(base) ? base.replace(/\/$/, '') + path : path, base)
}
