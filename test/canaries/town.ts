import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAgeIdentity, writeAgeFile } from '../../gateway/secrets/age-file.ts'
import { startAws } from '../backends/aws.ts'
import { startEchoing } from '../backends/echoing.ts'
import { startEchoingPostgres } from '../backends/echoing-postgres.ts'
import { startPostgres } from '../backends/postgres.ts'
import { startVault } from '../backends/vault.ts'
import { writePolicies } from '../house/company.ts'
import { clientOf } from '../house/gateway.ts'
import { FORMS, canary } from './canaries.ts'
import type { Canary } from './canaries.ts'
import { policyOf } from './policy.ts'
import type { Shown } from './policy.ts'

const ROOT = new URL('../../', import.meta.url).pathname

/** A gateway in a process of its own, whose every credential is a canary, over backends that repeat what they are shown. */
export interface Town extends ReturnType<typeof clientOf> {
  readonly dir: string
  readonly agentUrl: string
  readonly adminUrl: string
  /** All that must not come out; it grows with what is leased and signed. */
  readonly canaries: Canary[]
  readonly backends: readonly Shown[]
  /** What the backends were shown: a canary that reached none proves nothing. */
  shown(): ReadonlySet<string>
  /** For verbs of the command line that look at the same house. */
  readonly env: Record<string, string>
  readonly gateway: ChildProcess
  /** Ends it as a fault deep below would. */
  crash(): Promise<number | null>
  /** What the process wrote, and every file below its folder that is not where a secret lives. */
  written(): Promise<readonly { readonly where: string; readonly bytes: Buffer }[]>
  close(): Promise<void>
}

const HTTP = 180
const DATABASES = 12
const ROUTES = 12
const LEASED = 4
const SOURCES = ['age', 'vault', 'aws', 'file', 'env'] as const

