import type { Signer } from '../../gateway/core/checkpoint-note.ts'
import type { Operation, ResultOf } from '../../gateway/core/operations.ts'
import { webauthn } from '../../gateway/identity/webauthn.ts'
import type { Adapter, Courier } from '../../adapters/adapter.ts'
import type { Channel } from '../../gateway/core/notice.ts'
import { Secret } from '../../adapters/adapter.ts'
import { persist } from '../../gateway/pipeline/attempt.ts'
import { changes } from '../../gateway/pipeline/changes.ts'
import { openBackends } from '../../gateway/pipeline/execute.ts'
import type { OpenBackends } from '../../gateway/pipeline/execute.ts'
import type { Gateway } from '../../gateway/pipeline/gateway.ts'
import type { House } from '../../gateway/pipeline/house.ts'
import { late } from '../../gateway/pipeline/late.ts'
import { openGateway } from '../../gateway/pipeline/open.ts'
import { leases } from '../../gateway/pipeline/leases.ts'
import { openNotices } from '../../gateway/pipeline/notices.ts'
import { places } from '../../gateway/pipeline/places.ts'
import { quiet } from '../../gateway/pipeline/quiet.ts'
import { endSessionsWithoutRole } from '../../gateway/pipeline/recover.ts'
import { load } from '../../gateway/pipeline/seed.ts'
import type { Folding } from '../../gateway/store/batch.ts'
import { openStore } from '../../gateway/store/open.ts'
import { openReplica } from '../../gateway/store/replica.ts'
import type { OpenStore } from '../../gateway/store/store.ts'
import type { Variant } from './company.ts'
import type { Database } from './database.ts'
import type { Random } from './random.ts'
import { as, wallOf } from './time.ts'
import type { Host, Time } from './time.ts'

/** One gateway, from its start to its crash or its stop. */
export interface Process {
  readonly host: Host
  readonly gateway: Gateway
  readonly store: OpenStore
  readonly house: House
  /** Takes up another policy, as `serve` does when its directory changes. */
  reload(variant: Variant): Promise<void>
  /** SIGTERM. */
  stop(drain_ms: number): Promise<void>
}

/** What a planted fault may take the place of; production as it is where nothing is given. */
export interface Planted {
  readonly folding?: (folding: Folding, wall: () => number) => Folding
  readonly database?: (database: Database, time: Time) => Database
  readonly store?: (store: OpenStore) => OpenStore
  readonly house?: (house: House) => House
  readonly adapter?: (adapter: Adapter) => Adapter
  readonly courier?: (courier: (channel: Channel) => Courier) => (channel: Channel) => Courier
  readonly lender?: (lender: Adapter) => Adapter
  readonly late?: (house: House, operation: Operation, result: ResultOf<Operation>) => void
}

export interface ProcessParts {
  readonly time: Time
  readonly epoch: number
  readonly random: Random
  readonly database: Database
  readonly adapter: Adapter
  /** Makes logins. */
  readonly lender: Adapter
  /** Where a policy says that people are told; null: nobody is. */
  readonly courier: ((channel: Channel) => Courier) | null
  readonly signer: Signer
  /** The policies that there are. */
  readonly variants: readonly Variant[]
  readonly folding: Folding
  /** More than one process serves. */
  readonly shared: boolean
  readonly planted: Planted
  readonly step: (host: Host, name: string) => void
  readonly log: (host: Host, line: string) => void
}

/** Composes one as gateway/main.ts does, without doors. Rejects when the store cannot be opened; it may be tried again. */
export function startProcess(host: Host, variant: Variant, parts: ProcessParts): Promise<Process> {
  return as(host, () => compose(host, variant, parts))
}

