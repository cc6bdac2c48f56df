/** RFC 6749, section 5.2. */
export interface OAuthError {
  readonly error:
    | 'invalid_request'
    | 'invalid_grant'
    | 'invalid_scope'
    | 'invalid_target'
    | 'unsupported_grant_type'
    | 'temporarily_unavailable'
  readonly error_description: string
}

export function oauthError(error: OAuthError['error'], error_description: string): OAuthError {
  return { error, error_description }
}
