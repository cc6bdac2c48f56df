import { setTimeout as sleep } from 'node:timers/promises'
import { adapters } from '../adapters/index.ts'
import type { Operation, ResultOf } from './core/operations.ts'
import { formatFinding } from './core/compile.ts'
import type { Json, Policy, SecretRef } from './core/types.ts'
import { adminApp } from './doors/admin-app.ts'
import { agentApp } from './doors/agent-app.ts'
import type { DoorParts } from './doors/frame.ts'
import { listen, SERVER_LIMITS } from './doors/server.ts'
import type { KeyPair } from './doors/server.ts'
import { devIssuer } from './identity/dev-issuer.ts'
import { identity } from './identity/identity.ts'
import type { KeyPairFiles, Level } from './config.ts'
import { openAnchor } from './open-anchor.ts'
import type { Anchoring, OpenedAnchor } from './open-anchor.ts'
import { openLedger, signerOf } from './open-ledger.ts'
import { openLog } from './log.ts'
import type { Log } from './log.ts'
import { openMetrics } from './metrics.ts'
import { changes } from './pipeline/changes.ts'
import { openBackends } from './pipeline/execute.ts'
import type { Gateway } from './pipeline/gateway.ts'
import type { Clock, House } from './pipeline/house.ts'
import { newId } from './pipeline/ids.ts'
import { late } from './pipeline/late.ts'
import { openGateway } from './pipeline/open.ts'
import { places } from './pipeline/places.ts'
import { quiet } from './pipeline/quiet.ts'
import { beginRestored } from './pipeline/restore.ts'
import { load } from './pipeline/seed.ts'
import { loadPolicy } from './policy-dir.ts'
import { watchPolicy } from './reload.ts'
import type { Watch } from './reload.ts'
import { openSecrets } from './secrets/open.ts'
import type { SecretEvent, Secrets } from './secrets/open.ts'
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
  /** Lines for the operator; JSON lines on stderr by default. */
  readonly log?: (line: string) => void
  /** Lines below it are left out; `info` unless said. */
  readonly logLevel?: Level
  /** How often the policy directory is looked at, ms; 500 unless said. Only tests are in a hurry. */
  readonly lookEvery_ms?: number
  /** How long a credential is held in memory, ms; 5 minutes unless said. Only tests are in a hurry. */
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
  readonly policyDigest: string
  /** Entries in the ledger, the checkpoint's size, and the name of the key that signs it. */
  readonly ledger: { readonly size: number; readonly key: string; readonly keyMade: boolean }
  /** Calls that an earlier process left unfinished. */
  readonly taken: number
  /** Drains: `/readyz` says 503 at once, no new calls, running ones may end; all of it in at most `drain_ms` (30 s). */
  stop(drain_ms?: number): Promise<void>
}

