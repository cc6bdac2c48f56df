import { setTimeout as sleep } from 'node:timers/promises'
import { clientAuth } from '../adapters/client-secret.ts'
import { adapters } from '../adapters/index.ts'
import type { Operation, ResultOf } from './core/operations.ts'
import { formatFinding } from './core/compile.ts'
import type { Json, Policy, SecretRef } from './core/types.ts'
import { adminApp } from './doors/admin-app.ts'
import { agentApp } from './doors/agent-app.ts'
import { compatApp } from './doors/compat-app.ts'
import { stripe } from './doors/compat/stripe.ts'
import type { DoorParts } from './doors/frame.ts'
import { listen, SERVER_LIMITS } from './doors/server.ts'
import type { KeyPair } from './doors/server.ts'
import { devIssuer } from './identity/dev-issuer.ts'
import { identity } from './identity/identity.ts'
import { signIn } from './identity/sign-in.ts'
import { passkeyPlace, webauthn } from './identity/webauthn.ts'
import { channels } from './channels.ts'
import type { KeyPairFiles, Level } from './config.ts'
import { openAnchor } from './open-anchor.ts'
import type { Anchoring, OpenedAnchor } from './open-anchor.ts'
import { haveSecrets, needsOf } from './have-secrets.ts'
import { lastWords } from './last-words.ts'
import { BROKEN, openLedger, signerOf } from './open-ledger.ts'
import { openLog } from './log.ts'
import type { Log } from './log.ts'
import { openMetrics } from './metrics.ts'
import { changes } from './pipeline/changes.ts'
import { openBackends } from './pipeline/execute.ts'
import type { Gateway } from './pipeline/gateway.ts'
import type { Clock, House } from './pipeline/house.ts'
import { newId } from './pipeline/ids.ts'
import { hurrying } from './pipeline/hurry.ts'
import { late } from './pipeline/late.ts'
import { openNotices } from './pipeline/notices.ts'
import { openGateway } from './pipeline/open.ts'
import { leases } from './pipeline/leases.ts'
import { places } from './pipeline/places.ts'
import { quiet } from './pipeline/quiet.ts'
import { beginRestored } from './pipeline/restore.ts'
import { load } from './pipeline/seed.ts'
import { loadPolicy } from './policy-dir.ts'
import { watchPolicy } from './reload.ts'
import type { Watch } from './reload.ts'
import { openSecrets } from './secrets/open.ts'
import type { SecretEvent } from './secrets/open.ts'
import { randomSource } from './store/random.ts'
import { readKeyPair, validUntil, watchKeyPair } from './tls.ts'
import { VERSION } from './version.ts'

/** What `keystay serve` runs with; the command line and KEYSTAY_… variables become this (config.ts). */
export interface ServeOptions {
  readonly policies: string
  /** `sqlite:FILE` or `postgres://…`. */
  readonly store: string
  /** HOST:PORT; port 0 takes any. */
  readonly listen: string
  readonly adminListen: string
  /** The Stripe-shaped door; none unless said. */
  readonly stripeListen?: string
  /** `age:FILE,env:`. */
  readonly secrets: string
  /** Secret ref of the ledger's signing key; made beside the store when absent. */
  readonly ledgerKey?: string
  /** Name of that key in checkpoints; `keystay.ledger` unless said. No white space, no `+`. */
  readonly ledgerName?: string
  /** `file:PATH`: what the signed head is written to, and what a start must continue. */
  readonly anchor?: string
  /** A store that does not continue its anchor is opened all the same, for two people to accept. */
  readonly acceptRestore?: { readonly reason: string }
  readonly dev: boolean
  readonly strictClock: boolean
  /** TLS at both listeners; the files are read again when they change. */
  readonly tls?: KeyPairFiles
  readonly publicUrl?: string
  readonly adminUrl?: string
  /** No other work runs in this process: an error that nobody catches is logged and ends it (last-words.ts). */
  readonly ownsProcess?: boolean
  /** Lines for the operator; JSON lines on stderr by default. */
  readonly log?: (line: string) => void
  /** Lines below it are left out; `info` unless said. */
  readonly logLevel?: Level
  /** How often the policy directory, and who is to be told of a call, are looked at, ms; 500 unless said. Only tests are in a hurry. */
  readonly lookEvery_ms?: number
  /** How long a credential is held in memory, ms; 5 minutes unless said. */
  readonly secretLifetime_ms?: number
  /** Named steps of a call, in order; only the kill harness listens. */
  readonly step?: (name: string) => void
  /** The store's thread; only the kill harness brings its own. */
  readonly workerUrl?: URL
  /** How long the ledger may take to answer, ms; only a test says another time than 5 s. */
  readonly ledgerDeadline_ms?: number
}

