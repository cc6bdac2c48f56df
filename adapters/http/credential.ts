import type { Json } from '../../gateway/core/types.ts'
import { SecretUnavailable } from '../adapter.ts'
import type { Secret, SecretSource } from '../adapter.ts'
import { isObject } from './request.ts'
import type { Headers } from './request.ts'

/**
 * Puts the credential into the headers as `auth` says: `{bearer}`, `{header, value}` or `{basic: {user, password}}`.
 * This is where a secret of an http backend is opened.
 *
 * @returns what was put there, so that a backend that repeats it is not repeated; and of which secret it is
 * @throws SecretUnavailable when there is no value, or one that no header can carry (its characters are not told)
 */
export async function credentialOf(
  auth: Json | undefined,
  secret: SecretSource,
  headers: Headers,
): Promise<{ hidden: string[]; shown: Secret | null }> {
  if (!isObject(auth)) return { hidden: [], shown: null }
  const { bearer, header, value, basic } = auth
  if (typeof bearer === 'string') {
    const { value: token, shown } = await valueOf(bearer, secret)
    headers.put('authorization', `Bearer ${token}`)
    return { hidden: [token], shown }
  }
  if (typeof header === 'string' && typeof value === 'string') {
    const { value: token, shown } = await valueOf(value, secret)
    headers.put(header, token)
    return { hidden: [token], shown }
  }
  if (isObject(basic) && typeof basic['user'] === 'string' && typeof basic['password'] === 'string') {
    const { value: password, shown } = await valueOf(basic['password'], secret)
    // RFC 7617, section 2: everything up to the first colon is the user
    const pair = Buffer.from(`${basic['user']}:${password}`).toString('base64')
    headers.put('authorization', `Basic ${pair}`)
    return { hidden: [pair, password], shown }
  }
  throw new SecretUnavailable('auth', 'the auth of this backend names no credential')
}

async function valueOf(ref: string, secret: SecretSource): Promise<{ value: string; shown: Secret }> {
  let value: string
  let shown: Secret
  try {
    shown = await secret(ref)
    value = shown.open()
  } catch (error) {
    if (error instanceof SecretUnavailable) throw error
    // whatever else a source throws may hold anything
    throw new SecretUnavailable(ref, `the credential ${ref} cannot be had`)
  }
  if (!/^[\t -~]+$/.test(value)) {
    throw new SecretUnavailable(ref, `the credential ${ref} is empty or holds characters that no header may carry`)
  }
  return { value, shown }
}
