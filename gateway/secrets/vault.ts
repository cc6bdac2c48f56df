import { jsonOf, fieldOf, isObject, openLine } from './ask.ts'
import type { Answer } from './ask.ts'
import { splitField } from './sources.ts'
import type { Document, Source } from './sources.ts'
import { refusalOf } from './vault-answer.ts'
import { openLeases } from './vault-leases.ts'
import { openLending } from './vault-lend.ts'
import { certificatesOf, loginOf } from './vault-login.ts'
import { openTokens } from './vault-token.ts'
import type { Token } from './vault-token.ts'

export interface VaultParts {
  readonly environment: NodeJS.ProcessEnv
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Told every token and proof before it is used, so that it appears nowhere. */
  readonly hide: (value: string) => void
  readonly ask_ms: number | undefined
}

export type Body = { readonly [name: string]: string | boolean | { readonly [name: string]: string } }

/** Asks with a token that lives; paths are without `/v1`. */
export type Ask = (
  method: 'GET' | 'POST',
  path: string,
  body?: Body,
) => Promise<{ readonly answer: Answer; readonly token: Token }>

/**
 * HashiCorp Vault or OpenBao over its HTTP API: `vault://MOUNT/PATH#FIELD` is a field of a KV version 2 secret;
 * `vault://MOUNT/creds/ROLE#username` and `#password` are of one lease of a database role, renewed until nobody needs it.
 * A mount with a slash in its name is written with `%2F`.
 *
 * @param url the origin of Vault
 * @throws Error for an address or settings of the environment that cannot be used
 */
export function vaultSource(url: string, { environment, now, hide, ask_ms }: VaultParts): Source {
  const line = openLine('Vault', url, { ca: certificatesOf(environment), ask_ms })
  const namespace = namespaceOf(environment)
  const send = (method: 'GET' | 'POST', path: string, token: string | null, body?: Body): Promise<Answer> =>
    line.ask({
      method,
      path: `/v1/${path}`,
      headers: {
        // agents and proxies of Vault may ask for it, against forged requests
        'x-vault-request': 'true',
        ...(token === null ? {} : { 'x-vault-token': token }),
        ...(namespace === null ? {} : { 'x-vault-namespace': namespace }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  const tokens = openTokens(loginOf(environment, hide), { send, now, hide })

  const ask: Ask = async (method, path, body) => {
    const token = await tokens.current()
    const answer = await send(method, path, token.value, body)
    // 403 says "not for this token" and "no such token" alike
    if (answer.status !== 403 || !(await tokens.isGone(token))) return { answer, token }
    const next = await tokens.current()
    return { answer: await send(method, path, next.value, body), token: next }
  }
  const leases = openLeases({ ask, now, current: tokens.current })
  const lending = openLending({ ask, send, hide, tokenRole: tokenRoleOf(environment) })
  // two fields of one secret that are asked together share one answer
  const reading = new Map<string, Promise<Document>>()

  return {
    split(name) {
      const { document, field } = splitField(name)
      placeOf(document)
      if (!/^[^\s#]{1,128}$/.test(field)) throw new Error('the ref names no field: vault://MOUNT/PATH#FIELD')
      return { document, field }
    },
    check: tokens.current,
    fetch(document, anew) {
      const { mount, segments } = placeOf(document)
      const [first, role, ...more] = segments
      if (first === 'creds' && role !== undefined && more.length === 0) {
        return leases.fetch(document, `${mount}/creds/${role}`, anew)
      }
      const read = reading.get(document) ?? readKv(ask, `${mount}/data/${segments.join('/')}`)
      reading.set(document, read)
      return read.finally(() => reading.delete(document))
    },
    lend: (document, asked) => lending.lend(credsOf(document), asked),
    takeBack: (document, handle) => lending.takeBack(document, handle),
    look: tokens.look,
    keep: leases.keep,
    async close() {
      await leases.close()
      await tokens.close()
      await line.close()
    },
  }
}

async function readKv(ask: Ask, path: string): Promise<Document> {
  const { answer } = await ask('GET', path)
  // a deleted version answers 404 and says when, in a body of its own
  if (answer.status === 404)
    throw new Error('Vault has no such secret (KV version 2), or its newest version is deleted')
  if (answer.status !== 200) throw new Error(refusalOf(answer))
  const data = jsonOf(answer.text)?.['data']
  const fields = isObject(data) ? data['data'] : undefined
  if (!isObject(fields)) throw new Error('Vault answered with something that is no KV version 2 secret')
  return { pick: (field) => fieldOf(fields, field) }
}

/** @throws Error for a ref that could lead elsewhere than it says */
function placeOf(document: string): { mount: string; segments: readonly string[] } {
  const [mount = '', ...segments] = document.split('/')
  const isSafe = (segment: string): boolean => /^[A-Za-z0-9_.~@=:-]{1,255}$/.test(segment) && !/^\.{1,2}$/.test(segment)
  const mounts = mount.split(/%2F/i)
  if (segments.length === 0 || ![...mounts, ...segments].every(isSafe)) {
    throw new Error('that is no path of Vault: vault://MOUNT/PATH#FIELD, of letters, digits and _ . ~ @ = : -')
  }
  return { mount: mounts.join('/'), segments }
}

/** @throws Error for what makes no logins */
function credsOf(document: string): string {
  const { mount, segments } = placeOf(document)
  if (segments[0] !== 'creds' || segments.length !== 2) throw new Error('that is no vault://MOUNT/creds/ROLE')
  return `${mount}/${segments.join('/')}`
}

function tokenRoleOf(environment: NodeJS.ProcessEnv): string | null {
  const role = environment['KEYSTAY_VAULT_LEASE_ROLE']
  if (!role) return null
  if (!/^[A-Za-z0-9_.-]{1,128}$/.test(role)) throw new Error('KEYSTAY_VAULT_LEASE_ROLE is no name of a token role')
  return role
}

function namespaceOf(environment: NodeJS.ProcessEnv): string | null {
  const namespace = environment['VAULT_NAMESPACE']
  if (!namespace) return null
  if (!/^[!-~]{1,256}$/.test(namespace)) throw new Error('VAULT_NAMESPACE holds characters that no header may carry')
  return namespace
}
