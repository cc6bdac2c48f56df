import { isIPv4, isIPv6 } from 'node:net'
import { parseDuration } from './core/window.ts'
import type { ServeOptions } from './main.ts'
import { isRegion, originProblem } from './secrets/address.ts'
import { storeAddress } from './store/address.ts'

/** What the command line may say; absent members come from `KEYSTAY_…`, then from the defaults. */
export interface ServeFlags {
  readonly policies?: string
  readonly store?: string
  readonly listen?: string
  readonly adminListen?: string
  readonly stripeListen?: string
  readonly secrets?: string
  readonly secretLifetime?: string
  readonly ledgerKey?: string
  readonly publicUrl?: string
  readonly adminUrl?: string
  readonly dev?: boolean
  readonly strictClock?: boolean
  readonly anchor?: string
  readonly acceptRestore?: boolean
  readonly reason?: string
  readonly logLevel?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
}
export type Environment = { readonly [name: string]: string | undefined }

/** Of the log, from most to least. */
export const LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type Level = (typeof LEVELS)[number]

/** The certificate and key that both listeners speak TLS with. */
export interface KeyPairFiles {
  /** PEM: the certificate, and the chain behind it. */
  readonly cert: string
  /** PEM, without a passphrase. */
  readonly key: string
}

export const DEFAULTS = {
  policies: './policies',
  store: 'sqlite:./data/keystay.db',
  listen: '127.0.0.1:8787',
  adminListen: '127.0.0.1:8788',
  secrets: 'env:',
  logLevel: 'info',
} as const

/** One line per problem, each with what to do. Exit 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/**
 * The command line wins over the environment, the environment over the defaults. Nothing is opened or read here.
 * @throws ConfigError naming every setting that cannot be used, by the name under which it was given.
 */
export function serveOptions(flags: ServeFlags, environment: Environment): ServeOptions {
  const problems: string[] = []
  const text = (name: keyof ServeFlags): Setting | null => {
    const flag = flags[name]
    if (typeof flag === 'string') return { from: flagName(name), value: flag }
    const value = environment[variableName(name)]
    // An empty variable is how a shell or a compose file says "not set".
    return value ? { from: variableName(name), value } : null
  }
  const yes = (name: keyof ServeFlags): boolean => {
    if (flags[name] !== undefined) return flags[name] === true
    const value = (environment[variableName(name)] ?? '').toLowerCase()
    if (['', '0', 'false', 'no'].includes(value)) return false
    if (['1', 'true', 'yes'].includes(value)) return true
    problems.push(`${variableName(name)} is ${JSON.stringify(value)}; say 1 or 0.`)
    return false
  }
  const checked = (name: keyof ServeFlags, or: string | undefined, check: (value: string) => string | null) => {
    const setting = text(name)
    const problem = setting && check(setting.value)
    if (setting && problem)
      problems.push(`${setting.from} is ${JSON.stringify(withoutLogin(setting.value))}: ${problem}`)
    return setting?.value ?? or
  }

  const dev = yes('dev')
  const listen = checked('listen', DEFAULTS.listen, (value) => listenProblem(value, dev))
  const adminListen = checked('adminListen', DEFAULTS.adminListen, (value) => listenProblem(value, dev))
  const stripeListen = checked('stripeListen', undefined, (value) => listenProblem(value, dev))
  const options = {
    policies: checked('policies', DEFAULTS.policies, () => null) ?? '',
    store: checked('store', DEFAULTS.store, storeProblem) ?? '',
    listen: listen ?? '',
    adminListen: adminListen ?? '',
    secrets: checked('secrets', DEFAULTS.secrets, secretsProblem) ?? '',
    secretLifetime: checked('secretLifetime', undefined, lifetimeProblem),
    ledgerKey: checked('ledgerKey', undefined, refProblem),
    publicUrl: checked('publicUrl', undefined, urlProblem),
    adminUrl: checked('adminUrl', undefined, urlProblem),
    anchor: checked('anchor', undefined, anchorProblem),
    reason: checked('reason', undefined, () => null),
    tlsCert: checked('tlsCert', undefined, () => null),
    tlsKey: checked('tlsKey', undefined, () => null),
    dev,
    strictClock: yes('strictClock'),
    logLevel: checked('logLevel', DEFAULTS.logLevel, levelProblem) as Level,
  }
  if (options.ledgerKey === undefined && storeAddress(options.store)?.kind === 'postgres') {
    problems.push('A store on PostgreSQL needs --ledger-key: every replica signs the ledger with the same key.')
  }
  const { tlsCert, tlsKey } = options
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    problems.push('--tls-cert and --tls-key belong together: the certificate with its chain, and its private key.')
  const acceptRestore = yes('acceptRestore')
  if (acceptRestore && (options.anchor === undefined || (options.reason ?? '').trim() === ''))
    problems.push('--accept-restore is for a store that does not continue its --anchor, and needs a --reason.')
  if (!acceptRestore && options.reason !== undefined) problems.push('--reason belongs to --accept-restore.')
  if (listen === adminListen && hostPort(listen ?? '')?.port !== 0) {
    problems.push(
      `Agents and people cannot share one listener (${listen}); give --listen and --admin-listen different ports.`,
    )
  }
  if (
    stripeListen !== undefined &&
    [listen, adminListen].includes(stripeListen) &&
    hostPort(stripeListen)?.port !== 0
  ) {
    problems.push(
      `The Stripe-shaped door needs a listener of its own (${stripeListen}); give --stripe-listen another port.`,
    )
  }
  if (problems.length) throw new ConfigError(problems.join('\n'))
  const {
    secretLifetime,
    ledgerKey,
    publicUrl,
    adminUrl,
    anchor,
    reason,
    tlsCert: _cert,
    tlsKey: _key,
    ...always
  } = options
  const secretLifetime_ms = parseDuration(secretLifetime ?? '')
  return {
    ...always,
    ...(secretLifetime_ms === null ? {} : { secretLifetime_ms }),
    ...(stripeListen ? { stripeListen } : {}),
    ...(ledgerKey ? { ledgerKey } : {}),
    ...(publicUrl ? { publicUrl } : {}),
    ...(adminUrl ? { adminUrl } : {}),
    ...(anchor ? { anchor } : {}),
    ...(tlsCert && tlsKey ? { tls: { cert: tlsCert, key: tlsKey } } : {}),
    ...(acceptRestore && reason ? { acceptRestore: { reason } } : {}),
  }
}

