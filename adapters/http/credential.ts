import type { Json } from '../../gateway/core/types.ts'
import { SecretUnavailable } from '../adapter.ts'
import type { SecretSource } from '../adapter.ts'
import { isObject } from './request.ts'
import type { Headers } from './request.ts'

/**
 * Puts the credential into the headers as `auth` says: `{bearer}`, `{header, value}` or `{basic: {user, password}}`.
 * This is where a secret of an http backend is opened.
 *
 * @returns what was put there, so that a backend that repeats it is not repeated
 * @throws SecretUnavailable when there is no value, or one that no header can carry (its characters are not told)
 */
export async function credentialOf(
  auth: Json | undefined,
  secret: SecretSource,
  headers: Headers,
): Promise<{ hidden: string[] }> {
  if (!isObject(auth)) return { hidden: [] }
  const { bearer, header, value, basic } = auth
  if (typeof bearer === 'string') {
    const token = await valueOf(bearer, secret)
    headers.put('authorization', `Bearer ${token}`)
    return { hidden: [token] }
  }
  if (typeof header === 'string' && typeof value === 'string') {
    const token = await valueOf(value, secret)
    headers.put(header, token)
    return { hidden: [token] }
  }
  if (isObject(basic) && typeof basic['user'] === 'string' && typeof basic['password'] === 'string') {
    const password = await valueOf(basic['password'], secret)
    // RFC 7617, section 2: everything up to the first colon is the user
    const pair = Buffer.from(`${basic['user']}:${password}`).toString('base64')
    headers.put('authorization', `Basic ${pair}`)
    return { hidden: [pair, password] }
  }
  throw new SecretUnavailable('auth', 'the auth of this backend names no credential')
}

async function valueOf(ref: string, secret: SecretSource): Promise<string> {
  let value: string
  try {
    value = (await secret(ref)).open()
  } catch (error) {
    if (error instanceof SecretUnavailable) throw error
    // whatever else a source throws may hold anything
    throw new SecretUnavailable(ref, `the credential ${ref} cannot be had`)
  }
  if (!/^[\t -~]+$/.test(value)) {
    throw new SecretUnavailable(ref, `the credential ${ref} is empty or holds characters that no header may carry`)
  }
  return value
}