async function compose(host: Host, variant: Variant, parts: ProcessParts): Promise<Process> {
  const { time, epoch, random, database, planted } = parts
  const wall = (): number => wallOf(time, epoch, host)
  const monotonic = (): number => time.now() - host.birth
  const bytes = (count: number): Uint8Array => random.bytes(count)
  const log = (line: string): void => parts.log(host, line)
  const step = (name: string): void => parts.step(host, name)
  let onLate: (operation: Operation, result: ResultOf<Operation>) => void = () => {}

  const common = {
    driver: database.driver(host, parts.shared),
    reader: database.reader(host),
    signer: parts.signer,
    folding: planted.folding?.(parts.folding, wall) ?? parts.folding,
    random: bytes,
    step,
    log,
    onLate: (operation: Operation, result: ResultOf<Operation>) => onLate(operation, result),
  }
  const reopen = (given?: () => boolean) => database.reopen(host, given)
  const strictClock = false
  const opened = parts.shared
    ? await openReplica({
        ...common,
        reopen,
        strictClock,
        clock: { wall, monotonic },
        listen: (told) => database.listen(host, told),
      })
    : await openStore({
        ...common,
        file: '',
        strictClock,
        now: wall,
        inline: { ...common, monotonic, database: { ...common, reopen: () => reopen() } },
      })
  const store = planted.store?.(opened) ?? opened

  let policy = variant.policy
  let backends: OpenBackends | undefined
  const adapter = planted.adapter?.(parts.adapter) ?? parts.adapter
  const lender = planted.lender?.(parts.lender) ?? parts.lender
  const adapters = new Map([adapter, lender].map((one) => [one.name, one]))
  // The breakers' windows turn by themselves: a tenth as often changes nothing that is looked at here.
  time.dull(10, () => {
    backends = openBackends(policy.backends, adapters, async (ref) => new Secret(ref, 'simulated'))
  })
  const lines = backends as unknown as OpenBackends
  const plain: House = {
    policy: () => policy,
    store,
    backends: lines,
    clock: { now: store.now, monotonic, sleep: (ms) => time.after(ms, host) },
    random: bytes,
    scrub: (value) => value,
    changes: changes(),
    quiet: quiet(),
    places: places(),
    waits: places(),
    leases: leases(),
    running: new Map(),
    adminUrl: () => 'http://admin',
    ceremonies: webauthn(() => null),
    step,
    log: (line, fields) => log(fields === undefined ? line : `${line} ${JSON.stringify(fields)}`),
    stopping: false,
  }
  const house = planted.house?.(plain) ?? plain
  onLate = (operation, result) => (planted.late ?? late)(house, operation, result)
  await store.write({ op: 'note', kind: 'gateway.started', fields: { policy: policy.digest } })
  await load(store, policy, house.clock)
  const { gateway, stop } = await openGateway(house)
  const courier = parts.courier === null ? null : (planted.courier?.(parts.courier) ?? parts.courier)
  const notices = courier === null ? null : openNotices(house, courier, 1000)

  /** As gateway/reload.ts does once a policy is compiled. */
  async function exchange(next: Variant, take: () => Promise<void>): Promise<void> {
    if (next.policy.digest === policy.digest || house.stopping) return
    let change: ReturnType<OpenBackends['change']> | undefined
    time.dull(10, () => void (change = lines.change(policy.digest, next.policy)))
    await house.quiet
      .alone(async () => {
        await take()
        policy = next.policy
        change?.commit(time.after(1, host).then(() => Promise.allSettled(house.running.values())))
      })
      .catch(async (error: unknown) => {
        await change?.discard()
        throw error
      })
  }
  let following = false
  async function follow(): Promise<void> {
    const digest = await store.policy()
    const next = parts.variants.find((other) => other.policy.digest === digest)
    if (next !== undefined) await exchange(next, async () => {})
  }
  if (parts.shared) {
    setInterval(() => {
      if (following || house.stopping) return
      following = true
      void follow()
        .catch((error: unknown) => log(`the policy could not be followed: ${String(error)}`))
        .finally(() => (following = false))
    }, 500)
  }

  return {
    host,
    gateway,
    store,
    house,
    async reload(next) {
      if (next.policy.digest === policy.digest) return
      await exchange(next, () =>
        load(store, next.policy, house.clock, (operation) => persist(house, () => store.write(operation))),
      )
      await endSessionsWithoutRole(house)
    },
    async stop(drain_ms) {
      await stop(drain_ms)
      await notices?.stop(1000)
      await Promise.race([lines.close(), time.after(1000, host)])
      await store.close()
    },
  }
}
