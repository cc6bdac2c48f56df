/**
 * Signing in did not work, or the client was told something that it cannot do. What the gateway says about a call is never
 * thrown: it is an outcome. No token is in any of its members.
 */
export class KeystayError extends Error {
  override readonly name = 'KeystayError'
  /**
   * An error of RFC 6749 (`invalid_scope`, …) as the gateway gave it; `unreachable`: no gateway answers; `identity`: there
   * is no proof of who we are; `usage`: an option that cannot be used; `closed`: the session was ended here.
   */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}
