import { readFile } from 'node:fs/promises'
import { openLine } from './ask.ts'
import type { AwsParts } from './aws.ts'

/** What signs a request. */
export interface AwsKeys {
  readonly id: string
  readonly secret: string
  readonly session: string | null
}

export interface AwsIdentity {
  /** Keys that live. @throws Error */
  current(): Promise<AwsKeys>
  /** AWS refused these: whether others can be had. */
  isGone(keys: AwsKeys): Promise<boolean>
  close(): Promise<void>
}

/** What is asked for, and how old the keys may become before others are fetched. */
const LIVES_S = 3600
const RENEW_AT = 2 / 3
/** After a failure, while the keys at hand still live. */
const RETRY_MS = 2000

/**
 * Who we are at AWS, from the environment as AWS's own programs read it: AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN
 * (a role by a token that the cluster signs, read at each use), else AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY and
 * AWS_SESSION_TOKEN. Shared files and the machine's metadata are not read.
 *
 * @throws Error naming the variables that are missing, never their values
 */
export function openAwsIdentity(region: string, parts: AwsParts): AwsIdentity {
  const { environment, hide } = parts
  const file = environment['AWS_WEB_IDENTITY_TOKEN_FILE']
  const role = environment['AWS_ROLE_ARN']
  if (file && role) return byWebIdentity(region, file, role, parts)
  const id = environment['AWS_ACCESS_KEY_ID']
  const secret = environment['AWS_SECRET_ACCESS_KEY']
  if (!id || !secret) {
    throw new Error(
      'aws: needs an identity; set AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    )
  }
  const session = environment['AWS_SESSION_TOKEN'] || null
  for (const value of [secret, session]) if (value !== null) hide(value)
  const keys = { id, secret, session }
  return {
    current: () => Promise.resolve(keys),
    // a process is told its environment once
    isGone: () => Promise.resolve(false),
    close: () => Promise.resolve(),
  }
}

function byWebIdentity(region: string, file: string, role: string, parts: AwsParts): AwsIdentity {
  const { environment, now, hide, ask_ms } = parts
  const session = environment['AWS_ROLE_SESSION_NAME'] || 'keystay'
  if (!/^[\w+=,.@-]{2,64}$/.test(session))
    throw new Error('AWS_ROLE_SESSION_NAME is not 2 to 64 of A–Z a–z 0–9 _ + = , . @ -')
  const origin =
    environment['AWS_ENDPOINT_URL_STS'] ||
    environment['AWS_ENDPOINT_URL'] ||
    `https://sts.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
  const line = openLine('AWS STS', origin, { ask_ms })
  let held: { readonly keys: AwsKeys; readonly asked_at: number } | null = null
  let asking: Promise<AwsKeys> | null = null
  let failed_at = -Infinity

  /** AssumeRoleWithWebIdentity: the token is the proof, so nothing is signed. */
  const assume = async (): Promise<AwsKeys> => {
    const asked_at = now()
    const token = (
      await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
        throw new Error(`AWS_WEB_IDENTITY_TOKEN_FILE: ${file} cannot be read (${error.code ?? 'error'})`)
      })
    ).trim()
    if (!/^[!-~]{4,20000}$/.test(token)) throw new Error(`AWS_WEB_IDENTITY_TOKEN_FILE: ${file} holds no token`)
    hide(token)
    const body = new URLSearchParams({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: role,
      RoleSessionName: session,
      WebIdentityToken: token,
      DurationSeconds: String(LIVES_S),
    }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await line.ask({ method: 'POST', path: '/', headers, body })
    if (answer.status !== 200) {
      const code = elementOf(answer.text, 'Code', /^[A-Za-z]{1,64}$/)
      throw new Error(`AWS STS refuses our role (${answer.status}${code === null ? '' : `, ${code}`})`)
    }
    const id = elementOf(answer.text, 'AccessKeyId', /^[A-Z0-9]{16,128}$/)
    const secret = elementOf(answer.text, 'SecretAccessKey', /^[A-Za-z0-9/+=]{16,256}$/)
    const sessionToken = elementOf(answer.text, 'SessionToken', /^[A-Za-z0-9/+=_-]{16,16384}$/)
    if (id === null || secret === null || sessionToken === null) throw new Error('AWS STS answered with no credentials')
    for (const value of [secret, sessionToken]) hide(value)
    const keys = { id, secret, session: sessionToken }
    held = { keys, asked_at }
    return keys
  }
  const assumeOnce = (): Promise<AwsKeys> =>
    (asking ??= assume()
      .catch((error: unknown) => {
        failed_at = now()
        throw error
      })
      .finally(() => (asking = null)))

  return {
    async current() {
      const age = held === null ? Infinity : now() - held.asked_at
      if (held === null || age >= LIVES_S * 1000) return assumeOnce()
      if (age < LIVES_S * 1000 * RENEW_AT || now() - failed_at < RETRY_MS) return held.keys
      const { keys } = held
      return assumeOnce().catch(() => keys)
    },
    async isGone(keys) {
      if (held?.keys === keys) held = null
      return true
    },
    async close() {
      held = null
      await line.close()
    },
  }
}

/** One element of STS's XML whose text has no markup in it; null for anything else. */
function elementOf(xml: string, name: string, form: RegExp): string | null {
  const [, text = ''] = new RegExp(`<${name}>([^<>&]{1,20000})</${name}>`).exec(xml) ?? []
  return form.test(text) ? text : null
}
