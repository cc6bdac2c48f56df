import ipaddr from 'ipaddr.js'
import { FINAL } from '../language.ts'
import type { BackendSpec, Json, JsonObject, SecretRef } from '../types.ts'
import { durationAt, flagAt, has, itemsAt, numberAt, textAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { at, sound, valueAt } from './place.ts'
import type { Piece } from './place.ts'

/** Compiles one backend; null where its shape is broken. */
export function compileBackend(compiling: Compiling, name: string, piece: Piece): BackendSpec | null {
  if (!sound(piece)) return null
  checkUrl(compiling, at(piece, 'url'), flagAt(at(piece, 'private')))
  const idempotency = at(piece, 'idempotency')
  const breaker = at(piece, 'breaker')
  const statuses = itemsAt(at(piece, 'final')).map((item) => numberAt(item, 400))
  return {
    name,
    adapter: textAt(at(piece, 'adapter')) ?? '',
    config: valueAt(piece) as JsonObject,
    timeout_ms: durationAt(compiling, at(piece, 'timeout'), '10s'),
    lands_within_ms: durationAt(compiling, at(piece, 'lands_within'), '30s'),
    idempotency: has(idempotency)
      ? {
          header: textAt(at(idempotency, 'header')) ?? '',
          lives_ms: durationAt(compiling, at(idempotency, 'lives'), '24h'),
        }
      : null,
    request_id: textAt(at(piece, 'request_id')),
    final: has(at(piece, 'final')) ? statuses : FINAL,
    private: flagAt(at(piece, 'private')),
    breaker: {
      percent: Number((textAt(at(breaker, 'open_after')) ?? '50%').replace('%', '')),
      of: numberAt(at(breaker, 'of'), 20),
      for_ms: durationAt(compiling, at(breaker, 'for'), '30s'),
    },
    secrets: [...new Set(secretsAt(compiling, at(piece, 'auth')))],
  }
}

/** Where calls may go is closed here; what a name resolves to is checked again when a connection is made. */
export function checkUrl({ report }: Compiling, piece: Piece, isPrivate: boolean): void {
  const text = textAt(piece)
  if (text === null) return
  const url = URL.parse(text)
  if (url === null) return report.error(piece, 'this is not a URL')
  if (url.username !== '' || url.password !== '') {
    return report.error(piece, 'a URL holds no user name or password', 'write `auth:` with a secret ref')
  }
  if (isPrivate) return
  if (isInternal(url.hostname)) {
    report.error(
      piece,
      `${url.hostname} is a loopback, private or link-local address`,
      'if that is meant, say `private: true`',
    )
  } else if (url.protocol === 'http:') {
    report.error(
      piece,
      'a public address needs https:',
      'write https:, or `private: true` for an address of your own network',
    )
  }
}

/** Loopback, private, link-local and everything else that is not plainly on the internet. */
export function isInternal(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  return ipaddr.isValid(host) && ipaddr.process(host).range() !== 'unicast'
}

/** This very machine, by its address or its name. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  return host === 'localhost' || (ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback')
}

const REFS: { readonly [scheme: string]: { readonly form: RegExp; readonly like: string } } = {
  age: { form: /^age:\/\/[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/, like: 'age://NAME' },
  env: { form: /^env:\/\/[A-Za-z_][A-Za-z0-9_]*$/, like: 'env://VARIABLE' },
  file: { form: /^file:\/\/(\/[^/\0]+)+$/, like: 'file:///PATH' },
  vault: { form: /^vault:\/\/[^#\s]+\/[^#\s]+#[^#\s]+$/, like: 'vault://MOUNT/PATH#FIELD' },
  aws: { form: /^aws:\/\/[^#\s]+(#[^#\s]+)?$/, like: 'aws://NAME#FIELD' },
}
/** Members of `auth` that are no credential; a user may be one that a lease names. */
const PLAIN = new Set(['header', 'user'])

function secretsAt(compiling: Compiling, piece: Piece): SecretRef[] {
  const value = valueAt(piece)
  if (typeof value === 'string') return secretAt(compiling, piece, value)
  if (typeof value !== 'object' || value === null) return []
  const lease = (value as { readonly lease?: Json }).lease
  if (typeof lease === 'string') {
    const other = Object.keys(value).find((key) => key !== 'lease')
    if (other !== undefined) {
      const hint = 'keep one of the two'
      compiling.report.error(at(piece, other), `\`lease\` is the whole login: no \`${other}\` beside it`, hint, 'key')
    }
    return [`${lease}#username`, `${lease}#password`]
  }
  return Object.keys(value)
    .filter((key) => !PLAIN.has(key) || !isPlain((value as { readonly [key: string]: Json })[key]))
    .flatMap((key) => secretsAt(compiling, at(piece, key)))
}

function isPlain(value: Json | undefined): boolean {
  return typeof value === 'string' && !value.startsWith('vault://')
}

/** The ref that stands here, alone in a list; none where it is not one. */
export function secretAt({ report }: Compiling, piece: Piece, text: string): SecretRef[] {
  const scheme = /^([a-z]+):\/\//.exec(text)?.[1] ?? ''
  const ref = Object.hasOwn(REFS, scheme) ? REFS[scheme] : undefined
  const forms = Object.values(REFS)
    .map(({ like }) => like)
    .join(', ')
  if (ref === undefined)
    report.error(piece, 'this is not a secret ref; a credential never stands in a policy', `write one of: ${forms}`)
  else if (!ref.form.test(text)) report.error(piece, `this is not a secret ref of the form ${ref.like}`)
  else return [text]
  return []
}
