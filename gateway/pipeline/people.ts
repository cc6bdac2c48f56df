import { formatAmount } from '../core/money.ts'
import { Problem } from '../core/problem.ts'
import type { SessionRow } from '../core/operations.ts'
import type { Call, CallState, CallStatus, Json, JsonObject, Person } from '../core/types.ts'
import { standing } from './actions.ts'
import { approve, callOf, reject, settleByPerson } from './decide.ts'
import type { CallStory, CallSummary, PeopleFilter, PeopleGateway, SessionView } from './gateway.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { limitsOf, statusOf } from './reply.ts'
import { mayOrRefuse } from './rights.ts'

/** What people may see and decide. */
export function peopleGateway(house: House): PeopleGateway {
  const seen = async (person: Person, call: Call): Promise<CallStory> => {
    await mayOrRefuse(house, person, 'view', 'see calls')
    return storyOf(house, call)
  }
  return {
    async calls(person, filter) {
      await mayOrRefuse(house, person, 'view', 'see calls')
      return list(house, filter)
    },
    story: async (person, id) => seen(person, await callOf(house, id)),
    approve: async (person, id, card) => storyOf(house, await approve(house, person, id, card)),
    reject: async (person, id, reason) => storyOf(house, await reject(house, person, id, reason)),
    settle: async (person, id, outcome, reason) =>
      storyOf(house, await settleByPerson(house, person, id, outcome, reason)),
    async sessions(person, filter) {
      await mayOrRefuse(house, person, 'view', 'see sessions')
      const live = filter.live === true ? { live_at: house.clock.now() } : {}
      const rows = await house.store.sessions({ ...live, ...(filter.role === undefined ? {} : { role: filter.role }) })
      return rows.map(sessionView)
    },
    async revoke(person, id) {
      await mayOrRefuse(house, person, 'freeze', 'revoke a session')
      const ended = await house.store.write({ op: 'session.end', session: id, reason: 'revoked', by: person.id })
      if (ended.kind === 'no_such_session') throw new Problem('no_such_call', 'There is no such session.')
      await tellCancelled(house, id)
      return sessionView(ended.session)
    },
    async limits(person) {
      await mayOrRefuse(house, person, 'view', 'see limits')
      return roleLimits(house)
    },
    async setSwitch(person, name, on, reason) {
      await mayOrRefuse(house, person, 'freeze', 'set a switch')
      const known = switchNames(house)
      if (!known.includes(name)) {
        throw new Problem(
          'malformed',
          `There is no switch ${name.slice(0, 100)}. There are: ${known.slice(0, 30).join(', ')}.`,
        )
      }
      if (reason.trim() === '') throw new Problem('malformed', 'A switch needs a reason: whoever it stops is told.')
      const { entry } = await house.store.write({ op: 'switch', name, on, reason, person: person.id })
      return { name, on, reason, entry }
    },
    async policy(person) {
      await mayOrRefuse(house, person, 'view', 'see the policy')
      const { digest, texts, roles, actions } = house.policy()
      return {
        digest,
        roles: [...roles.keys()],
        actions: [...actions.keys()],
        files: texts.map(({ path, text }) => ({ path, text })),
      }
    },
  }
}

const STATES: { readonly [status in CallStatus]: readonly CallState[] } = {
  held: ['held'],
  running: ['intent', 'executing'],
  unknown: ['unknown'],
  needs_human: ['needs_human'],
  done: ['done'],
  refused: ['refused'],
  denied: ['denied'],
  rejected: ['rejected'],
  expired: ['expired'],
  cancelled: ['cancelled'],
  not_sent: ['not_sent'],
}

/** @returns the stored states that the outside calls this status. */
export function statesOf(status: CallStatus): readonly CallState[] {
  return STATES[status]
}

/** Newest first; the cursor is the last id. */
async function list(house: House, filter: PeopleFilter): Promise<{ calls: CallSummary[]; cursor: string | null }> {
  const limit = Math.min(filter.limit ?? 100, 1000)
  const { status, cursor, ...rest } = filter
  const calls = await house.store.calls({
    ...rest,
    ...(status === undefined ? {} : { states: statesOf(status) }),
    ...(cursor === undefined ? {} : { before: cursor }),
    limit,
  })
  return { calls: calls.map(summaryOf), cursor: calls.length === limit ? (calls.at(-1)?.id ?? null) : null }
}

function summaryOf(call: Call): CallSummary {
  return {
    call: call.id,
    at: new Date(call.created_at).toISOString(),
    action: call.action,
    role: call.role,
    session: call.session,
    requester: call.requester,
    status: statusOf(call.state),
    state: call.state,
    summary: call.summary,
    cost: call.cost === null ? null : { ...call.cost, text: formatAmount(call.cost) },
    because: call.because,
    need: call.need.map(({ line, count, of, have }) => ({ line, count, of, have })),
    expires_at: call.state !== 'held' || call.expires_at === null ? null : new Date(call.expires_at).toISOString(),
  }
}

async function storyOf(house: House, call: Call): Promise<CallStory> {
  const bodies = await house.store.bodies(call.id)
  const parsed = (text: string | null | undefined): Json => (text == null ? null : (JSON.parse(text) as Json))
  const now = house.clock.now()
  return {
    ...summaryOf(call),
    card: call.card,
    facts: parsed(bodies?.facts) as JsonObject | null,
    agent_says: parsed(bodies?.input) as JsonObject | null,
    will_send: parsed(bodies?.request),
    undo: house.policy().actions.get(call.action)?.undo ?? 'none',
    output: parsed(bodies?.output),
    evidence: call.evidence,
    approvals: call.approvals.map(({ person, name, at }) => ({ person, name, at: new Date(at).toISOString() })),
    detail: call.detail,
    limits: await limitsOf(house, call.reserve, now),
    entries: await house.store.story(call.id),
  }
}

function sessionView(row: SessionRow): SessionView {
  return {
    session: row.id,
    role: row.role,
    requester: row.requester,
    acting_for: row.acting_for,
    lineage: row.lineage,
    issued_at: new Date(row.issued_at).toISOString(),
    expires_at: new Date(row.expires_at).toISOString(),
    ended_at: row.ended_at === null ? null : new Date(row.ended_at).toISOString(),
    ended_reason: row.ended_reason,
  }
}

/** Whoever waits for a held call of a revoked session is told. */
async function tellCancelled(house: House, session: string): Promise<void> {
  for (const call of await house.store.calls({ session, states: ['cancelled'], limit: 1000 })) announce(house, call)
}

/** `all`, `role:R`, `action:A`, and the switches of the policy. */
function switchNames(house: House): string[] {
  const { roles, actions, switches } = house.policy()
  return [
    'all',
    ...switches.keys(),
    ...[...roles.keys()].map((role) => `role:${role}`),
    ...[...actions.keys()].map((action) => `action:${action}`),
  ]
}

/** What each limit of a kind that counts by role stands at. */
async function roleLimits(house: House): Promise<JsonObject[]> {
  const views: JsonObject[] = []
  for (const role of house.policy().roles.keys()) {
    for (const view of await standing(house, role)) views.push({ role, ...view })
  }
  return views
}
