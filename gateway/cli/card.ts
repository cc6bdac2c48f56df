import { formatAmount } from '../core/money.ts'
import type { Json, JsonObject, LimitView } from '../core/types.ts'
import type { CallStory } from '../pipeline/gateway.ts'
import { bold, clock } from './print.ts'
import { columns, visible, visibleJson, wrap } from './visible.ts'

const WIDTH = 96
const NAME_MAX = 28
/** More of one text than this is cut, and the cut is told: an approver reads, and a megabyte hides things. */
const TEXT_MAX = 2000

/**
 * One call as a person decides about it. What the gateway fetched and what the agent wrote never share a line, and each
 * line of the agent's begins with a bar, so that no text of its own can look like a heading of the card.
 */
export function card(story: CallStory): string {
  const held = story.status === 'held'
  const expires = held && story.expires_at ? clock(story.expires_at) : null
  return [
    ...heading(visible(story.summary), expires ? `expires ${expires}` : statusOf(story)),
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
      story.need.map((need) => `${visible(need.line)}: needs ${need.count} of ${visible(need.of)}, has ${need.have}`),
    ),
    ...section(
      'APPROVED BY',
      story.approvals.map((one) => `${visible(one.name)} (${visible(one.person)}) at ${clock(one.at)}`),
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
  const gap = ' '.repeat(Math.max(3, WIDTH - columns(lines[0] ?? '') - columns(right)))
  return [`${bold(lines[0] ?? '')}${gap}${right}`, ...lines.slice(1).map(bold), '-'.repeat(WIDTH)]
}

function section(title: string, lines: readonly string[]): string[] {
  return lines
    .flatMap((line) => wrap(line, WIDTH - 13))
    .map((line, at) => `${at === 0 ? bold(title.padEnd(12)) : ' '.repeat(12)} ${line}`)
}

function members(value: JsonObject | null, indent: string): string[] {
  const flat = flatten(value ?? {})
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
    const text = visibleJson(value)
    const cut = text.length - TEXT_MAX
    const shown = cut > 0 ? `${text.slice(0, TEXT_MAX)}… and ${cut} characters more, cut here` : text
    return path ? [[path, shown]] : []
  }
  return Object.entries(value).flatMap(([name, member]) =>
    flatten(member, path ? `${path}.${visible(name)}` : visible(name)),
  )
}

/** A rendered request in the shape of the YAML: `POST: /v1/refunds`, `form: {…}`. */
function request(sent: Json): string[] {
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent))
    return sent === null ? ['not kept'] : [visibleJson(sent)]
  const entries = Object.entries(sent as JsonObject)
  const [verb, path] = entries[0] ?? []
  const line = verb && /^[A-Z]+$/.test(verb) && typeof path === 'string' ? [`${verb} ${visible(path)}`] : []
  const rest = Object.fromEntries(entries.slice(line.length))
  return [...line, ...flatten(rest).map(([name, text]) => `${name} = ${text}`)]
}

/** `daily: 30.00 USD used, 120.00 USD held, of 500.00 USD per day`; a rate counts calls. */
function limit(view: LimitView): string {
  const money = (amount: number) => (view.kind === 'rate' ? String(amount) : formatAmount({ unit: view.unit, amount }))
  return `${visible(view.name)}: ${money(view.used)} used, ${money(view.held)} held, of ${money(view.max)} per ${visible(view.per)}`
}

function outcome(story: CallStory): string[] {
  if (story.status === 'held') return []
  const lines = [statusOf(story)]
  if (story.detail) lines.push(visible(story.detail))
  if (story.because.length) lines.push(`because ${story.because.map(visible).join(', ')}`)
  if (story.output !== null) lines.push(...flatten({ output: story.output }).map(([name, text]) => `${name} = ${text}`))
  lines.push(...flatten(story.evidence).map(([name, text]) => `${name} = ${text}`))
  return lines
}

function statusOf(story: CallStory): string {
  return visible(story.status.replaceAll('_', ' '))
}
