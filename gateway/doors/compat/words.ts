import { textOf } from '../../core/endpoint.ts'
import type { Served } from '../../core/endpoint.ts'
import type { ProblemBody } from '../../core/problem.ts'
import type { Policy } from '../../core/types.ts'
import type { Envelope } from '../../pipeline/gateway.ts'

/** What is said to whoever reads nothing but the message of an error. */

/** A call that goes on. `unnamed`: the agent gave it no key of its own, so the same request finds it again. */
export function goesOn({ status, call, need = [], expires_at, approve_at }: Envelope, unnamed: boolean): string {
  const again = unnamed
    ? 'Send the same request again later: it is told what came of this one, once, and does not act a second time.'
    : 'Send it again under the same idempotency key later: it is told what came of it, and does not act a second time.'
  switch (status) {
    case 'held': {
      const who = need.map(({ count, of, have }) => `${count} of ${of} must approve (${have} so far)`).join(', ')
      const where = approve_at === undefined ? '' : ` They decide at ${approve_at}.`
      const until = expires_at === undefined ? '' : `, until ${expires_at}`
      return `Held as ${call}; nothing has happened yet: ${who || 'people must approve'}${until}.${where} ${again}`
    }
    case 'running':
      return `It runs as ${call} and has not ended yet. ${again}`
    case 'needs_human':
      return `Whether ${call} happened people must find out: tell whoever you work for. ${again}`
    default:
      return `Whether ${call} happened nobody knows yet; the gateway finds out. ${again}`
  }
}

/** What the policy or the backend said, and what may be asked instead. */
export function ended({ detail, code, next = [], errors = [], retry, resets_at }: ProblemBody): string {
  const wrong = errors.map(({ path, got, want }) => `${path}: got ${got}, want ${want}.`)
  const instead = next.length === 0 || retry === 'fix_input' ? '' : ` Next: ${next.join(', ')}.`
  const later = retry === 'after' && resets_at !== undefined ? ` It opens again at ${resets_at}.` : ''
  const new_ =
    code === 'rejected' || code === 'expired' || code === 'cancelled' ? ' Asked once more, it is a new call.' : ''
  return [`${detail}${later}${instead}${new_}`, ...wrong].join(' ')
}

const NAMED_MAX = 30

/** Nothing stands at this endpoint for this role: what does. */
export function notHere(endpoint: string, all: readonly Served[], policy: Policy, role: string): string {
  const here = all.map((one) => `${textOf(one.endpoint)} (${one.action.name})`)
  const names = new Set(all.map(({ action }) => action.name))
  const elsewhere = [...(policy.roles.get(role)?.grants.keys() ?? [])].filter((name) => !names.has(name))
  const list = (what: readonly string[]): string =>
    what.length > NAMED_MAX
      ? `${what.slice(0, NAMED_MAX).join(', ')} and ${what.length - NAMED_MAX} more`
      : what.join(', ')
  const granted = here.length === 0 ? 'It has nothing at this door' : `It has here: ${list(here)}`
  const more = elsewhere.length === 0 ? '' : `; at the gateway's own doors also: ${list(elsewhere)}`
  return `The role ${role} has no ${endpoint}. ${granted}${more}.`
}
