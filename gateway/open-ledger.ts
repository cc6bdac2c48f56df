import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Signer } from './core/checkpoint-note.ts'
import type { Log } from './log.ts'
import { ledgerKey } from './secrets/ledger-key.ts'
import { storeAddress } from './store/address.ts'
import { openStore } from './store/open.ts'
import { LedgerBroken } from './store/ledger.ts'
import type { OpenStoreOptions } from './store/open.ts'
import { listenPostgres, openPostgres, readPostgres, reopenPostgres } from './store/postgres.ts'
import { openReplica } from './store/replica.ts'
import type { OpenStore } from './store/store.ts'

export interface LedgerOptions {
  /** `sqlite:FILE` or `postgres://…`. */
  readonly store: string
  readonly secrets: string
  readonly ledgerKey?: string
  readonly ledgerName?: string
}

type Parts = Pick<OpenStoreOptions, 'strictClock' | 'log' | 'onBatch' | 'onLate' | 'workerUrl' | 'deadline_ms'> & {
  readonly step?: (name: string) => void
}

/**
 * The key that signs the ledger, made beside a SQLite store when it is not there. Replicas on a shared database must all
 * sign with one key, so there it has to be named.
 *
 * @throws Error for the operator.
 */
export async function signerOf(options: LedgerOptions, log: Log): Promise<{ signer: Signer; made: boolean }> {
  const address = storeAddress(options.store)
  const beside = address?.kind === 'sqlite' ? `${address.file}.ledger-key` : undefined
  const ref = options.ledgerKey ?? beside
  if (ref === undefined)
    throw new Error(
      'a store on PostgreSQL needs --ledger-key: every replica signs with the same key, so it cannot be made beside the store',
    )
  if (address?.kind === 'sqlite') await mkdir(dirname(address.file), { recursive: true, mode: 0o700 })
  const ageFile = /(?:^|,)\s*age:([^,]+)/.exec(options.secrets)?.[1]
  const { privateKey, created } = await ledgerKey(ref, ageFile === undefined ? {} : { ageFile })
  if (created) log('info', `made a key that signs the ledger: ${ref} (keep a copy: it proves the ledger)`)
  return { signer: { name: options.ledgerName ?? 'keystay.ledger', privateKey }, made: created }
}

/** The name of the error that a ledger throws which is not whole. */
export const BROKEN = LedgerBroken.name

/** @throws Error for the operator when it cannot be served from; nothing is held then. */
export async function openLedger(store: string, signer: Signer, parts: Parts): Promise<OpenStore> {
  const address = storeAddress(store)
  if (address === null) throw new Error(`--store ${store} is neither sqlite:FILE nor postgres://…`)
  const { workerUrl, step, ...rest } = parts
  if (address.kind === 'sqlite') {
    return openStore({ file: address.file, signer, ...rest, ...(workerUrl === undefined ? {} : { workerUrl }) })
  }
  const { url } = address
  return openReplica({
    driver: openPostgres({ url }),
    reader: readPostgres({ url }),
    reopen: (given) => reopenPostgres({ url }, given),
    listen: (told) => listenPostgres({ url }, told),
    signer,
    ...rest,
    ...(step === undefined ? {} : { step }),
  })
}