export interface Running {
  readonly gateway: Gateway
  /** http(s)://HOST:PORT as bound. */
  readonly agentUrl: string
  readonly adminUrl: string
  /** The Stripe-shaped door, where there is one. */
  readonly stripeUrl?: string
  readonly policyDigest: string
  /** Entries in the ledger, the checkpoint's size, and the name of the key that signs it. */
  readonly ledger: { readonly size: number; readonly key: string; readonly keyMade: boolean }
  /** Calls that an earlier process left unfinished. */
  readonly taken: number
  /** Under --dev: a fresh link that signs this account in with a browser, once; null where there is no such person. */
  signInLink(account: string): string | null
  /** Drains: `/readyz` says 503 at once, no new calls, running ones may end; all of it in at most `drain_ms` (30 s). */
  stop(drain_ms?: number): Promise<void>
}

/** What keeps a gateway from starting: one sentence that says what, where and what to do. */
export class StartError extends Error {
  override readonly name = 'StartError'
  /** 3: the policy is invalid (the message holds its findings). 7: the ledger is not whole. */
  readonly exit: 2 | 3 | 7
  constructor(message: string, exit: 2 | 3 | 7 = 2) {
    super(message)
    this.exit = exit
  }
}

/**
 * Composes the house and opens its doors. The start is the recovery: what an earlier process left is run on.
 *
 * @throws StartError, or the error of a port that cannot be bound; nothing is left open then.
 */
export async function serve(options: ServeOptions): Promise<Running> {
  const begun: Begun = { undo: [], scrub: (text) => text }
  try {
    return await compose(options, begun)
  } catch (error) {
    for (const close of begun.undo.toReversed()) await close().catch(() => {})
    throw scrubbed(error, begun.scrub)
  }
}

/** What a start that fails must take back, and what its error passes before anybody prints it. */
interface Begun {
  readonly undo: (() => Promise<unknown>)[]
  scrub: (text: string) => string
}

