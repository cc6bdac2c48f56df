/**
 * Asks once for the end of the session of a token.
 * @returns whether it is over for sure: ended now, or the token is good for nothing any more.
 */
export async function endSessionOnce(gateway: string, token: string, timeout_ms = 3_000): Promise<boolean> {
  const answered = await fetch(new URL('/v1/session', gateway), {
    method: 'DELETE',
    redirect: 'manual',
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(timeout_ms),
  }).catch(() => null)
  await answered?.body?.cancel().catch(() => {})
  return answered !== null && (answered.ok || answered.status === 401)
}
