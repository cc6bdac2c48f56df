import { setImmediate as turn } from 'node:timers/promises'
import { formatFinding } from './core/compile.ts'
import type { Finding, JsonObject, Policy, SecretRef } from './core/types.ts'
import { haveSecrets } from './have-secrets.ts'
import type { Log } from './log.ts'
import { persist } from './pipeline/attempt.ts'
import type { OpenBackends } from './pipeline/execute.ts'
import type { Change } from './pipeline/generations.ts'
import type { House } from './pipeline/house.ts'
import { endSessionsWithoutRole } from './pipeline/recover.ts'
import { load } from './pipeline/seed.ts'
import { compileInTurns, readPolicy, stampOf } from './policy-dir.ts'
import type { Loaded } from './policy-dir.ts'

export interface ReloadParts {
  readonly house: House
  readonly backends: OpenBackends
  /** Rejects when the ref cannot be had now. */
  readonly secret: (ref: SecretRef) => Promise<unknown>
  /** Why a channel that changed cannot be used, or null. Another process's policy is used all the same: no call stands on it. */
  readonly channels?: (policy: Policy, before: Policy) => Promise<string | null>
  /** No call needs the credentials of an older policy any more. */
  readonly keepSecrets: () => Promise<void>
  /** From the moment this returns the new policy decides. */
  readonly use: (policy: Policy) => void
  readonly log: Log
}

export interface Watch {
  /** Why the directory as it stands was refused, or null. */
  readonly invalid: () => JsonObject | null
  /** Why the policy that another process loaded cannot be used here, or null. */
  readonly unusable: () => string | null
  /** Resolves when a reload that has begun is over. */
  close(): Promise<void>
}

/** A change is taken up when two looks this far apart find the directory the same: within two seconds. */
const LOOK_EVERY_MS = 500

/**
 * Watches a policy directory. What has changed is loaded as a whole or refused as a whole. It is looked at, not listened
 * to: notices of a file system get lost on network mounts and tell of every half-written file, while a directory that
 * stood still between two looks, and stamped alike before and after it was read, is one state that somebody left there.
 */
export function watchPolicy(dir: string, parts: ReloadParts, every_ms = LOOK_EVERY_MS): Watch {
  let invalid: Refused | null = null
  let tried: string | null = null
  let seen: string | null = null
  let closed = false
  /** What stood here when it was taken up last. Another process may have loaded another policy since, and that one decides. */
  const own = { digest: parts.house.policy().digest }

  const look = async (): Promise<void> => {
    const stamp = await stampOf(dir).catch((error: Error) => `unreadable: ${error.message}`)
    const stands = stamp === seen
    seen = stamp
    if (!stands || stamp === tried) return
    const read = await readPolicy(dir).catch((error: Error) => error)
    if ((await stampOf(dir).catch(() => null)) !== stamp && !(read instanceof Error)) return
    tried = stamp
    const refused = read instanceof Error ? { message: read.message, findings: [] } : await reload(read, parts, own)
    if (refused !== null && told(refused) !== told(invalid)) await refuse(parts, refused)
    if (refused === null && invalid !== null) parts.log('info', 'the policy directory is valid again')
    invalid = refused
  }

  const { follow, unusable } = follower(parts)
  let timer: NodeJS.Timeout | undefined
  let looking = Promise.resolve()
  const again = (): void => {
    if (closed) return
    timer = setTimeout(() => {
      looking = look()
        .catch((error: unknown) => {
          // The same directory is tried again: what failed was not in it.
          tried = null
          parts.log('error', 'the policy could not be loaded anew', { error: String(error) })
        })
        .then(() => (parts.house.store.shared ? follow() : undefined))
        .catch((error: unknown) =>
          parts.log('error', 'the policy that another process may have loaded is not known', { error: String(error) }),
        )
        .finally(again)
    }, every_ms).unref()
  }
  again()
  return {
    invalid: () => (invalid === null ? null : viewOf(invalid)),
    unusable,
    async close() {
      closed = true
      clearTimeout(timer)
      await looking
    },
  }
}

interface Refused {
  readonly message: string
  readonly findings: readonly Finding[]
}

type Texts = Awaited<ReturnType<typeof readPolicy>>

/** @returns why it is refused; null when it decides from now on, or has all along. */
async function reload(read: Texts, parts: ReloadParts, own: { digest: string }): Promise<Refused | null> {
  const { house } = parts
  const loaded = await compileInTurns(read)
  const isKnown = loaded.ok && loaded.policy.digest === own.digest
  // Were the answer to this write lost, the ledger may rule by the new policy already, and every plan of the old one goes
  // back: so it is written until it is known to be there. From then on nothing is decided by the old one any more.
  const take = (policy: Policy): Promise<void> =>
    load(house.store, policy, house.clock, (operation) => persist(house, () => house.store.write(operation)))
  const refused = isKnown ? null : await exchange(loaded, parts, take)
  if (loaded.ok && refused === null) own.digest = loaded.policy.digest
  if (refused === null) await endSessionsWithoutRole(house)
  return refused
}

