import { AwsV4Signer } from 'aws4fetch'
import { isRegion } from './address.ts'
import { fieldOf, jsonOf, openLine } from './ask.ts'
import type { Answer } from './ask.ts'
import { openAwsIdentity } from './aws-identity.ts'
import type { AwsKeys } from './aws-identity.ts'
import { splitField, whole } from './sources.ts'
import type { Document, Source } from './sources.ts'

export interface AwsParts {
  readonly environment: NodeJS.ProcessEnv
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Told every key before it is used, so that it appears nowhere. */
  readonly hide: (value: string) => void
  readonly ask_ms: number | undefined
}

/** The version that AWS calls current. AWSPENDING is a rotation that is not over: nobody may use it yet. */
const STAGE = 'AWSCURRENT'

/**
 * AWS Secrets Manager: `aws://NAME#FIELD` is a member of a secret that is JSON, `aws://NAME` its whole text. Requests are
 * signed (Signature Version 4); who we are comes from the environment, see aws-identity.ts.
 *
 * @throws Error for a region or an address that is none, or for no identity
 */
export function awsSource(region: string, parts: AwsParts): Source {
  const { environment, ask_ms } = parts
  if (!isRegion(region)) throw new Error(`--secrets aws:REGION: ${JSON.stringify(region)} is no region`)
  const origin =
    environment['AWS_ENDPOINT_URL_SECRETS_MANAGER'] ||
    environment['AWS_ENDPOINT_URL'] ||
    `https://secretsmanager.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
  const identity = openAwsIdentity(region, parts)
  const line = openLine('AWS Secrets Manager', origin, { ask_ms })

  const read = async (name: string, keys: AwsKeys): Promise<Answer> => {
    const body = JSON.stringify({ SecretId: name, VersionStage: STAGE })
    const signer = new AwsV4Signer({
      method: 'POST',
      url: new URL('/', origin).href,
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'secretsmanager.GetSecretValue',
      },
      body,
      service: 'secretsmanager',
      region,
      accessKeyId: keys.id,
      secretAccessKey: keys.secret,
      ...(keys.session === null ? {} : { sessionToken: keys.session }),
    })
    const { headers } = await signer.sign()
    return line.ask({ method: 'POST', path: '/', headers: Object.fromEntries(headers), body })
  }
  // two fields of one secret that are asked together share one answer
  const reading = new Map<string, Promise<Document>>()

  const fetchNow = async (name: string): Promise<Document> => {
    const keys = await identity.current()
    const answer = await read(name, keys)
    if (!isAboutKeys(answer) || !(await identity.isGone(keys))) return documentOf(answer)
    return documentOf(await read(name, await identity.current()))
  }

  return {
    split(name) {
      const { document, field } = splitField(name)
      if (!/^[A-Za-z0-9/_+=.@:-]{1,2048}$/.test(document) || (name.includes('#') && !/^[^\s#]{1,128}$/.test(field))) {
        throw new Error('that is no name of a secret: aws://NAME#FIELD, or aws://NAME for the whole text')
      }
      return { document, field }
    },
    check: identity.current,
    fetch(name) {
      const one = reading.get(name) ?? fetchNow(name)
      reading.set(name, one)
      return one.finally(() => reading.delete(name))
    },
    async close() {
      await identity.close()
      await line.close()
    },
  }
}

function documentOf(answer: Answer): Document {
  if (answer.status !== 200) throw new Error(refusalOf(answer))
  const found = jsonOf(answer.text)
  const stages = found?.['VersionStages']
  if (!Array.isArray(stages) || !stages.includes(STAGE)) {
    throw new Error(`AWS Secrets Manager answered with a version that is not ${STAGE}`)
  }
  const text = found?.['SecretString']
  if (typeof text !== 'string') throw new Error('the secret is binary; Keystay reads text')
  return {
    pick(field) {
      if (field === '') return whole(text).pick('')
      const fields = jsonOf(text)
      if (fields === null) throw new Error('the secret is no JSON object, so it has no fields: leave #FIELD out')
      return fieldOf(fields, field)
    },
  }
}

/** Of the error's name alone: its message may hold what was asked, and the account. */
function codeOf({ text }: Answer): string {
  const type = jsonOf(text)?.['__type']
  const [, code = ''] = /(?:^|#)([A-Za-z]{1,64})$/.exec(typeof type === 'string' ? type : '') ?? []
  return code
}

function isAboutKeys(answer: Answer): boolean {
  return /^(ExpiredToken|ExpiredTokenException|UnrecognizedClientException|InvalidClientTokenId)$/.test(codeOf(answer))
}

function refusalOf(answer: Answer): string {
  const code = codeOf(answer)
  const means: { readonly [code: string]: string } = {
    ResourceNotFoundException: 'there is no such secret, or it has no current version',
    AccessDeniedException: 'we may not read it (secretsmanager:GetSecretValue, and kms:Decrypt for a key of your own)',
    DecryptionFailure: 'its key cannot decrypt it',
    InvalidRequestException: 'it is being deleted',
    InvalidSignatureException: 'our signature is refused: the secret access key is another, or the clock is wrong',
    ExpiredTokenException: 'our credentials have ended',
    UnrecognizedClientException: 'it does not know our access key',
    ThrottlingException: 'it has too many requests',
  }
  return `AWS Secrets Manager does not give it: ${means[code] ?? `it answered ${answer.status}`}${code === '' ? '' : ` (${code})`}`
}
