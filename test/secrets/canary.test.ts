import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { openSecrets } from '../../gateway/secrets/open.ts'
import type { SecretEvent, Secrets } from '../../gateway/secrets/open.ts'
import { startAws } from '../backends/aws.ts'
import type { FakeAws } from '../backends/aws.ts'
import { startVault } from '../backends/vault.ts'
import type { FakeVault } from '../backends/vault.ts'
import { twelveForms } from '../suites/twelve-forms.ts'

const CANARIES = {
  value: 'sk_test_Canary/Value+0123456789=',
  token: 'hvs.Canary/Token+0123456789=',
  proof: 'eyJ.Canary/Proof+0123456789=',
  secret_id: 'secret_id_Canary/0123456789+=',
  access: 'aws/Canary/Secret/Access/Key+0123456789=',
  session: 'aws/Canary/Session/Token+0123456789=',
}
const ALL = Object.values(CANARIES)
/** All of them at once, as a source that repeats what it was told might. */
const LEAK = ALL.join(' ')

/** What a source may answer with instead of a secret. */
const LIES: readonly (readonly [string, (response: ServerResponse) => void])[] = [
  ['400 that quotes', (r) => r.writeHead(400).end(JSON.stringify({ errors: [LEAK], __type: LEAK, message: LEAK }))],
  ['403 that quotes', (r) => r.writeHead(403).end(JSON.stringify({ errors: [LEAK], __type: `x#${LEAK}` }))],
  ['404 that quotes', (r) => r.writeHead(404).end(LEAK)],
  ['429', (r) => r.writeHead(429, { 'retry-after': LEAK }).end(LEAK)],
  ['500 that quotes', (r) => r.writeHead(500).end(`<Error><Code>${LEAK}</Code></Error>`)],
  ['503', (r) => r.writeHead(503).end(LEAK)],
  ['a redirect', (r) => r.writeHead(307, { location: `http://127.0.0.1:1/?x=${encodeURIComponent(LEAK)}` }).end(LEAK)],
  ['a page', (r) => r.writeHead(200, { 'content-type': 'text/html' }).end(`<html>${LEAK}`)],
  ['half of JSON', (r) => r.writeHead(200).end(`{"data":{"data":{"key":"${LEAK}`)],
  ['a list', (r) => r.writeHead(200).end(JSON.stringify([LEAK]))],
  ['nothing', (r) => r.writeHead(200).end()],
  ['no content', (r) => r.writeHead(204).end()],
  ['null', (r) => r.writeHead(200).end('null')],
  ['other members', (r) => r.writeHead(200).end(JSON.stringify({ data: { data: LEAK }, SecretString: LEAK }))],
  [
    'members of another type',
    (r) => r.writeHead(200).end(JSON.stringify({ data: { data: { key: [LEAK] } }, auth: LEAK })),
  ],
  ['a megabyte and more', (r) => r.writeHead(200).end(LEAK.repeat(8000))],
  ['what is compressed', (r) => r.writeHead(200, { 'content-encoding': 'gzip' }).end(LEAK)],
  ['half an answer', (r) => void r.writeHead(200, { 'content-length': 9999 }).write(LEAK, () => r.destroy())],
  ['no answer', (r) => void r.destroy()],
  ['silence', () => {}],
  ['one byte at a time', (r) => void setTimeout(() => r.writeHead(200).write(LEAK), 50)],
  ['no HTTP', (r) => void r.socket?.end(`${LEAK}\r\n\r\n`)],
  ['a broken header', (r) => void r.socket?.end(`HTTP/1.1 200 OK\r\n${LEAK}\r\n\r\n`)],
]

