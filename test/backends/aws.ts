import { createHash, createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface AwsRequest {
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** `secretsmanager.GetSecretValue`, `AssumeRoleWithWebIdentity`. */
  readonly operation: string
}

export interface AwsKey {
  readonly id: string
  readonly secret: string
  readonly session?: string
}

export interface FakeAws {
  readonly url: string
  readonly requests: readonly AwsRequest[]
  /** The versions of a secret by stage. */
  put(name: string, stages: { readonly [stage: string]: string | Buffer }): void
  /** Keys that may sign. */
  allow(...keys: readonly AwsKey[]): void
  /** The keys that STS gives next, for this token of the cluster. */
  role(token: string, key: AwsKey): void
  lie(lie: ((request: AwsRequest, response: ServerResponse) => boolean) | null): void
  close(): Promise<void>
  listen(): Promise<void>
}

/**
 * AWS Secrets Manager and STS of the tests. Signatures are computed anew by hand, after AWS's description of Signature
 * Version 4; a request whose signature, date, scope or session token is another is refused, as there.
 */
export async function startAws(region: string): Promise<FakeAws> {
  const requests: AwsRequest[] = []
  const secrets = new Map<string, { readonly [stage: string]: string | Buffer }>()
  let keys: readonly AwsKey[] = []
  let role: { readonly token: string; readonly key: AwsKey } | null = null
  let lie: (request: AwsRequest, response: ServerResponse) => boolean = () => false

  const answer = (request: AwsRequest): Reply => {
    if (request.operation === 'AssumeRoleWithWebIdentity') return assume(new URLSearchParams(request.body))
    const refused = refusedSignature(request, keys, region)
    if (refused !== null)
      return { status: 400, body: JSON.stringify({ __type: refused, message: 'see Authorization' }) }
    if (request.operation !== 'secretsmanager.GetSecretValue') return error('UnknownOperationException')
    const { SecretId, VersionStage } = JSON.parse(request.body) as { SecretId: string; VersionStage?: string }
    const value = secrets.get(SecretId)?.[VersionStage ?? 'AWSCURRENT']
    if (value === undefined) return error('com.amazonaws.secretsmanager#ResourceNotFoundException')
    const said = typeof value === 'string' ? { SecretString: value } : { SecretBinary: value.toString('base64') }
    const VersionStages = [VersionStage ?? 'AWSCURRENT']
    return { status: 200, body: JSON.stringify({ Name: SecretId, VersionId: 'v', VersionStages, ...said }) }
  }
  const assume = (form: URLSearchParams): Reply => {
    const isFull = form.get('Version') === '2011-06-15' && form.get('RoleArn')?.startsWith('arn:aws:iam::') === true
    if (role === null || !isFull || form.get('WebIdentityToken') !== role.token) {
      const body =
        '<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>no</Message></Error></ErrorResponse>'
      return { status: 400, body }
    }
    const { id, secret, session } = role.key
    keys = [...keys, role.key]
    const body = `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
      <AccessKeyId>${id}</AccessKeyId><SecretAccessKey>${secret}</SecretAccessKey><SessionToken>${session}</SessionToken>
      <Expiration>2026-11-22T11:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
      </AssumeRoleWithWebIdentityResponse>`
    return { status: 200, body }
  }

  const server = createServer(async (incoming, response) => {
    let body = ''
    for await (const piece of incoming) body += String(piece)
    const target = incoming.headers['x-amz-target']
    const operation = typeof target === 'string' ? target : (new URLSearchParams(body).get('Action') ?? '')
    const request = { headers: incoming.headers, body, operation }
    requests.push(request)
    if (lie(request, response)) return
    const reply = answer(request)
    response.writeHead(reply.status).end(reply.body)
  })
  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    put: (name, stages) => void secrets.set(name, stages),
    allow: (...allowed) => void (keys = allowed),
    role: (token, key) => void (role = { token, key }),
    lie: (how) => void (lie = how ?? (() => false)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
    listen: () => listen(port),
  }
}

interface Reply {
  readonly status: number
  readonly body: string
}

function error(type: string): Reply {
  return { status: 400, body: JSON.stringify({ __type: type, message: 'no' }) }
}

/** The name of the error, or null for a request that is signed as AWS describes it. */
function refusedSignature({ headers, body }: AwsRequest, keys: readonly AwsKey[], region: string): string | null {
  const form = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(.+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/
  const [, id, scope, signed = '', signature] = form.exec(headers.authorization ?? '') ?? []
  const key = keys.find((one) => one.id === id)
  if (key === undefined) return 'UnrecognizedClientException'
  if (key.session !== undefined && headers['x-amz-security-token'] !== key.session) return 'UnrecognizedClientException'
  const date = String(headers['x-amz-date'])
  const wanted = [date.slice(0, 8), region, 'secretsmanager', 'aws4_request']
  if (scope !== wanted.join('/')) return 'InvalidSignatureException'
  const at = Date.parse(date.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'))
  if (!(Math.abs(Date.now() - at) < 300_000)) return 'InvalidSignatureException'
  const names = signed.split(';')
  if (!['host', 'x-amz-date', 'x-amz-target'].every((name) => names.includes(name))) return 'InvalidSignatureException'
  const lines = names.map((name) => `${name}:${String(headers[name]).trim().replace(/\s+/g, ' ')}\n`).join('')
  const canonical = ['POST', '/', '', lines, signed, sha256(body)].join('\n')
  const text = ['AWS4-HMAC-SHA256', date, wanted.join('/'), sha256(canonical)].join('\n')
  const signing = wanted.reduce<Buffer | string>((from, part) => hmac(from, part), `AWS4${key.secret}`)
  return hmac(signing, text).toString('hex') === signature ? null : 'InvalidSignatureException'
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