async function compose(options: ServeOptions, begun: Begun): Promise<Running> {
  const { undo } = begun
  const log = openLog({ level: options.logLevel, scrub: (text) => begun.scrub(text), line: options.log })
  if (options.ownsProcess === true) {
    const unheard = lastWords(log)
    undo.push(async () => unheard())
  }
  let policy = await policyOf(options, log)
  const pair = options.tls === undefined ? undefined : await readKeyPair(options.tls).catch(startError)
  const clock: Clock = {
    now: Date.now,
    monotonic: () => performance.now(),
    sleep: (ms) => sleep(ms, undefined, { ref: false }),
  }

  // The ledger exists only once its key is there, and the key may be a secret: what happens before is told afterwards.
  const early: SecretEvent[] = []
  let note = (event: SecretEvent): void => void early.push(event)
  const secrets = await openSecrets(options.secrets, {
    now: clock.monotonic,
    onEvent: (event) => note(event),
    dev: options.dev,
    ...(options.secretLifetime_ms === undefined ? {} : { lifetime_ms: options.secretLifetime_ms }),
  }).catch(startError)
  begun.scrub = secrets.scrub.text
  undo.push(() => secrets.close())
  const missing = await haveSecrets(needsOf(policy), secrets.get, log)
  if (missing !== null) throw new StartError(missing)
  const told = channels({
    secret: (ref) => secrets.get(ref),
    refused: (secret) => void secrets.refused(secret),
    dev: options.dev,
  })
  const unusable = await told.check(policy)
  if (unusable !== null) throw new StartError(unusable)

  const { signer, made } = await signerOf(options, log).catch(startError)

  let onLate: (operation: Operation, result: ResultOf<Operation>) => void = () => {}
  const metrics = openMetrics(clock.monotonic)
  const anchored = await openAnchor(options, signer, clock.monotonic, log).catch(startError)
  let anchoring: Anchoring | undefined
  undo.push(async () => anchoring?.close())
  const opened = await openLedger(options.store, signer, {
    strictClock: options.strictClock,
    log: (line) => log('warn', line),
    onBatch(operations, state) {
      metrics.batch(operations, state)
      anchoring?.moved(state.signed)
    },
    onLate: (operation, result) => onLate(operation, result),
    ...(options.workerUrl === undefined ? {} : { workerUrl: options.workerUrl }),
    ...(options.step === undefined ? {} : { step: options.step }),
    ...(options.ledgerDeadline_ms === undefined ? {} : { deadline_ms: options.ledgerDeadline_ms }),
  }).catch(ledgerError)
  const lending = leases()
  const store = hurrying(metrics.store(opened), lending)
  undo.push(() => store.close())
  anchoring = anchored?.follow(opened.signedHead)
  if (anchoring !== undefined) metrics.anchor(anchoring.age_s)

  const backends = connected(() => openBackends(policy.backends, adapters, secrets.get, secrets.refused, secrets))
  undo.push(() => backends.close())

  let adminUrl = options.adminUrl ?? ''
  let watch: Watch | null = null
  const house: House = {
    policy: () => policy,
    invalidPolicy: () => watch?.invalid() ?? null,
    unusablePolicy: () => watch?.unusable() ?? null,
    store,
    backends: metrics.backends(backends),
    clock: { ...clock, now: store.now },
    random: randomSource(),
    scrub: (value) => secrets.scrub.json(value),
    changes: changes(),
    quiet: quiet(),
    places: places(),
    waits: places(),
    leases: lending,
    running: new Map(),
    adminUrl: () => adminUrl,
    ceremonies: webauthn(() => passkeyPlace(adminUrl, options.dev)),
    step: options.step ?? (() => {}),
    log: (line, fields) => log('warn', line, fields),
    stopping: false,
  }
  onLate = (operation, result) => late(house, operation, result)
  await startEntries(house, options, early)
  if (anchored !== null) await anchoredEntries(house, anchored, options.acceptRestore?.reason ?? '', anchoring)
  note = (event) => void noteSecret(house, event)

  const corridor = await openGateway(house)
  const { taken, stop } = corridor
  undo.push(() => stop(0))
  const notices = openNotices(house, told.courier, options.lookEvery_ms)
  undo.push(() => notices.stop(0))
  const gateway = { ...metrics.gateway(corridor.gateway), notices: notices.gateway }
  await metrics.open(house, VERSION)
  let agentUrl = ''
  let stopLooking = (): void => {}
  const who = {
    store,
    policy: house.policy,
    now: house.clock.now,
    monotonic: clock.monotonic,
    random: house.random,
    newSessionId: () => newId(house, 'ses'),
    dev: options.dev ? await devIssuer({ now: house.clock.now, random: house.random }) : null,
    agentUrl: () => options.publicUrl ?? agentUrl,
    adminUrl: () => adminUrl,
  }
  const signsIn = signIn({
    ...who,
    clientAuth: ({ client_secret = null }) => clientAuth(client_secret, (ref) => secrets.get(ref)),
  })
  const parts: DoorParts = {
    version: VERSION,
    gateway,
    identity: identity(who),
    signIn: signsIn,
    adminUrl: who.adminUrl,
    scrub: (text) => secrets.scrub.text(text),
    now: house.clock.now,
    metrics,
    agentUrl: who.agentUrl,
    ledger: { checkpoint: opened.checkpoint, vkey: opened.vkey, tile: opened.tile },
    fault: (error) =>
      log('error', 'a fault of ours', {
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }),
  }
  const refused = (code: string, source: string): void => gateway.refused(code, source)
  const agents = await listen(agentApp(parts), address(options.listen), refused, SERVER_LIMITS, pair)
  agentUrl = agents.url
  undo.push(() => agents.close(0))
  const people = await listen(adminApp(parts), address(options.adminListen), refused, SERVER_LIMITS, pair)
  undo.push(() => people.close(0))
  const { stripeListen } = options
  const stripeDoor =
    stripeListen === undefined
      ? undefined
      : await listen(compatApp(parts, stripe), address(stripeListen), refused, SERVER_LIMITS, pair)
  undo.push(async () => stripeDoor?.close(0))
  const doors = [agents, people, ...(stripeDoor === undefined ? [] : [stripeDoor])]
  adminUrl = options.adminUrl ?? people.url
  if (options.tls !== undefined && pair !== undefined) {
    const use = (next: KeyPair): void => doors.forEach((door) => door.useKeyPair(next))
    log('info', 'TLS at both listeners', { until: validUntil(pair) })
    const unwatch = watchKeyPair(options.tls, { first: pair, use, log, every_ms: options.lookEvery_ms })
    undo.push(async () => unwatch())
    stopLooking = unwatch
  }
  const { size } = await store.head()

  const use = (next: Policy): void => void (policy = next)
  const secret = (ref: SecretRef): Promise<unknown> => secrets.get(ref)
  const keepSecrets = (): Promise<void> => secrets.keep(needsOf(policy).flatMap((one) => one.secrets))
  const watching = watchPolicy(
    options.policies,
    { house, backends, secret, channels: told.check, keepSecrets, use, log },
    options.lookEvery_ms,
  )
  watch = watching
  undo.push(() => watching.close())

  let stopped: Promise<void> | undefined
  const shut = async (drain_ms: number): Promise<void> => {
    const over = clock.monotonic() + drain_ms
    const left = (): number => Math.max(0, over - clock.monotonic())
    log('info', 'stopping: no new calls; those that run may end', { running: house.running.size, drain_ms })
    // No change of the policy begins any more; one that waits for the ledger gives up once the corridor stops.
    const watched = watching.close()
    stopLooking()
    // The doors answer meanwhile: /readyz with 503, new calls with `overloaded`, repeats and looks as ever.
    await stop(left())
    await Promise.all(doors.map((door) => door.close(left())))
    await watched
    await notices.stop(Math.min(left(), NOTICES_MS))
    // Once more, for what a request that was under way has begun, and for the last refused ones.
    await stop(left())
    // An adapter closes once its backend has answered. After the time an answer is not waited for: the next start finds out.
    await Promise.race([backends.close(), clock.sleep(left())])
    // Leases are revoked now; a source that does not answer is not waited for, they end by themselves.
    await Promise.race([secrets.close(), clock.sleep(REVOKE_MS)])
    await store.close()
    await anchoring?.close()
  }
  const where = { agents: agents.url, people: people.url, ...(stripeDoor ? { stripe: stripeDoor.url } : null) }
  log('info', 'serving', { ...where, policy: policy.digest, entries: size, taken })
  return {
    gateway,
    agentUrl: agents.url,
    adminUrl: people.url,
    ...(stripeDoor === undefined ? {} : { stripeUrl: stripeDoor.url }),
    get policyDigest() {
      return policy.digest
    },
    ledger: { size, key: signer.name, keyMade: made },
    taken,
    signInLink(account) {
      const code = signsIn.links?.make(account) ?? null
      return code === null ? null : `${adminUrl}/in/${code}`
    },
    stop: (drain_ms = 30_000) => (stopped ??= shut(drain_ms)),
  }
}

