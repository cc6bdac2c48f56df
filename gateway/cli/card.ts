import { formatAmount } from '../core/money.ts'
import type { Json, JsonObject, LimitView } from '../core/types.ts'
import type { CallStory } from '../pipeline/gateway.ts'
import { bold, clock } from './print.ts'
import { columns, visible, visibleJson, wrap } from './visible.ts'

const WIDTH = 96
const NAME_MAX = 28
/** More of one text than this is cut, and the cut is told: an approver reads, and a megabyte hides things. */
const TEXT_MAX = 2000
/** Of a heading or a name, the same. */
const TITLE_MAX = 300
/** Of the members of one value, the same: what an agent lists by the thousand must not push the facts off the screen. */
const MEMBERS_MAX = 100

/**
 * One call as a person decides about it. What the gateway fetched and what the agent wrote never share a line, and each
 * line of the agent's begins with a bar, so that no text of its own can look like a heading of the card.
 */
export function card(story: CallStory): string {
  const held = story.status === 'held'
  const expires = held && story.expires_at ? clock(story.expires_at) : null
  return [
    ...heading(cut(visible(story.summary), TITLE_MAX), expires ? `expires ${expires}` : statusOf(story)),
    bold('FACTS (fetched by the gateway)'),
    ...members(story.facts, '  '),
    bold('AGENT SAYS (not verified)'),
    ...members(story.agent_says, '  | '),
    ...section('ASKED BY', [
      `${visible(story.requester)}, role ${visible(story.role)}, at ${clock(story.at)}`,
      ...(story.acting_for ? [`on behalf of ${visible(story.acting_for)}`] : []),
      `session ${visible(story.session)}`,
    ]),
    ...section('WILL SEND', [
      ...request(story.will_send),
      `can be taken back: ${story.undo === 'none' ? 'no' : visible(story.undo)}`,
    ]),
    ...section(
      'WHY HELD',
      story.need.map(({ line, count, of, have, passkey }) => {
        const signed = passkey === true ? ', each signed with a passkey (in the console)' : ''
        return `${visible(line)}: needs ${count} of ${visible(of)}${signed}, has ${have}`
      }),
    ),
    ...section(
      'APPROVED BY',
      story.approvals.map(({ name, person, at, passkey }) => {
        const signed = passkey === undefined ? '' : ', signed with a passkey'
        return `${visible(name)} (${visible(person)}) at ${clock(at)}${signed}`
      }),
    ),
    ...section('LIMITS', story.limits.map(limit)),
    ...section('OUTCOME', outcome(story)),
    ...(expires ? [`If nobody answers: expires at ${expires}, the agent is told.`] : []),
    `${visible(story.call)}${held && story.card ? `  card ${visible(story.card)}` : ''}`,
    '',
  ].join('\n')
}

function heading(left: string, right: string): string[] {
  const lines = wrap(left, WIDTH - columns(right) - 3)
  // What it goes on with may be the agent's words, and must not begin a line as a heading does.
  const more = lines.slice(1).map((line) => bold(`| ${line}`))
  const gap = ' '.repeat(Math.max(3, WIDTH - columns(lines[0] ?? '') - columns(right)))
  return [`${bold(lines[0] ?? '')}${gap}${right}`, ...more, '-'.repeat(WIDTH)]
}

function section(title: string, lines: readonly string[]): string[] {
  return lines
    .flatMap((line) => wrap(line, WIDTH - 13))
    .map((line, at) => `${at === 0 ? bold(title.padEnd(12)) : ' '.repeat(12)} ${line}`)
}

function members(value: JsonObject | null, indent: string): string[] {
  const flat = first(flatten(value ?? {}))
  if (!flat.length) return [`${indent}nothing`]
  const width = Math.min(NAME_MAX, Math.max(...flat.map(([name]) => columns(name))))
  return flat.flatMap(([name, text]) => {
    // A name as long as a sentence (agents may choose some) stands above its value.
    const above = columns(name) > NAME_MAX ? wrap(name, WIDTH - indent.length) : []
    const lines = wrap(text, WIDTH - indent.length - width - 2)
    const beside = (at: number) => (at === 0 && !above.length ? name : '')
    return [
      ...above.map((line) => indent + line),
      ...lines.map((line, at) => `${indent}${beside(at)}${' '.repeat(width + 2 - columns(beside(at)))}${line}`),
    ]
  })
}

/** `charge.amount` → its JSON text, leaf by leaf; strings in quotes, so that an empty or padded one is seen. */
function flatten(value: Json, path = ''): [string, string][] {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) {
    return path ? [[path, cut(visibleJson(value), TEXT_MAX)]] : []
  }
  return Object.entries(value).flatMap(([name, member]) =>
    flatten(member, path ? `${path}.${nameOf(name)}` : nameOf(name)),
  )
}

/** An agent may choose names where a schema lets it: one that is no word stands in quotes, so that ` = 1` in it is seen as its own. */
function nameOf(name: string): string {
  return cut(/^[\w-]+$/.test(name) ? name : visibleJson(name), TITLE_MAX)
}

function cut(text: string, most: number): string {
  const more = text.length - most
  return more > 0 ? `${text.slice(0, most)}… and ${more} characters more, cut here` : text
}

/** The first of them, and how many more there are. */
function first(flat: [string, string][]): [string, string][] {
  const more = flat.length - MEMBERS_MAX
  return more > 0 ? [...flat.slice(0, MEMBERS_MAX), ['…', `${more} more, not shown here; --json has them`]] : flat
}

/** A rendered request in the shape of the YAML: `POST: /v1/refunds`, `form: {…}`. */
function request(sent: Json): string[] {
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent))
    return sent === null ? ['not kept'] : [visibleJson(sent)]
  const entries = Object.entries(sent as JsonObject)
  const [verb, path] = entries[0] ?? []
  const line =
    verb && /^[A-Z]+$/.test(verb) && typeof path === 'string' ? [`${verb} ${cut(visible(path), TEXT_MAX)}`] : []
  const rest = Object.fromEntries(entries.slice(line.length))
  return [...line, ...first(flatten(rest)).map(([name, text]) => `${name} = ${text}`)]
}

/** `daily: 30.00 USD used, 120.00 USD held, of 500.00 USD per day`; a rate counts calls. */
function limit(view: LimitView): string {
  const money = (amount: number) => (view.kind === 'rate' ? String(amount) : formatAmount({ unit: view.unit, amount }))
  return `${visible(view.name)}: ${money(view.used)} used, ${money(view.held)} held, of ${money(view.max)} per ${visible(view.per)}`
}

function outcome(story: CallStory): string[] {
  if (story.status === 'held') return []
  const lines = [statusOf(story)]
  if (story.detail) lines.push(cut(visible(story.detail), TEXT_MAX))
  if (story.because.length) lines.push(`because ${story.because.map(visible).join(', ')}`)
  if (story.output !== null)
    lines.push(...first(flatten({ output: story.output })).map(([name, text]) => `${name} = ${text}`))
  lines.push(...first(flatten(story.evidence)).map(([name, text]) => `${name} = ${text}`))
  return lines
}

function statusOf(story: CallStory): string {
  return visible(story.status.replaceAll('_', ' '))
}
