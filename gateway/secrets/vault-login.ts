import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { readSecretFile } from './mounted-file.ts'

/** How a token of Vault is had. Proofs are read at each use: files are replaced while we run. */
export type Login =
  | { readonly kind: 'token'; readonly from: string; readonly token: () => Promise<string> }
  | {
      readonly kind: 'login'
      /** For messages. */
      readonly from: string
      /** `auth/MOUNT/login`. */
      readonly path: string
      readonly body: () => Promise<{ readonly [name: string]: string }>
    }

const METHODS = ['token', 'approle', 'kubernetes', 'jwt'] as const
type Method = (typeof METHODS)[number]

/** Where a pod finds the token that its cluster signs for it. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount/token'
/** A JWT of a large cluster has 2 KB. */
const PROOF_MAX = 65_536

/**
 * How to sign in, as the environment says: one method, whose settings are all there.
 *
 * @throws Error naming the variables at fault, never their values
 */
export function loginOf(environment: NodeJS.ProcessEnv, hide: (value: string) => void): Login {
  const said = (name: string): string | null => environment[name] || null
  const must = (name: string): string => {
    const value = said(name)
    if (value === null) throw new Error(`${name} is not set: vault: needs it`)
    return value
  }
  const hidden = (value: string, from: string): string => {
    const text = value.trim()
    hide(text)
    if (!/^[!-~]+$/.test(text)) throw new Error(`${from} is empty or holds characters that no token has`)
    return text
  }
  const method = methodOf(said)
  const mount = said('KEYSTAY_VAULT_MOUNT') ?? method
  if (!/^[A-Za-z0-9_-][A-Za-z0-9_.-]*(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$/.test(mount)) {
    throw new Error('KEYSTAY_VAULT_MOUNT is no path of letters, digits and _ . -')
  }
  const path = `auth/${mount}/login`

  if (method === 'token') {
    const file = said('KEYSTAY_VAULT_TOKEN_FILE')
    if (file === null) {
      const token = hidden(must('VAULT_TOKEN'), 'VAULT_TOKEN')
      return { kind: 'token', from: 'VAULT_TOKEN', token: () => Promise.resolve(token) }
    }
    return { kind: 'token', from: file, token: async () => hidden(await readSecretFile(file), file) }
  }
  if (method === 'approle') {
    const role_id = must('KEYSTAY_VAULT_ROLE_ID')
    const file = said('KEYSTAY_VAULT_SECRET_ID_FILE')
    const given = said('KEYSTAY_VAULT_SECRET_ID')
    if (given !== null) hide(given)
    const secret = async (): Promise<{ readonly secret_id?: string }> => {
      if (file !== null) return { secret_id: hidden(await readSecretFile(file), file) }
      // a role may be bound by addresses alone
      return given === null ? {} : { secret_id: given }
    }
    return { kind: 'login', from: 'AppRole', path, body: async () => ({ role_id, ...(await secret()) }) }
  }
  const role = must('KEYSTAY_VAULT_ROLE')
  const file =
    method === 'kubernetes' ? (said('KEYSTAY_VAULT_JWT_FILE') ?? SERVICE_ACCOUNT) : must('KEYSTAY_VAULT_JWT_FILE')
  return { kind: 'login', from: file, path, body: async () => ({ role, jwt: hidden(await proofOf(file), file) }) }
}

/** Who signs Vault's certificate, PEM; undefined: the machine's authorities. @throws Error */
export function certificatesOf(environment: NodeJS.ProcessEnv): string | undefined {
  const file = environment['VAULT_CACERT']
  if (!file) return undefined
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    throw new Error(`VAULT_CACERT: ${file} cannot be read`)
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw new Error(`VAULT_CACERT: ${file} holds no certificate in PEM`)
  return text
}

function methodOf(said: (name: string) => string | null): Method {
  const names = ['VAULT_TOKEN', 'KEYSTAY_VAULT_TOKEN_FILE', 'KEYSTAY_VAULT_ROLE_ID', 'KEYSTAY_VAULT_ROLE'] as const
  const given = names.filter((name) => said(name) !== null)
  const method = said('KEYSTAY_VAULT_AUTH')
  if (method !== null) {
    const known = METHODS.find((one) => one === method)
    if (known === undefined) throw new Error(`KEYSTAY_VAULT_AUTH is none of ${METHODS.join(', ')}`)
    return known
  }
  const [one, ...more] = given
  if (one === undefined) throw new Error(`vault: needs a way to sign in; set one of ${names.join(', ')}`)
  if (more.length > 0) throw new Error(`${given.join(' and ')} are both set: say which with KEYSTAY_VAULT_AUTH`)
  if (one === 'KEYSTAY_VAULT_ROLE_ID') return 'approle'
  return one === 'KEYSTAY_VAULT_ROLE' ? 'kubernetes' : 'token'
}

/** A projected token is of mode 0644 as often as not: the pod alone sees it, and it lives for minutes. */
async function proofOf(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${file} cannot be read (${error.code ?? 'error'})`)
  })
  if (text.length > PROOF_MAX) throw new Error(`${file} is too large for a token`)
  return text
}
