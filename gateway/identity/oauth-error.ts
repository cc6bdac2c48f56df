/** RFC 6749, section 5.2; RFC 8707, section 2; RFC 8628, section 3.5. */
export interface OAuthError {
  readonly error:
    | 'invalid_request'
    | 'invalid_grant'
    | 'invalid_scope'
    | 'invalid_target'
    | 'unsupported_grant_type'
    | 'temporarily_unavailable'
    | 'authorization_pending'
    | 'slow_down'
    | 'access_denied'
    | 'expired_token'
  readonly error_description: string
}

export function oauthError(error: OAuthError['error'], error_description: string): OAuthError {
  return { error, error_description }
}