/**
 * The policy that was loaded last decides, whichever process loaded it: what this one would decide by another the ledger
 * sends back. Its texts come from the store. A process that cannot use it (a secret is missing here) admits nothing.
 */
function follower({ house, log, ...parts }: ReloadParts): {
  follow: () => Promise<void>
  unusable: Watch['unusable']
} {
  let failed: { readonly digest: string; readonly at: number; readonly message: string } | null = null
  const follow = async (): Promise<void> => {
    const digest = await house.store.policy()
    if (digest === house.policy().digest) return void (failed = null)
    const isTooSoon = failed?.digest === digest && house.clock.monotonic() < failed.at + FOLLOW_AGAIN_MS
    const texts = isTooSoon ? null : await house.store.policyTexts(digest)
    if (texts === null) return
    const refused = await exchange(
      await compileInTurns({ texts, files: new Map() }),
      { house, log, ...parts, channels: async () => null },
      async () => {},
    )
    if (refused !== null && failed?.digest !== digest)
      log('error', `the policy that another process loaded cannot be used here. ${refused.message}`, { policy: digest })
    failed = refused === null ? null : { digest, at: house.clock.monotonic(), message: refused.message }
  }
  return { follow, unusable: () => failed?.message ?? null }
}

/** What cannot be used, because a secret is missing here, is tried again after this time. */
const FOLLOW_AGAIN_MS = 5000

/** @param take makes it the one that decides, while no call of this process is being admitted. */
async function exchange(
  loaded: Loaded,
  parts: ReloadParts,
  take: (policy: Policy) => Promise<void>,
): Promise<Refused | null> {
  const { house, backends, log } = parts
  const before = house.policy()
  if (!loaded.ok) {
    const count = loaded.findings.length
    return { message: `The policy has ${count === 1 ? 'an error' : `${count} errors`}.`, findings: loaded.findings }
  }
  const { policy } = loaded
  if (policy.digest === before.digest) return null

  let change: Change
  try {
    change = backends.change(before.digest, policy)
  } catch (error) {
    return { message: error instanceof Error ? error.message : String(error), findings: [] }
  }
  // what did not change has its credential already
  const missing =
    (await haveSecrets(change.changed, parts.secret, log)) ?? (await parts.channels?.(policy, before)) ?? null
  if (missing !== null || house.stopping) {
    await change.discard()
    void forgotten(parts)
    return missing === null ? null : { message: missing, findings: [] }
  }
  await house.quiet
    .alone(async () => {
      await take(policy)
      parts.use(policy)
      change.commit(drained(house))
      void forgotten(parts)
    })
    .catch(async (error: unknown) => {
      await change.discard()
      throw error
    })
  for (const warning of loaded.warnings) log('warn', formatFinding(warning))
  log('info', 'the policy changed', {
    policy: policy.digest,
    before: before.digest,
    backends: change.changed.map(({ name }) => name),
  })
  return null
}

/** A credential that only calls of an older policy need is given back once these have ended. */
function forgotten({ house, keepSecrets }: Pick<ReloadParts, 'house' | 'keepSecrets'>): Promise<void> {
  return drained(house).then(keepSecrets)
}

/** Ends when every call has that the policy before may have decided; those decided a moment ago start in this turn. */
async function drained(house: House): Promise<void> {
  await turn()
  await Promise.allSettled(house.running.values())
}

/** The old policy is kept. So many findings stand in the entry; people see all of them. */
const TOLD_MAX = 20

async function refuse({ house, log }: ReloadParts, { message, findings }: Refused): Promise<void> {
  const kept = house.policy().digest
  log('error', `the policy directory was refused and the policy before is kept. ${message}`, { policy: kept })
  for (const finding of findings.slice(0, TOLD_MAX)) log('error', formatFinding(finding))
  const fields = { policy: kept, message, findings: findings.slice(0, TOLD_MAX).map(headOf), count: findings.length }
  await persist(house, () => house.store.write({ op: 'note', kind: 'policy.invalid', fields }))
}

function headOf({ file, line, column, message }: Finding): string {
  return `${file}:${line}:${column}: ${message}`
}

function told(refused: Refused | null): string | null {
  return refused === null ? null : JSON.stringify([refused.message, refused.findings])
}

function viewOf({ message, findings }: Refused): JsonObject {
  return { message, findings: findings.map((finding) => ({ ...finding, hint: finding.hint ?? null })) }
}
