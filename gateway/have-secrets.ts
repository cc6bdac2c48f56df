import type { Policy, SecretRef } from './core/types.ts'
import type { Log } from './log.ts'

/** Whoever names secrets: a backend, an issuer at which the gateway is a client with one, a channel of notices. */
export interface Needs {
  readonly name: string
  readonly secrets: readonly SecretRef[]
  readonly kind?: 'issuer' | 'channel'
}

export function needsOf({ backends, issuers, notify }: Pick<Policy, 'backends' | 'issuers' | 'notify'>): Needs[] {
  const clients = [...issuers.values()].flatMap(({ name, client_secret }): Needs[] => {
    return client_secret == null ? [] : [{ name, secrets: [client_secret], kind: 'issuer' }]
  })
  const told = [...(notify?.channels.values() ?? [])].map(({ name, secrets }): Needs => {
    return { name, secrets, kind: 'channel' }
  })
  return [...backends.values(), ...clients, ...told]
}

/** Asked at once: refs of one age file share one decryption, and a vault is not asked for a thousand in one moment. */
const AT_ONCE = 64

/**
 * Fetches every ref that these name: a wrong name is told now, not by the first agent's 503.
 * @param secret rejects when the ref cannot be had now
 * @returns what to say of the first that cannot be had, or null
 */
export async function haveSecrets(
  needs: Iterable<Needs>,
  secret: (ref: SecretRef) => Promise<unknown>,
  log: Log,
): Promise<string | null> {
  const wanted = [...needs].flatMap(({ kind = 'backend', name, secrets }) => {
    return secrets.map((ref) => ({ who: `${kind} ${name}`, ref }))
  })
  for (const { who, ref } of wanted) {
    if (ref.startsWith('env:'))
      log('warn', `${who}: ${ref} is meant for development; a file or a vault keeps a key better`)
  }
  for (let from = 0; from < wanted.length; from += AT_ONCE) {
    const asked = wanted.slice(from, from + AT_ONCE).map(async ({ who, ref }) =>
      secret(ref).then(
        () => null,
        (error: Error) => `${who}: ${error.message}`,
      ),
    )
    const missing = (await Promise.all(asked)).find((said) => said !== null)
    if (missing !== undefined) return missing
  }
  return null
}