interface Setting {
  readonly from: string
  readonly value: string
}

/** `HOST:PORT` or `[IPv6]:PORT`; null where it is neither. */
export function hostPort(value: string): { host: string; port: number } | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(value)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (!host || port > 65535 || (match?.[1] && !isIPv6(host))) return null
  return { host, port }
}

export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'))
}

function listenProblem(value: string, dev: boolean): string | null {
  const address = hostPort(value)
  if (!address) return 'write HOST:PORT, for example 127.0.0.1:8787 (port 0 takes any).'
  if (dev && !isLoopback(address.host))
    return '--dev signs for anybody, so it listens on loopback only; use 127.0.0.1, or leave --dev out.'
  return null
}

function storeProblem(value: string): string | null {
  if (storeAddress(value) !== null) return null
  return 'write sqlite:FILE, for example sqlite:./data/keystay.db, or postgres://USER@HOST:PORT/DATABASE.'
}

function secretsProblem(value: string): string | null {
  for (const source of value.split(',')) {
    const [, scheme, where = ''] = /^(vault|aws):(.*)$/.exec(source.trim()) ?? []
    const problem = scheme === 'vault' ? originProblem(where) : null
    if (problem !== null) return `the address of Vault ${problem}; write vault:https://vault.example.com:8200.`
    if (scheme === 'aws' && !isRegion(where)) return 'write the region of AWS: aws:eu-central-1.'
    if (scheme === undefined && source !== 'env:' && !/^(age:.+|file:.*)$/.test(source))
      return 'write age:FILE, vault:URL, aws:REGION, file:DIRECTORY or env:, or several with commas.'
  }
  return null
}

/** Shorter, and the source would be asked for nearly every call; longer, and what it withdrew is used for days. */
const LIFETIME_MIN_MS = 1000
const LIFETIME_MAX_MS = 86_400_000

function lifetimeProblem(value: string): string | null {
  const length_ms = parseDuration(value)
  if (length_ms !== null && length_ms >= LIFETIME_MIN_MS && length_ms <= LIFETIME_MAX_MS) return null
  return 'write a time from 1s to 24h, for example 5m.'
}

function refProblem(value: string): string | null {
  return /^(age|env|file):\/\/./.test(value) ? null : 'write a secret ref: age://NAME, file:///PATH or env://VAR.'
}

function anchorProblem(value: string): string | null {
  return /^file:(?!\/\/)./.test(value) ? null : 'write file:PATH, on another disk or host than the store.'
}

function levelProblem(value: string): string | null {
  return (LEVELS as readonly string[]).includes(value) ? null : `write one of ${LEVELS.join(', ')}.`
}

function urlProblem(value: string): string | null {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)
    ? null
    : 'write a URL, for example https://keystay.example.com.'
}

/** What may be a password is not repeated. */
function withoutLogin(value: string): string {
  return value.replace(/\/\/[^/]*@/, '//***@')
}

/** `adminListen` → `--admin-listen`. */
function flagName(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** `adminListen` → `KEYSTAY_ADMIN_LISTEN`. */
function variableName(name: string): string {
  return `KEYSTAY_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}
