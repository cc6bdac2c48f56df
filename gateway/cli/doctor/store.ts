import { randomBytes } from 'node:crypto'
import { constants, existsSync, statSync } from 'node:fs'
import { access, rm, statfs } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { vkeyOf } from '../../core/checkpoint-note.ts'
import type { ServeOptions } from '../../main.ts'
import { readAgeFile, findAgeIdentity } from '../../secrets/age-file.ts'
import { ledgerKey } from '../../secrets/ledger-key.ts'
import { storeAddress } from '../../store/address.ts'
import { continueFrom, readHead } from '../../store/ledger.ts'
import { openReader } from '../../store/open-reader.ts'
import { openSqlite } from '../../store/sqlite.ts'
import { verifyStore } from '../../store/verify.ts'
import { progress } from '../progress.ts'
import { fail, ok, warn, why } from './finding.ts'
import { isLedgerThere } from './there.ts'
import type { Finding } from './finding.ts'

const MB = 1024 * 1024
const ROOM_NEEDED = 200 * MB
const ROOM_WANTED = 2048 * MB
/** linux/magic.h: what is in memory only, and what does not sync as a disk does. */
const IN_MEMORY = new Set([0x01021994, 0x858458f6])
const OVER_NETWORK = new Map([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
])

/** The directory, its disk, and whether SQLite there really writes a log ahead and syncs each commit. */
export async function checkStore(file: string): Promise<Finding[]> {
  const directory = nearest(dirname(resolve(file)))
  const denied = await access(directory, constants.W_OK | constants.X_OK).then(() => null, why)
  if (denied !== null)
    return [
      fail(
        'store',
        `${directory} cannot be written (${denied})`,
        'Give it to the user that runs the gateway, or --store another',
      ),
    ]
  const { type, bavail, bsize } = await statfs(directory)
  const room = bavail * bsize
  const found: Finding[] = []
  const shown = `${Math.floor(room / MB)} MB free`
  const network = OVER_NETWORK.get(type)
  if (network !== undefined)
    found.push(
      fail(
        'store',
        `${directory} is on ${network}, where locks and syncs cannot be relied on`,
        'Give --store a file on a local disk',
      ),
    )
  else if (IN_MEMORY.has(type))
    found.push(
      warn(
        'store',
        `${directory} is in memory: the ledger is gone at a restart of the machine`,
        'Give --store a file on a disk',
      ),
    )
  if (room < ROOM_NEEDED)
    found.push(fail('store', `${directory} has ${shown}`, 'Make room: a full disk stops every call'))
  else if (room < ROOM_WANTED) found.push(warn('store', `${directory} has ${shown}`, 'Make room before it is needed'))
  if (existsSync(file) && (statSync(file).mode & 0o077) !== 0)
    found.push(warn('store', `${file} can be read by others`, `chmod 600 ${file}`))
  const durable = await tryCommit(directory)
  if (typeof durable === 'string')
    found.push(
      fail('store', `SQLite is not durable in ${directory}: ${durable}`, 'Give --store a file on a local disk'),
    )
  else found.push(ok('store', `${directory}: ${shown}; WAL, synchronous FULL; a commit takes ${durable.toFixed(1)} ms`))
  return found
}

/** In a file of its own beside the store, which may be served at this moment. @returns ms, or what is wrong. */
async function tryCommit(directory: string): Promise<number | string> {
  const file = join(directory, `.keystay-doctor-${randomBytes(6).toString('hex')}.db`)
  try {
    const driver = openSqlite(file)
    try {
      await driver.transaction((db) => db.run('CREATE TABLE look (number INTEGER)'))
      const began = performance.now()
      for (let number = 0; number < 5; number++)
        await driver.transaction((db) => db.run('INSERT INTO look VALUES ($1)', [number]))
      return (performance.now() - began) / 5
    } finally {
      await driver.close()
    }
  } catch (error) {
    return why(error)
  } finally {
    for (const end of ['', '-wal', '-shm', '-journal']) await rm(`${file}${end}`, { force: true })
  }
}

/** Beyond so many entries only what follows the checkpoint is read; `ledger verify` reads all of them. */
const READ_ALL_MAX = 50_000

/** The ledger against its signed head, under the key that this gateway would sign with. */
export async function checkLedger(
  options: ServeOptions,
): Promise<{ readonly findings: readonly Finding[]; readonly newest: number | null }> {
  const { store } = options
  const address = storeAddress(store)
  const file = address?.kind === 'sqlite' ? address.file : null
  const restore = 'Stop the gateway, keep the store as it is, and see keystay ledger verify'
  try {
    if (!(await isLedgerThere(store))) {
      const where = file === null ? 'the ledger' : basename(file)
      return { findings: [ok('ledger', `${where} is not there yet: the first start makes it`)], newest: null }
    }
    const key = await existingKey(file, options)
    if (key === null)
      return {
        findings: [
          fail(
            'ledger',
            'the key that signed the ledger is not there',
            `Put its copy back at ${keyPlace(file, options)}`,
          ),
        ],
        newest: null,
      }
    const vkey = vkeyOf(options.ledgerName ?? 'keystay.ledger', key.publicKey)
    const { size, at } = await continued(store, vkey)
    if (size > READ_ALL_MAX)
      return {
        findings: [
          ok('ledger', `${size} entries continue the signed checkpoint (keystay ledger verify reads them all)`),
        ],
        newest: at,
      }
    const { problems, checkpoint } = await verifyStore(store, vkey, progress('entries checked'))
    const [first] = problems
    const findings =
      first === undefined
        ? [ok('ledger', `${size} entries, checkpoint signed at ${checkpoint.size}`)]
        : [fail('ledger', first.entry === null ? first.message : `entry ${first.entry}: ${first.message}`, restore)]
    return { findings, newest: at }
  } catch (error) {
    return { findings: [fail('ledger', why(error), restore)], newest: null }
  }
}

async function continued(store: string, vkey: string): Promise<{ size: number; at: number }> {
  const reader = openReader(store)
  try {
    return await reader.snapshot(async (db) => {
      await continueFrom(db, vkey)
      const { frontier, at } = await readHead(db)
      return { size: frontier.size, at }
    })
  } finally {
    await reader.close()
  }
}

/** Looking must not make one. */
async function existingKey(file: string | null, options: ServeOptions) {
  const where = keyPlace(file, options)
  const ageFile = /(?:^|,)\s*age:([^,]+)/.exec(options.secrets)?.[1]
  if (where.startsWith('age://')) {
    if (ageFile === undefined) return null
    const entries = await readAgeFile(ageFile, await findAgeIdentity(ageFile, process.env))
    if (!entries.has(where.slice('age://'.length))) return null
  } else if (!where.startsWith('env://') && !existsSync(where.replace(/^file:\/\//, ''))) return null
  return ledgerKey(where, ageFile === undefined ? {} : { ageFile })
}

function keyPlace(file: string | null, { ledgerKey: ref }: ServeOptions): string {
  return ref ?? `${file}.ledger-key`
}

/** The directory itself, or the first one above it that is there: the start makes the rest. */
function nearest(directory: string): string {
  return existsSync(directory) || dirname(directory) === directory ? directory : nearest(dirname(directory))
}
