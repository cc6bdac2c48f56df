import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSecrets } from '../../gateway/secrets/open.ts'
import type { SecretEvent, Secrets } from '../../gateway/secrets/open.ts'
import { startAws } from '../backends/aws.ts'
import type { AwsKey, FakeAws } from '../backends/aws.ts'

const KEY = 'sk_test_c4n4ry_kept_at_aws'
const REGION = 'eu-central-1'
const STATIC: AwsKey = { id: 'AKFAKEOFTHETESTS0001', secret: 'fake/secret+access/key/of/the/tests/0001' }
const ASSUMED: AwsKey = {
  id: 'ASFAKEOFTHETESTS0002',
  secret: 'fake/secret+access/key/of/the/tests/0002',
  session: 'fake/session/token/of/the/tests/0002==',
}

describe('secrets in AWS Secrets Manager', () => {
  let aws: FakeAws
  let folder: string
  let now: number
  let events: SecretEvent[]
  let opened: Secrets[]
  const byKeys = (key: AwsKey, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    AWS_ENDPOINT_URL: aws.url,
    AWS_ACCESS_KEY_ID: key.id,
    AWS_SECRET_ACCESS_KEY: key.secret,
    ...(key.session === undefined ? {} : { AWS_SESSION_TOKEN: key.session }),
    ...more,
  })
  const open = async (environment: NodeJS.ProcessEnv = byKeys(STATIC), region = REGION): Promise<Secrets> => {
    const onEvent = (event: SecretEvent): void => void events.push(event)
    const secrets = await openSecrets(`aws:${region}`, { now: () => now, onEvent, environment })
    opened.push(secrets)
    return secrets
  }
  const value = async (secrets: Secrets, ref: string): Promise<string> => (await secrets.get(ref)).open()

  beforeEach(async () => {
    now = 1000
    events = []
    opened = []
    aws = await startAws(REGION)
    aws.allow(STATIC)
    folder = await mkdtemp(join(tmpdir(), 'keystay-aws-'))
    aws.put('pay/key', { AWSCURRENT: JSON.stringify({ key: KEY, id: 'acct_1', n: 5 }) })
    aws.put('whole', { AWSCURRENT: KEY })
  })
  afterEach(async () => {
    await Promise.all(opened.map((secrets) => secrets.close()))
    await aws.close()
    await rm(folder, { recursive: true })
  })

  it('are a field of JSON or a whole text, asked for with a signature that holds', async () => {
    const secrets = await open()
    const refs = ['aws://pay/key#key', 'aws://pay/key#id', 'aws://whole']
    assert.deepEqual(await Promise.all(refs.map((ref) => value(secrets, ref))), [KEY, 'acct_1', KEY])
    assert.equal(aws.requests.length, 2)
    assert.equal(secrets.scrub.text(`${STATIC.secret} ${KEY}`), '[secret] [secret]')
  })

  it('are those of AWSCURRENT; a pending version is never used, also not after a 401', async () => {
    const secrets = await open()
    const old = await secrets.get('aws://whole')
    aws.put('whole', { AWSCURRENT: KEY, AWSPENDING: `${KEY}-pending` })
    now += 300_000
    assert.equal(await value(secrets, 'aws://whole'), KEY)
    assert.equal(await secrets.refused(old), false)
    assert.equal(await value(secrets, 'aws://whole'), KEY)
    aws.put('whole', { AWSCURRENT: `${KEY}-pending`, AWSPREVIOUS: KEY })
    now += 10_000
    assert.equal(await secrets.refused(old), true)
    assert.equal(await value(secrets, 'aws://whole'), `${KEY}-pending`)
    assert.ok(aws.requests.every(({ body }) => JSON.parse(body).VersionStage === 'AWSCURRENT'))
    assert.equal(events.at(-1)?.kind, 'credential.rotated')
    aws.lie((_, response) => {
      response.end(JSON.stringify({ SecretString: `${KEY}-pending`, VersionStages: ['AWSPENDING'] }))
      return true
    })
    now += 300_000
    await assert.rejects(secrets.get('aws://whole'), /a version that is not AWSCURRENT/)
  })

  it('are signed for with a session token, where there is one', async () => {
    aws.allow(ASSUMED)
    assert.equal(await value(await open(byKeys(ASSUMED)), 'aws://whole'), KEY)
  })

  it('are signed for by a role of the cluster, whose token is read anew; before the keys end there are others', async () => {
    const file = join(folder, 'token')
    const environment = {
      AWS_ENDPOINT_URL: aws.url,
      AWS_WEB_IDENTITY_TOKEN_FILE: file,
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/keystay',
      // as a cluster's webhook leaves them: the role wins
      AWS_ACCESS_KEY_ID: 'AKNOTTHISONE00000000',
      AWS_SECRET_ACCESS_KEY: 'not-this-secret-access-key-of-the-tests',
    }
    const assumed = (): number => aws.requests.filter(({ operation }) => operation.startsWith('Assume')).length
    await writeFile(file, 'eyJ.first.fake-token\n', { mode: 0o644 })
    aws.role('eyJ.first.fake-token', ASSUMED)
    const secrets = await open(environment)
    await value(secrets, 'aws://whole')
    now += 2_399_000
    await value(secrets, 'aws://pay/key#key')
    assert.equal(assumed(), 1)

    // rotated on the disk; STS away: the keys at hand live for a while
    const next = {
      id: 'ASFAKEOFTHETESTS0003',
      secret: 'fake/secret+access/key/of/the/tests/0003',
      session: 'fake/session/token/0003',
    }
    await writeFile(file, 'eyJ.second.fake-token\n')
    now += 2000
    assert.equal(await value(secrets, 'aws://whole'), KEY)
    aws.role('eyJ.second.fake-token', next)
    now += 301_000
    assert.equal(await value(secrets, 'aws://whole'), KEY)
    assert.equal(assumed(), 3)
    assert.match(String(aws.requests.at(-1)?.headers.authorization), /Credential=ASFAKEOFTHETESTS0003\//)

    // ended before their time: others are fetched once, and it is asked again
    aws.allow()
    now += 301_000
    assert.equal(await value(secrets, 'aws://whole'), KEY)
    assert.equal(assumed(), 4)
    for (const text of ['eyJ.first.fake-token', 'eyJ.second.fake-token', next.secret, next.session, ASSUMED.secret]) {
      assert.equal(secrets.scrub.text(text), '[secret]')
    }
  })

  const bad: readonly [string, (url: string) => NodeJS.ProcessEnv, string, RegExp][] = [
    ['no identity', () => ({}), REGION, /needs an identity/],
    ['half an identity', () => ({ AWS_ACCESS_KEY_ID: STATIC.id }), REGION, /needs an identity/],
    ['a region that is a host', () => byKeys(STATIC), 'eu-central-1.evil.example', /is no region/],
    ['a region with a path', () => byKeys(STATIC), 'eu-central-1/..', /is no region/],
    [
      'plain http to elsewhere',
      () => byKeys(STATIC, { AWS_ENDPOINT_URL: 'http://aws.example.com' }),
      REGION,
      /needs https/,
    ],
    [
      'a role without its token',
      (url) => ({
        AWS_ENDPOINT_URL: url,
        AWS_WEB_IDENTITY_TOKEN_FILE: '/no/such',
        AWS_ROLE_ARN: 'arn:aws:iam::1:role/x',
      }),
      REGION,
      /cannot be read/,
    ],
    [
      'a token that STS refuses',
      (url) => ({
        AWS_ENDPOINT_URL: url,
        AWS_WEB_IDENTITY_TOKEN_FILE: '/proc/self/comm',
        AWS_ROLE_ARN: 'arn:aws:iam::1:role/x',
      }),
      REGION,
      /AWS STS refuses our role \(400, InvalidIdentityToken\)/,
    ],
    [
      'a session of a name that is none',
      () => ({ AWS_WEB_IDENTITY_TOKEN_FILE: '/no', AWS_ROLE_ARN: 'r', AWS_ROLE_SESSION_NAME: 'a b' }),
      REGION,
      /AWS_ROLE_SESSION_NAME/,
    ],
  ]
  for (const [what, environment, region, message] of bad) {
    it(`are not opened with ${what}`, () => assert.rejects(open(environment(aws.url), region), message))
  }

  it('are refused with another key, region or clock, and the reason is told without a key', async () => {
    const cases: readonly [AwsKey, string, RegExp][] = [
      [{ ...STATIC, secret: 'fake/another+access/key/of/the/tests/0009' }, REGION, /another, or the clock is wrong/],
      [{ ...STATIC, id: 'AKFAKEOFTHETESTS0009' }, REGION, /does not know our access key/],
      [STATIC, 'eu-central-2', /InvalidSignatureException/],
    ]
    for (const [key, region, message] of cases) {
      const secrets = await open(byKeys(key), region)
      await assert.rejects(secrets.get('aws://whole'), (error: Error) => {
        assert.match(error.message, message)
        return !error.message.includes(key.secret)
      })
    }
  })

  const refs: readonly [string, RegExp][] = [
    ['aws://', /no secret ref/],
    ['aws://#key', /no name of a secret/],
    ['aws://pay key', /no name of a secret/],
    ['aws://pay"key', /no name of a secret/],
    ['aws://pay\\key', /no name of a secret/],
    ['aws://pay\nkey', /no name of a secret/],
    ['aws://pay/key#', /no name of a secret/],
    ['aws://pay/key#a b', /no name of a secret/],
    [`aws://${'a'.repeat(2049)}`, /no name of a secret/],
    ['aws://none', /no such secret/],
    ['aws://pay/key#none', /no such field/],
    ['aws://pay/key#constructor', /no such field/],
    ['aws://pay/key#n', /not a text/],
    ['aws://whole#key', /no JSON object/],
    ['aws://list#key', /no JSON object/],
    ['aws://binary', /binary/],
    ['aws://empty', /empty/],
  ]
  it('refuse what is no ref, no secret or no text', async () => {
    aws.put('binary', { AWSCURRENT: Buffer.from('c4n4ry') })
    aws.put('empty', { AWSCURRENT: '' })
    aws.put('list', { AWSCURRENT: '["c4n4ry"]' })
    const secrets = await open()
    for (const [ref, reason] of refs) {
      events.length = 0
      await assert.rejects(secrets.get(ref), (error: Error) => {
        assert.equal(error.name, 'SecretUnavailable', ref)
        assert.match(error.message, reason, `${ref}: ${error.message}`)
        return !error.message.includes('c4n4ry')
      })
      assert.deepEqual(
        events.map(({ kind }) => kind),
        ['credential.failed'],
        ref,
      )
    }
  })
})
