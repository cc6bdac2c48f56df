import type { Action, Json, JsonObject, Question, Scope } from './types.ts'

/** What conditions and templates of a call see. `now` is in the time zone of the role or guardrail. */
export function scopeOf(question: Question, action: Pick<Action, 'name' | 'effect'>, timezone: string): Scope {
  const { session } = question
  return {
    input: question.input,
    facts: question.facts,
    session: { ...session.attributes, id: session.id, role: session.role, requester: session.requester },
    action: { name: action.name, effect: action.effect },
    now: wallTime(question.at, timezone),
    switches: question.switches,
    call: { id: question.call },
  }
}

const formats = new Map<string, Intl.DateTimeFormat>()
/** The last minute that was asked for in each zone: formatting it costs more than all the rest of a decision. */
const minutes = new Map<string, { readonly minute: number; readonly now: JsonObject }>()

/** `hour` 0–23, `minute` 0–59, `weekday` "monday"…, `date` "2026-11-23". */
export function wallTime(at: number, timezone: string): JsonObject {
  const minute = Math.floor(at / 60_000)
  const known = minutes.get(timezone)
  if (known?.minute === minute) return known.now
  const now = formatted(at, timezone)
  minutes.set(timezone, { minute, now })
  return now
}

function formatted(at: number, timezone: string): JsonObject {
  let format = formats.get(timezone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone: timezone,
      hourCycle: 'h23',
      weekday: 'long',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
    })
    formats.set(timezone, format)
  }
  const parts: { [type: string]: string } = {}
  for (const part of format.formatToParts(at)) parts[part.type] = part.value
  const now: { [name: string]: Json } = {
    hour: Number(parts['hour']),
    minute: Number(parts['minute']),
    weekday: (parts['weekday'] ?? '').toLowerCase(),
    date: `${parts['year']}-${parts['month']}-${parts['day']}`,
  }
  return now
}