export async function startTown(crash: 'throw' | 'reject'): Promise<Town> {
  const dir = await mkdtemp(join(tmpdir(), 'keystay-canaries-'))
  const lending = startPostgres(['log_statement=none'])
  const canaries: Canary[] = []
  const made = (name: string, middle = canaries.length): string => {
    const one = canary(name, middle)
    canaries.push(one)
    return one.value
  }
  const [secret_id, proof, access, session] = ['secret id', 'proof', 'AWS key', 'AWS session'].map((name) =>
    made(name, 0),
  )
  const vault = await startVault({
    approle: { role_id: 'town', secret_id: secret_id ?? '' },
    password: (number) => made(`lease ${number}`),
  })
  const aws = await startAws('eu-central-1')
  aws.role(proof ?? '', { id: 'ASFAKEOFTHETESTS0001', secret: access ?? '', session: session ?? '' })
  const echo = await startEchoing(Object.values(FORMS))
  const database = await startEchoingPostgres()

  const age = new Map<string, string>()
  const env: Record<string, string> = {}
  const files = join(dir, 'secrets.d')
  await mkdir(files, { mode: 0o700 })
  const keep = async (source: (typeof SOURCES)[number], name: string): Promise<string> => {
    const value = made(`${source} ${name}`)
    if (source === 'age') age.set(name, value)
    else if (source === 'vault') vault.put(`kv/${name}`, { key: value })
    else if (source === 'aws') aws.put(name, { AWSCURRENT: JSON.stringify({ key: value }) })
    else if (source === 'file') await writeFile(join(files, name), value, { mode: 0o600 })
    else env[`KEYSTAY_TEST_${name.toUpperCase()}`] = value
    const ref = { age: `age://${name}`, vault: `vault://kv/${name}#key`, aws: `aws://${name}#key` } as const
    return source === 'file'
      ? `file://${join(files, name)}`
      : source === 'env'
        ? `env://KEYSTAY_TEST_${name.toUpperCase()}`
        : ref[source]
  }
  const backends: Shown[] = []
  for (let number = 0; number < HTTP + DATABASES + ROUTES; number++) {
    const streams = number >= HTTP + DATABASES
    const by = number < HTTP || streams ? (['bearer', 'header', 'basic'] as const)[number % 3] : 'postgres'
    const name = `b${number}`
    const source = SOURCES[Math.floor(number / 3) % SOURCES.length] ?? 'age'
    const ref =
      number % (HTTP / LEASED) === 7 && number < HTTP
        ? `vault://database/creds/${name}#password`
        : await keep(source, name)
    backends.push({ name, ref, by: by ?? 'bearer', streams })
  }
  const own = [await keep('age', 'broker'), await keep('vault', 'wrong')] as const
  const warehouse = await lending
  const right = canaries.find(({ name }) => name === 'age broker')?.value ?? ''
  await warehouse.sql(`create role reader nologin;
    create role broker login createrole password '${right.replaceAll("'", "''")}';
    grant reader to broker with admin true, inherit false, set false`)
  await writeAgeFile(join(dir, 'secrets.age'), age, await createAgeIdentity(join(dir, 'secrets.age.key')))
  await writeFile(join(dir, 'proof'), proof ?? '', { mode: 0o600 })
  const policies = join(dir, 'policies')
  const http = echo.url
  await writePolicies(
    policies,
    policyOf(backends, { http, postgres: database, warehouse: { port: warehouse.port, own } }),
  )
  const all = join(dir, 'all-of-them')
  await writeFile(all, canaries.map(({ value }) => value).join('\n'), { mode: 0o600 })

  const environment: Record<string, string> = {
    ...(Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(KEYSTAY|VAULT|AWS)_/.test(name)),
    ) as Record<string, string>),
    ...env,
    HOME: join(dir, 'home'),
    NO_COLOR: '1',
    KEYSTAY_POLICIES: policies,
    KEYSTAY_STORE: `sqlite:${join(dir, 'keystay.db')}`,
    KEYSTAY_LISTEN: '127.0.0.1:0',
    KEYSTAY_ADMIN_LISTEN: '127.0.0.1:0',
    KEYSTAY_SECRETS: `age:${join(dir, 'secrets.age')},vault:${vault.url},aws:eu-central-1,file:${files},env:`,
    KEYSTAY_VAULT_ROLE_ID: 'town',
    KEYSTAY_VAULT_SECRET_ID: secret_id ?? '',
    AWS_ENDPOINT_URL: aws.url,
    AWS_WEB_IDENTITY_TOKEN_FILE: join(dir, 'proof'),
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/town',
    KEYSTAY_LOG_LEVEL: 'debug',
    KEYSTAY_DEV: '1',
  }
  const hook = new URL('./crash.ts', import.meta.url).pathname
  const said = join(dir, 'said')
  const [out, err] = [openSync(`${said}.out`, 'w'), openSync(`${said}.err`, 'w')]
  const gateway = spawn(process.execPath, ['--import', hook, 'gateway/cli/main.ts', 'serve'], {
    cwd: ROOT,
    env: { ...environment, CANARY_FILE: all, CANARY_CRASH: crash },
    stdio: ['ignore', out, err],
  })
  closeSync(out)
  closeSync(err)
  const ended = once(gateway, 'exit') as Promise<[number | null]>
  const { agents, people } = await serving(`${said}.err`, gateway)
  canaries.push(...vault.tokens.slice(1).map((value, number) => ({ name: `Vault token ${number}`, value })))
  const whole = (await readFile(join(dir, 'secrets.age.key'), 'utf8')).match(/AGE-SECRET-KEY-\S+/)?.[0] ?? ''
  canaries.push({ name: 'age identity', value: whole })
  for (const line of (await readFile(join(dir, 'keystay.db.ledger-key'), 'utf8')).split('\n'))
    if (line.length > 24 && !line.startsWith('-')) canaries.push({ name: 'ledger key', value: line })

  const homes = new Set([
    'secrets.age',
    'secrets.age.key',
    'secrets.d',
    'proof',
    'all-of-them',
    'keystay.db.ledger-key',
  ])
  return {
    ...clientOf(agents, people),
    dir,
    agentUrl: agents,
    adminUrl: people,
    canaries,
    backends,
    shown: () => new Set([...echo.shown(), ...database.shown()]),
    env: { ...environment, KEYSTAY_URL: agents, KEYSTAY_ADMIN_URL: people },
    gateway,
    async crash() {
      gateway.kill('SIGUSR2')
      return (await ended)[0]
    },
    async written() {
      const names = (await readdir(dir, { recursive: true })).filter((name) => !homes.has(name.split('/')[0] ?? ''))
      const found: { where: string; bytes: Buffer }[] = []
      for (const name of names) {
        if ((await stat(join(dir, name))).isFile()) found.push({ where: name, bytes: await readFile(join(dir, name)) })
      }
      return found
    },
    async close() {
      gateway.kill('SIGKILL')
      await Promise.all([ended, vault.close(), aws.close(), echo.close(), database.close(), warehouse.stop()])
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** The line of the log that says where it listens. */
async function serving(file: string, gateway: ChildProcess): Promise<{ agents: string; people: string }> {
  for (let left = 400; left > 0; left--) {
    const text = await readFile(file, 'utf8')
    const line = text.split('\n').find((one) => one.includes('"msg":"serving"'))
    if (line !== undefined) return JSON.parse(line) as { agents: string; people: string }
    if (gateway.exitCode !== null) throw new Error(`the gateway did not start: ${text.slice(-1000)}`)
    await sleep(25)
  }
  throw new Error(`the gateway is not serving: ${(await readFile(file, 'utf8')).slice(-1000)}`)
}
