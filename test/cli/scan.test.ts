import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { findInCode } from '../../gateway/cli/scan/code.ts'
import { scanDirectory } from '../../gateway/cli/scan/find.ts'
import type { Finding } from '../../gateway/cli/scan/finding.ts'
import { looksLikeKey } from '../../gateway/cli/scan/looks-like-key.ts'
import { pairsIn } from '../../gateway/cli/scan/plain-text-keys.ts'
import { policyOf, propose } from '../../gateway/cli/scan/propose.ts'
import { SERVICES } from '../../gateway/cli/scan/services.ts'
import { writeNew } from '../../gateway/cli/scan/write-new.ts'
import { keystay } from './keystay.ts'

/** No part of it may come out. */
const CANARY = 'CanaryCanary0123456789'

describe('what looks like a key', () => {
  for (const [name, value, kind] of [
    ['STRIPE_API_KEY', 'x', 'named like a key'],
    ['apiKey', 'abcdef', 'named like a key'],
    ['x-api-key', 'abcdef', 'named like a key'],
    ['DB_PASSWORD', '1234', 'named like a password'],
    ['DB_PASS', 'hunter2', 'named like a password'],
    ['SECRET_KEY_BASE', 'abc', 'named like a secret'],
    ['npm_config_//registry.example/:_authToken', 'abc', 'named like a token'],
    ['SSH_AUTH_SOCK', '/tmp/agent', 'a way to credentials'],
    ['AWS_PROFILE', 'prod', 'a way into AWS'],
    ['ACTIONS_ID_TOKEN_REQUEST_URL', 'https://x', 'a way to credentials'],
    ['', `sk_live_${CANARY}`, 'Stripe key'],
    ['', `sk_test_${CANARY}`, 'Stripe key'],
    ['', `ghp_${CANARY}`, 'GitHub token'],
    ['', `prefix AKIAABCDEFGHIJKLMNOP`, 'AWS access key'],
    ['', 'xoxb-123456789012-abc', 'Slack token'],
    ['', `sk-ant-${CANARY}`, 'Anthropic key'],
    ['', `sk-proj-${CANARY}`, 'OpenAI key'],
    ['', `kst_${CANARY}`, 'session token of Keystay'],
    ['', '-----BEGIN RSA PRIVATE KEY-----', 'private key'],
    ['', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.signature', 'JWT'],
    ['HTTPS_PROXY', 'http://user:secret@proxy:3128', 'URL with a password'],
    ['DSN', 'host=db user=app password=hunter2', 'connection string with a password'],
    ['X', `Bearer ${CANARY}`, 'Authorization header'],
    ['PATH', '/usr/bin:/bin', null],
    ['PWD', '/work', null],
    ['SENTRY_DSN', 'https://mytoken0123456789@sentry.example/1', 'URL with a token'],
    ['GIT_URL', 'https://my%2Ftoken0123456789@git.example/x', 'URL with a token'],
    ['GIT_URL', 'https://${GITHUB_ACCESS_TOKEN}@git.example/x', null],
    ['', `eyJ${'a'.repeat(8_000)}.eyJzdWIiOiJ4In0.signature`, 'JWT'],
    ['HTTPS_PROXY', 'http://proxy:3128', null],
    ['DATABASE_URL', 'postgres://app@db/app', null],
    ['MAX_TOKENS', '4096', null],
    ['TOKEN_LIMIT', '4096', null],
    ['ACCESS_TOKEN', '3600', null],
    ['TOKENIZERS_PARALLELISM', 'false', null],
    ['MONKEY', 'banana', null],
    ['KEYBOARD', 'us', null],
    ['COMPASS', 'north', null],
    ['STRIPE_PUBLISHABLE_KEY', 'pk', null],
    ['AWS_REGION', 'eu-central-1', null],
    ['API_KEY', '', null],
    ['API_KEY', '${env:API_KEY}', null],
    ['API_KEY', '$API_KEY', null],
    ['API_KEY', 'age://stripe/key', null],
    ['API_KEY', 'op://vault/item/field', null],
    ['API_KEY', '<your key>', null],
    ['DATABASE_URL', 'postgres://app:${PASSWORD}@db/app', null],
  ] as const) {
    it(`${name || 'a text'}=${value.slice(0, 30)}: ${kind ?? 'no'}`, () => equal(looksLikeKey(name, value), kind))
  }

  it('is told of a megabyte in no time', () => {
    const bad = [
      'a',
      'eyJ',
      '-eyJ',
      '.eyJ',
      '-eyJaaaaaaaa.eyJaaaa',
      ':',
      '/',
      '=',
      'password ',
      '://a:',
      'A_',
      'key',
      '-----BEGIN ',
      'x@',
      '{',
    ]
    for (const text of bad) {
      const began = performance.now()
      looksLikeKey(text.repeat(1_000), text.repeat(1_000_000 / text.length))
      const took_ms = performance.now() - began
      ok(took_ms < 500, `${text}: ${took_ms} ms`)
    }
  })
})

describe('what code does with keys', () => {
  for (const [code, ...found] of [
    ['new Stripe(process.env.STRIPE_SECRET_KEY)', 'env STRIPE_SECRET_KEY stripe', 'sdk new Stripe stripe'],
    ['new Stripe(process.env.KEYSTAY_STRIPE_KEY, { host })'],
    ["process.env['SLACK_BOT_TOKEN']", 'env SLACK_BOT_TOKEN slack'],
    ['process?.env?.OPENAI_API_KEY', 'env OPENAI_API_KEY openai'],
    ['const { GITHUB_TOKEN: t, PORT } = process.env', 'env GITHUB_TOKEN github'],
    ['import.meta.env.VITE_ANTHROPIC_API_KEY', 'env VITE_ANTHROPIC_API_KEY anthropic'],
    ["Deno.env.get('DATABASE_URL')", 'env DATABASE_URL postgres'],
    ['os.environ["STRIPE_KEY"]', 'env STRIPE_KEY stripe'],
    ["os.environ.get('ACME_TOKEN', '')", 'env ACME_TOKEN acme'],
    ["os.getenv('AWS_SECRET_ACCESS_KEY')", 'env AWS_SECRET_ACCESS_KEY aws'],
    ['client = OpenAI()', 'sdk OpenAI openai'],
    ['client = anthropic.Anthropic(api_key=k)', 'sdk Anthropic anthropic'],
    ['new Octokit({ auth })', 'sdk new Octokit github'],
    ["boto3.client('s3')", 'sdk boto3.client aws'],
    ["import { S3Client } from '@aws-sdk/client-s3'; new S3Client({})", 'sdk new S3Client aws'],
    ["import pg from 'pg'; new pg.Pool({ connectionString })", 'sdk new pg.Pool postgres'],
    ['new Pool({ size: 3 })'],
    ['psycopg.connect(url)', 'sdk psycopg.connect postgres'],
    [
      "requests.get('https://api.acme.example/x', headers={'Authorization': f'Bearer {t}'})",
      'header Authorization acme',
    ],
    ["fetch(u, { headers: { 'x-api-key': acmeKey } })", 'header x-api-key acme'],
    ['// new Stripe(process.env.STRIPE_KEY)'],
    ['process.env.PORT; process.env.NODE_ENV; process.env.LOG_LEVEL'],
    ['const monkey = keyboard[3]; tokenize(text)'],
  ] as const) {
    it(code, () =>
      deepEqual(
        findInCode(code).map(({ kind, name, service }) => `${kind} ${name} ${service}`),
        found,
      ),
    )
  }
})

describe('keystay scan', function () {
  this.timeout(20_000)
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keystay-scan-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const put = async (path: string, text: string | Buffer): Promise<void> => {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  const found = async (): Promise<string[]> =>
    (await scanDirectory(folder)).findings.map(
      (one) => `${one.file}:${one.line} ${one.kind} ${one.name} ${one.service}`,
    )

  it('names each place with what it holds and what to do instead, shows no value, and exits with 1', async () => {
    await put('src/agent.ts', `import Stripe from 'stripe'\nconst stripe = new Stripe('sk_live_${CANARY}')\n`)
    await put('src/tool.py', `import os\ntoken = os.environ["ACME_TOKEN"]\n`)
    await put('.env', `PORT=80\nDB_PASSWORD="${CANARY}"\n`)
    await put('.cursor/mcp.json', JSON.stringify({ mcpServers: { gh: { env: { GITHUB_TOKEN: `ghp_${CANARY}` } } } }))
    const policy = join(folder, 'policy')
    const { exit, out, err } = await keystay(['scan', folder, '--json', '--write', policy])
    equal(exit, 1, err)
    const said = JSON.parse(out) as {
      ok: boolean
      findings: Finding[]
      proposals: { service: string; change: object }[]
    }
    deepEqual(
      said.findings,
      [
        finding('.cursor/mcp.json', 1, 'client', 'GITHUB_TOKEN', 'GitHub token', 'github', 'ghp_'),
        finding('.env', 2, 'dotenv', 'DB_PASSWORD', 'named like a password', 'postgres'),
        finding('src/agent.ts', 2, 'value', 'stripe', 'Stripe key', 'stripe', 'sk_live_'),
        finding('src/agent.ts', 2, 'sdk', 'new Stripe', 'a client of stripe', 'stripe'),
        finding('src/tool.py', 2, 'env', 'ACME_TOKEN', 'named like a token', 'acme'),
      ].toSorted((a, b) => order(said.findings, a) - order(said.findings, b)),
    )
    deepEqual(
      said.proposals.map(({ service, change }) => [service, Object.keys(change)]),
      [
        ['stripe', ['javascript']],
        ['acme', ['python']],
        ['github', ['mcp']],
        ['postgres', ['other']],
      ],
    )
    ok(!(out + err).includes('Canary'))
    deepEqual((await readdir(policy)).sort(), ['actions', 'backends.yaml', 'identity.yaml', 'roles'])
    await rejects(writeNew(policy, { 'more.yaml': '', 'backends.yaml': '' }), /has backends.yaml already; nothing was/)
    equal((await readdir(policy)).length, 4)
  })

  it('exits with 0 where there is nothing, and prints nothing', async () => {
    await put('src/agent.ts', "const url = process.env.KEYSTAY_URL\nconst port = process.env['PORT']\n")
    await put('.env', 'KEYSTAY_URL=http://127.0.0.1:1\nLOG_LEVEL=info\nAPI_KEY=${FROM_ELSEWHERE}\n')
    await put('.env.example', `STRIPE_KEY=sk_live_${CANARY}\n`)
    const { exit, out, err } = await keystay(['scan', folder])
    deepEqual([exit, out, err], [0, '', 'keystay: no keys in 3 files\n'])
  })

  it('follows no link, opens no pipe, and leaves others’ code, binaries and big files alone', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'keystay-outside-'))
    const key = `A_KEY=sk_live_${CANARY}\n`
    await writeFile(join(outside, '.env'), key)
    for (const path of ['node_modules/a/.env', '.git/.env', 'dist/.env', '.venv/.env']) await put(path, key)
    await put('image.env', Buffer.concat([Buffer.from([0]), Buffer.from(key)]))
    await put('big.env', key + 'x'.repeat(1024 * 1024))
    await put('sub/.env', key)
    await symlink(outside, join(folder, 'linked'))
    await symlink(join(outside, '.env'), join(folder, '.env'))
    await symlink(folder, join(folder, 'round'))
    execFileSync('mkfifo', [join(folder, '.env.pipe')])
    const { walked } = await scanDirectory(folder)
    deepEqual(await found(), ['sub/.env:1 dotenv A_KEY stripe'])
    deepEqual([walked.files, walked.links, walked.too_large, walked.binary, walked.whole], [3, 4, 1, 1, true])
    await rm(outside, { recursive: true })
  })

  it('says that it was not all, and does not call that clean, beyond its bounds', async () => {
    await put(`${'d/'.repeat(40)}x.env`, 'PORT=1\n')
    const { exit, err } = await keystay(['scan', folder])
    equal(exit, 1)
    match(err, /NOT ALL was looked at/)
  })

  it('says so too where its time is over', async () => {
    await put('.env', `A_KEY=sk_live_${CANARY}\n`)
    deepEqual((await scanDirectory(folder, -1)).walked.whole, false)
    deepEqual((await scanDirectory(folder)).walked.whole, true)
  })

  it('shows hostile names of files and variables as what they are', async () => {
    const name = '\u001b[2Jevil\u202e\nfake: 0 keys'
    await put(`${name}/.env`, `A_KEY=sk_live_${CANARY}\n`)
    const { exit, out } = await keystay(['scan', folder])
    equal(exit, 1)
    equal(out.trimEnd().split('\n').length, 1)
    deepEqual(
      ['\u001b', '\u202e'].filter((one) => out.includes(one)),
      [],
    )
    match(out, /u\{1b\}|u001b/i)
  })

  it('reads values by the rules of secretlint too, whatever a comment says', async () => {
    await put('a.txt', `// secretlint-disable\nLINEAR=lin_api_${'a1B2'.repeat(10)}\n`)
    await put('key.pem', `-----BEGIN PRIVATE KEY-----\n${CANARY}\n-----END PRIVATE KEY-----\n`)
    await put('b.yaml', `url: postgres://app:${CANARY}@db.acme.example/app\n`)
    await put('mcp.json', `{"args": ["--token=ghp_${CANARY}"], "headers": {"Authorization": "Bearer ${CANARY}"}}`)
    deepEqual(await found(), [
      'a.txt:2 value LINEAR linear',
      'b.yaml:1 value url postgres',
      'key.pem:1 value (a text) backend',
      'mcp.json:1 client Authorization backend',
      'mcp.json:1 client token github',
    ])
  })

  it('goes on after what it may not read, and counts it', async function () {
    if (process.getuid?.() === 0) this.skip()
    await put('closed/.env', 'A_KEY=abc\n')
    await chmod(join(folder, 'closed'), 0)
    deepEqual((await scanDirectory(folder)).walked.unreadable, ['closed'])
    await chmod(join(folder, 'closed'), 0o700)
  })

  it('refuses a directory that is not there', async () => {
    await rejects(scanDirectory(join(folder, 'nowhere')))
  })

  it('proposes for every service it knows, and for names of any kind, what policy check takes', async () => {
    const services = [...SERVICES.map(({ id }) => id), 'acme', 'x9', '../etc', 'a: b', 'true', 'null', '1', 'ünïcödé']
    const all = services.map((service) => finding('a.ts', 1, 'env', 'A_KEY', 'named like a key', service))
    for (const [path, text] of Object.entries(policyOf(propose(all)))) await put(`policy/${path}`, text)
    const { exit, out, err } = await keystay(['policy', 'check', '--policies', join(folder, 'policy'), '--json'])
    equal(exit, 0, out + err)
  })

  it('takes a megabyte of anything in little time', async () => {
    for (const [at, text] of [
      'a',
      '"',
      '="',
      '{,',
      'new ',
      'process.env',
      '": "',
      '= "',
      '\\',
      'x: y\n',
      '://a:b',
    ].entries())
      await put(`${at}.ts`, text.repeat(200_000 / text.length))
    await put('.env', 'A = "'.repeat(40_000))
    const escaped = '\\"'.repeat(500_000)
    await put('mcp.json', escaped)
    const began = performance.now()
    await scanDirectory(folder)
    const took_ms = performance.now() - began
    ok(took_ms < 5_000, `${took_ms} ms`)
    const again = performance.now()
    pairsIn(escaped)
    ok(performance.now() - again < 1_000, `${performance.now() - again} ms`)
  })
})

function finding(
  file: string,
  line: number,
  kind: Finding['kind'],
  name: string,
  what: string,
  service: string,
  prefix: string | null = null,
): Finding {
  return { file, line, kind, name, what, service, prefix }
}

/** Folders and files may come in either order; what is on one line too. */
function order(all: readonly Finding[], { file, kind, name }: Finding): number {
  return all.findIndex((one) => one.file === file && one.kind === kind && one.name === name)
}
