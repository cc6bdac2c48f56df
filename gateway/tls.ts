import { createPrivateKey, hash, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { KeyPair } from './doors/server.ts'
import type { KeyPairFiles } from './config.ts'
import type { Log } from './log.ts'

/** How often the two files are read again. */
const LOOK_EVERY_MS = 1_000

/** @throws Error that says which file is wrong and how, without a byte of the key. */
export async function readKeyPair(files: KeyPairFiles): Promise<KeyPair> {
  const [cert, key] = await Promise.all([read(files.cert), read(files.key)])
  const certificate = parsed(files.cert, 'a certificate in PEM', () => new X509Certificate(cert))
  const secret = parsed(files.key, 'a private key in PEM without a passphrase', () => createPrivateKey(key))
  if (!certificate.checkPrivateKey(secret)) throw new Error(`${files.key} is not the key of ${files.cert}.`)
  // What OpenSSL finds too weak, and a chain that it cannot read.
  parsed(files.cert, 'a certificate chain that TLS can use', () => createSecureContext({ cert, key }))
  return { cert, key }
}

/**
 * Reads the files again and again, whatever became of them: written anew, moved over, or behind a link that points
 * elsewhere. A pair that holds is used from the next connection on; any other is said once and changes nothing.
 *
 * @param use every listener takes it.
 * @returns what stops it.
 */
export function watchKeyPair(
  files: KeyPairFiles,
  {
    first,
    use,
    log,
    every_ms = LOOK_EVERY_MS,
  }: {
    readonly first: KeyPair
    readonly use: (pair: KeyPair) => void
    readonly log: Log
    readonly every_ms?: number | undefined
  },
): () => void {
  let used = digestOf(first)
  /** What was wrong at the last look: said when it is still so at the next, for two files are not written at once. */
  let wrong: string | null = null
  let said: string | null = null
  const look = async (): Promise<void> => {
    try {
      const pair = await readKeyPair(files)
      wrong = said = null
      if (digestOf(pair) === used) return
      use(pair)
      used = digestOf(pair)
      log('info', 'TLS: new connections are served with the new certificate', { until: validUntil(pair) })
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      if (why === wrong && why !== said) {
        log('error', `TLS: the certificate in use is kept: ${why}`)
        said = why
      }
      wrong = why
    }
  }
  let busy = false
  const timer = setInterval(() => {
    if (busy) return
    busy = true
    void look().finally(() => (busy = false))
  }, every_ms)
  timer.unref()
  return () => clearInterval(timer)
}

/** ISO 8601. */
export function validUntil({ cert }: KeyPair): string {
  return new X509Certificate(cert).validToDate.toISOString()
}

async function read(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${path} cannot be read (${error.code ?? error.message}).`)
  })
}

function parsed<T>(path: string, what: string, parse: () => T): T {
  try {
    return parse()
  } catch {
    // The parser's own words are left out: they are about the bytes of a key.
    throw new Error(`${path} is not ${what}.`)
  }
}

function digestOf({ cert, key }: KeyPair): string {
  return hash('sha256', `${cert}\0${key}`, 'hex')
}