describe('whatever a source of secrets answers', function () {
  this.timeout(30_000)
  let vault: FakeVault
  let aws: FakeAws
  let folder: string
  let now = 1_000_000
  let events: SecretEvent[]
  const heard: unknown[] = []

  const open = async (spec: string, environment: NodeJS.ProcessEnv): Promise<Secrets> => {
    const onEvent = (event: SecretEvent): void => void events.push(event)
    return openSecrets(spec, { now: () => now, onEvent, environment, ask_ms: 300, look_ms: 5 })
  }
  const clean = (what: string, ...said: readonly unknown[]): void => {
    for (const one of said) {
      const text = `${inspect(one, { depth: 9, showHidden: true })} ${one instanceof Error ? String(one.stack) : ''}`
      for (const canary of ALL) {
        for (const form of twelveForms(canary))
          assert.ok(!text.includes(form), `${what}: ${form.slice(0, 12)}… in ${text}`)
      }
    }
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keystay-leak-'))
    await writeFile(join(folder, 'proof'), CANARIES.proof)
    vault = await startVault({
      now: () => now,
      kubernetes: { role: 'r', jwt: () => CANARIES.proof },
      approle: { role_id: 'r', secret_id: CANARIES.secret_id },
      password: () => CANARIES.value,
    })
    vault.issue({ value: CANARIES.token })
    vault.put('kv/pay', { key: CANARIES.value })
    aws = await startAws('eu-central-1')
    aws.put('pay', { AWSCURRENT: CANARIES.value })
    const session = CANARIES.session
    aws.role(CANARIES.proof, { id: 'ASFAKEOFTHETESTS0001', secret: CANARIES.access, session })
  })
  beforeEach(() => {
    now = 1_000_000
    events = []
  })
  after(async () => {
    await vault.close()
    await aws.close()
    await rm(folder, { recursive: true })
    process.removeListener('warning', warned)
    clean('a warning', ...heard)
  })
  const warned = (warning: Error): void => void heard.push(warning)
  process.on('warning', warned)

  const byVault: readonly (readonly [string, () => NodeJS.ProcessEnv])[] = [
    ['a token', () => ({ VAULT_TOKEN: CANARIES.token })],
    ['AppRole', () => ({ KEYSTAY_VAULT_ROLE_ID: 'r', KEYSTAY_VAULT_SECRET_ID: CANARIES.secret_id })],
    ['Kubernetes', () => ({ KEYSTAY_VAULT_ROLE: 'r', KEYSTAY_VAULT_JWT_FILE: join(folder, 'proof') })],
  ]
  for (const [what, lie] of LIES) {
    it(`no byte of a key comes out, and nothing but a reason: ${what}`, async () => {
      // each of these takes the whole time that an answer may take
      const isSlow = what === 'silence' || what === 'one byte at a time'
      for (const [method, environment] of isSlow ? byVault.slice(0, 1) : byVault) {
        vault.honest()
        const secrets = await open(`vault:${vault.url}`, environment())
        const kept = await secrets.get('vault://kv/pay#key')
        vault.lie((_, response) => (lie(response), true))
        now += 300_000
        for (const ref of ['vault://kv/pay#key', 'vault://database/creds/orders#password']) {
          const error = await secrets.get(ref).then(
            () => null,
            (reason: unknown) => reason,
          )
          assert.ok(error instanceof Error, `${method}: ${what} was taken for ${ref}`)
          assert.match(error.message, /^vault:\/\/\S+: (Vault|the field|the secret|our)/, what)
          clean(what, error, error.cause)
        }
        assert.equal(await secrets.refused(kept), false)
        clean(what, ...events, secrets, kept)
        await assert.rejects(open(`vault:${vault.url}`, environment()), (error: Error) => {
          clean(what, error, error.cause)
          return true
        })
        vault.honest()
        await secrets.close()
      }
      const environment = {
        AWS_ENDPOINT_URL: aws.url,
        AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'proof'),
        AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/r',
      }
      const secrets = await open('aws:eu-central-1', environment)
      await secrets.get('aws://pay')
      aws.lie((_, response) => (lie(response), true))
      now += 300_000
      await assert.rejects(secrets.get('aws://pay'), (error: Error) => {
        assert.match(error.message, /^aws:\/\/pay: (AWS|the secret)/, what)
        clean(what, error, error.cause, ...events, secrets)
        return true
      })
      await assert.rejects(open('aws:eu-central-1', environment), (error: Error) => {
        clean(what, error, error.cause)
        return true
      })
      aws.lie(null)
      await secrets.close()
    })
  }
})
