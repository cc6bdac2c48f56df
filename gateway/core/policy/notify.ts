import type { Channel, Notify } from '../notice.ts'
import type { Policy, SecretRef } from '../types.ts'
import { checkUrl, isLoopback, secretAt } from './backends.ts'
import { durationAt, entriesAt, flagAt, has, itemsAt, known, textAt, textsAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { at, sound, valueAt } from './place.ts'
import type { Piece } from './place.ts'

const RETRY = ['5s', '30s', '5m', '30m', '2h', '5h', '10h']
const SECOND_MS = 1000
/** The keys that each kind has beside its own. */
const KEYS: { readonly [kind in Channel['kind']]: readonly string[] } = {
  webhook: ['secret', 'private'],
  smtp: ['user', 'password', 'from', 'to', 'private'],
  slack: ['private'],
  teams: ['private'],
}
const NEEDED: { readonly [kind in Channel['kind']]: readonly string[] } = {
  webhook: ['secret'],
  smtp: ['from', 'to'],
  slack: [],
  teams: [],
}

/** Compiles one channel; null where its shape is broken. */
export function compileChannel(compiling: Compiling, name: string, piece: Piece): Channel | null {
  if (!sound(piece)) return null
  const { report } = compiling
  const kind = (['webhook', 'smtp', 'slack', 'teams'] as const).find((one) => has(at(piece, one)))
  if (kind === undefined) return null
  for (const [key, place] of entriesAt(piece)) {
    if (key !== kind && !KEYS[kind].includes(key))
      report.error(place, `a channel of kind \`${kind}\` has no \`${key}\``, 'take the line out', 'key')
  }
  for (const key of NEEDED[kind]) {
    if (!has(at(piece, key))) report.error(piece, `\`${key}\` is missing`, HINTS[key], 'key')
  }
  if (has(at(piece, 'user')) !== has(at(piece, 'password')))
    report.error(piece, '`user` and `password` go together', 'write both, or none', 'key')
  const isPrivate = flagAt(at(piece, 'private'))
  if (kind === 'webhook') checkWebhook(compiling, at(piece, 'webhook'), isPrivate)
  if (kind === 'smtp') checkServer(compiling, at(piece, 'smtp'), isPrivate)
  return {
    name,
    kind,
    address: kind === 'webhook' || kind === 'smtp' ? textAt(at(piece, kind)) : null,
    secrets: secretsOf(compiling, piece, kind),
    user: textAt(at(piece, 'user')),
    from: textAt(at(piece, 'from')),
    to: textsAt(at(piece, 'to')),
    private: isPrivate,
  }
}

const HINTS: { readonly [key: string]: string } = {
  secret: 'write the secret ref of what it is signed with: whoever reads a notice must know who sent it',
  from: 'write the address that mails come from',
  to: 'write who gets the mails, as a list',
}

/** Defaults over all documents; undefined where there is no channel. */
export function compileNotify(
  compiling: Compiling,
  channels: ReadonlyMap<string, Channel>,
  piece: Piece | undefined,
): Notify | undefined {
  const list = (key: string): readonly string[] | null =>
    piece === undefined ? null : channelsAt(compiling, at(piece, key))
  const retry = piece === undefined ? [] : itemsAt(at(piece, 'retry'))
  const notify = {
    channels,
    default: list('default') ?? [],
    escalate: list('escalate') ?? [],
    needs_human: list('needs_human'),
    retry_ms: retry.length > 0 ? retry.map((item) => durationAt(compiling, item, '5m')) : RETRY.map(ms),
  }
  if (notify.retry_ms.some((wait) => wait < SECOND_MS) && piece !== undefined)
    compiling.report.error(
      at(piece, 'retry'),
      'a receiver that fails is left alone for a second at least',
      'write 1s or more',
    )
  return channels.size === 0 ? undefined : notify
}

/** Names of channels there, each of which must exist; null where nothing is said. */
export function channelsAt(compiling: Compiling, piece: Piece): readonly string[] | null {
  if (!has(piece)) return null
  for (const item of itemsAt(piece)) {
    const name = textAt(item)
    if (name !== null) known(compiling, 'channels', name, item)
  }
  return textsAt(piece)
}

/** `notify` and `escalate` of a line or a group, where it says them. */
export function toldAt(
  compiling: Compiling,
  piece: Piece,
): { readonly notify?: readonly string[]; readonly escalate?: readonly string[] } {
  const [notify, escalate] = [channelsAt(compiling, at(piece, 'notify')), channelsAt(compiling, at(piece, 'escalate'))]
  return { ...(notify === null ? {} : { notify }), ...(escalate === null ? {} : { escalate }) }
}

/** A channel that nobody is told by is most often a name that was forgotten. */
export function checkUsed(
  { report, names }: Compiling,
  { notify, groups, roles }: Pick<Policy, 'notify' | 'groups' | 'roles'>,
): void {
  if (notify === undefined) return
  const lines = [...roles.values()].flatMap(({ grants }) => [...grants.values()].flatMap(({ approval }) => approval))
  const named = [...lines, ...groups.values()].flatMap((one) => [...(one.notify ?? []), ...(one.escalate ?? [])])
  const used = new Set([...named, ...notify.default, ...notify.escalate, ...(notify.needs_human ?? [])])
  for (const [name, piece] of names.channels) {
    if (!used.has(name))
      report.warning(
        piece,
        `nobody is told by \`${name}\``,
        `write \`notify: [${name}]\` at a group or an approval line`,
        'key',
      )
  }
}

function secretsOf(compiling: Compiling, piece: Piece, kind: Channel['kind']): SecretRef[] {
  const key = { webhook: 'secret', smtp: 'password', slack: 'slack', teams: 'teams' }[kind]
  const value = valueAt(at(piece, key))
  const places = Array.isArray(value) ? itemsAt(at(piece, key)) : [at(piece, key)]
  return places.flatMap((place) => secretAt(compiling, place, textAt(place) ?? ''))
}

function checkWebhook(compiling: Compiling, piece: Piece, isPrivate: boolean): void {
  const url = URL.parse(textAt(piece) ?? '')
  if (url === null || !/^https?:$/.test(url.protocol))
    return compiling.report.error(piece, 'this is not an https: address', 'write https://HOST/PATH')
  checkUrl(compiling, piece, isPrivate)
  if (url.hash !== '') compiling.report.error(piece, 'an address that is posted to has no #fragment', 'take it out')
  if (url.protocol === 'http:' && isPrivate && !isLoopback(url.hostname))
    compiling.report.error(piece, 'plain http: goes to loopback only, under --dev', 'write https:')
}

function checkServer(compiling: Compiling, piece: Piece, isPrivate: boolean): void {
  const url = URL.parse(textAt(piece) ?? '')
  const bare = url !== null && /^smtps?:$/.test(url.protocol) && url.hostname !== '' && /^\/?$/.test(url.pathname)
  if (!bare || url.search !== '' || url.hash !== '')
    return compiling.report.error(
      piece,
      'this is not the address of a mail server',
      'write smtps://HOST:465 or smtp://HOST:587',
    )
  checkUrl(compiling, piece, isPrivate)
}

function ms(text: string): number {
  const units: { readonly [unit: string]: number } = { s: SECOND_MS, m: 60 * SECOND_MS, h: 3600 * SECOND_MS }
  return Number.parseInt(text, 10) * (units[text.slice(-1)] ?? 0)
}