/** For leases to be revoked at the end, also when the time to drain is up. */
const REVOKE_MS = 3000

/** For notices that are under way; what is not told by then is told by the next start. */
const NOTICES_MS = 3000

/** The same error, its words without a value. */
function scrubbed(error: unknown, scrub: (text: string) => string): unknown {
  if (!(error instanceof Error)) return typeof error === 'string' ? scrub(error) : error
  const stack = scrub(String(error.stack))
  error.message = scrub(error.message)
  error.stack = stack
  return error
}

async function policyOf(options: ServeOptions, log: Log): Promise<Policy> {
  const loaded = await loadPolicy(options.policies).catch(startError)
  if (!loaded.ok) {
    const count = loaded.findings.length
    const head = `The policy in ${options.policies} has ${count === 1 ? 'an error' : `${count} errors`}; nothing was started.`
    throw new StartError([head, ...loaded.findings.map(formatFinding)].join('\n\n'), 3)
  }
  for (const warning of loaded.warnings) log('warn', formatFinding(warning))
  return loaded.policy
}

/** What only the adapter can know is wrong with a backend. */
function connected<T>(open: () => T): T {
  try {
    return open()
  } catch (error) {
    return startError(error as Error)
  }
}

function startError(error: Error): never {
  throw new StartError(error.message)
}

function ledgerError(error: Error): never {
  if (error.name !== BROKEN) return startError(error)
  throw new StartError(`Nothing was started: ${error.message}. keystay ledger verify says where.`, 7)
}

async function startEntries(house: House, options: ServeOptions, early: readonly SecretEvent[]): Promise<void> {
  const { store } = house
  const policy = house.policy()
  await store.write({
    op: 'note',
    kind: 'gateway.started',
    fields: { version: VERSION, dev: options.dev, policy: policy.digest },
  })
  // in one transaction, and in this order
  await Promise.all(early.map((event) => store.write({ op: 'note', kind: event.kind, fields: secretFields(event) })))
  await load(store, policy, house.clock)
}

/** The ledger goes on from its anchor, or was restored and waits for people. */
async function anchoredEntries(
  house: House,
  { size, broken }: OpenedAnchor,
  reason: string,
  anchoring: Anchoring | undefined,
): Promise<void> {
  if (broken === null) {
    await house.store.write({ op: 'note', kind: 'checkpoint.anchored', fields: { size } })
    return
  }
  const accepted = async (): Promise<void> => anchoring?.replace()
  house.restored = { reason, ...broken, confirmed: new Map(), accepted }
  house.log(`${broken.message} No write is admitted until two people have confirmed it: keystay restore accept.`)
  await beginRestored(house, house.restored)
}

async function noteSecret(house: House, event: SecretEvent): Promise<void> {
  await house.store
    .write({ op: 'note', kind: event.kind, fields: secretFields(event) })
    .catch((error: Error) =>
      house.log('a credential event could not be written down', { ref: event.ref, error: error.message }),
    )
}

function secretFields({ ref, reason }: SecretEvent): { [name: string]: Json } {
  return reason === undefined ? { ref } : { ref, reason }
}

/** `HOST:PORT` or `[v6]:PORT`, checked by config.ts. */
function address(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':')
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) }
}