/** What keeps a gateway from starting: one sentence that says what, where and what to do. */
export class StartError extends Error {
  override readonly name = 'StartError'
  /** 3: the policy is invalid (the message holds its findings). */
  readonly exit: 2 | 3
  constructor(message: string, exit: 2 | 3 = 2) {
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
  const undo: (() => Promise<unknown>)[] = []
  try {
    return await compose(options, undo)
  } catch (error) {
    for (const close of undo.toReversed()) await close().catch(() => {})
    throw error
  }
}

async function compose(options: ServeOptions, undo: (() => Promise<unknown>)[]): Promise<Running> {
  let scrub = (text: string): string => text
  const log = openLog({ level: options.logLevel, scrub: (text) => scrub(text), line: options.log })
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
  scrub = secrets.scrub.text
  undo.push(() => secrets.close())
  await checkSecrets(policy, secrets, log)

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
  })
  const store = metrics.store(opened)
  undo.push(() => store.close())
  anchoring = anchored?.follow(opened.signedHead)
  if (anchoring !== undefined) metrics.anchor(anchoring.age_s)

  const backends = connected(() => openBackends(policy.backends, adapters, secrets.get, secrets.refused))
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
    running: new Map(),
    adminUrl: () => adminUrl,
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
  const gateway = metrics.gateway(corridor.gateway)
  await metrics.open(house, VERSION)
  let agentUrl = ''
  let stopLooking = (): void => {}
  const parts: DoorParts = {
    version: VERSION,
    gateway,
    identity: identity({
      store,
      policy: house.policy,
      now: house.clock.now,
      monotonic: clock.monotonic,
      random: house.random,
      newSessionId: () => newId(house, 'ses'),
      dev: options.dev ? await devIssuer({ now: house.clock.now, random: house.random }) : null,
    }),
    scrub: (text) => secrets.scrub.text(text),
    now: house.clock.now,
    metrics,
    agentUrl: () => options.publicUrl ?? agentUrl,
    ledger: { checkpoint: opened.checkpoint, vkey: opened.vkey },
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
  adminUrl = options.adminUrl ?? people.url
  if (options.tls !== undefined && pair !== undefined) {
    const use = (next: KeyPair): void => [agents, people].forEach((door) => door.useKeyPair(next))
    log('info', 'TLS at both listeners', { until: validUntil(pair) })
    const unwatch = watchKeyPair(options.tls, { first: pair, use, log, every_ms: options.lookEvery_ms })
    undo.push(async () => unwatch())
    stopLooking = unwatch
  }
  const { size } = await store.head()

  const use = (next: Policy): void => void (policy = next)
  const secret = (ref: SecretRef): Promise<unknown> => secrets.get(ref)
  const keepSecrets = (): Promise<void> => secrets.keep([...policy.backends.values()].flatMap((one) => one.secrets))
  const watching = watchPolicy(
    options.policies,
    { house, backends, secret, keepSecrets, use, log },
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
    await Promise.all([agents.close(left()), people.close(left())])
    await watched
    // Once more, for what a request that was under way has begun, and for the last refused ones.
    await stop(left())
    // An adapter closes once its backend has answered. After the time an answer is not waited for: the next start finds out.
    await Promise.race([backends.close(), clock.sleep(left())])
    // Leases are revoked now; a source that does not answer is not waited for, they end by themselves.
    await Promise.race([secrets.close(), clock.sleep(REVOKE_MS)])
    await store.close()
    await anchoring?.close()
  }
  log('info', 'serving', { agents: agents.url, people: people.url, policy: policy.digest, entries: size, taken })
  return {
    gateway,
    agentUrl: agents.url,
    adminUrl: people.url,
    get policyDigest() {
      return policy.digest
    },
    ledger: { size, key: signer.name, keyMade: made },
    taken,
    stop: (drain_ms = 30_000) => (stopped ??= shut(drain_ms)),
  }
}

/** For leases to be revoked at the end, also when the time to drain is up. */
const REVOKE_MS = 3000

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

/** Every ref that a backend names is fetched once: a wrong name is a start error, not the first agent's 503. */
async function checkSecrets(policy: Policy, secrets: Secrets, log: Log): Promise<void> {
  for (const backend of policy.backends.values()) {
    for (const ref of backend.secrets) {
      if (ref.startsWith('env:'))
        log('warn', `backend ${backend.name}: ${ref} is meant for development; a file or a vault keeps a key better`)
      await secrets.get(ref).catch((error: Error) => {
        throw new StartError(`backend ${backend.name}: ${error.message}`)
      })
    }
  }
}

async function startEntries(house: House, options: ServeOptions, early: readonly SecretEvent[]): Promise<void> {
  const { store } = house
  const policy = house.policy()
  await store.write({
    op: 'note',
    kind: 'gateway.started',
    fields: { version: VERSION, dev: options.dev, policy: policy.digest },
  })
  for (const event of early) await store.write({ op: 'note', kind: event.kind, fields: secretFields(event) })
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
