import { formatAmount } from '../core/money.ts'
import { actingForOf } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import type { SessionRow } from '../core/operations.ts'
import type { Call, Json, JsonObject, Person } from '../core/types.ts'
import { standing } from './actions.ts'
import { approve, callOf, reject, settleByPerson } from './decide.ts'
import type { CallExport, CallStory, CallSummary, PeopleGateway, RoleUse, SessionView } from './gateway.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { listOf } from './list.ts'
import { decimalOf } from './matches.ts'
import { limitsOf, statusOf } from './reply.ts'
import { acceptRestore, restoreView } from './restore.ts'
import { mayOrRefuse, rightsOf } from './rights.ts'

/** What people may see and decide. */
export function peopleGateway(house: House): PeopleGateway {
  const seen = async (person: Person, call: Call): Promise<CallStory> => {
    await mayOrRefuse(house, person, 'view', 'see calls')
    return storyOf(house, call)
  }
  return {
    async calls(person, filter) {
      await mayOrRefuse(house, person, 'view', 'see calls')
      return listOf(house, filter, summaryOf)
    },
    async exported(person, filter) {
      await mayOrRefuse(house, person, 'export', 'export calls')
      return listOf(house, filter, exportOf)
    },
    story: async (person, id) => seen(person, await callOf(house, id)),
    async proof(person, id) {
      await mayOrRefuse(house, person, 'view', 'see calls')
      const proof = await house.store.proof((await callOf(house, id)).id)
      if (proof !== null) return proof
      throw new Problem('ledger_unavailable', 'The ledger has not been signed yet; ask again in a second.')
    },
    approve: async (person, id, card, assertion) => storyOf(house, await approve(house, person, id, card, assertion)),
    reject: async (person, id, reason) => storyOf(house, await reject(house, person, id, reason)),
    settle: async (person, id, outcome, reason) =>
      storyOf(house, await settleByPerson(house, person, id, outcome, reason)),
    async sessions(person, filter) {
      await mayOrRefuse(house, person, 'view', 'see sessions')
      const { live, ...rest } = filter
      const rows = await house.store.sessions({ ...rest, ...(live === true ? { live_at: house.clock.now() } : {}) })
      return rows.map(sessionView)
    },
    async revoke(person, id, why) {
      await mayOrRefuse(house, person, 'freeze', 'revoke a session')
      const said = why === undefined ? {} : { why }
      const ended = await house.store.write({
        op: 'session.end',
        session: id,
        reason: 'revoked',
        by: person.id,
        ...said,
      })
      if (ended.kind === 'no_such_session') throw new Problem('no_such_call', 'There is no such session.')
      if (ended.kind === 'ended') for (const call of ended.cancelled) announce(house, call)
      return sessionView(ended.session)
    },
    async limits(person) {
      await mayOrRefuse(house, person, 'view', 'see limits')
      return roleLimits(house)
    },
    async roles(person) {
      await mayOrRefuse(house, person, 'view', 'see roles')
      return roleUses(house)
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
    async restore(person) {
      await mayOrRefuse(house, person, 'view', 'see a restore')
      return restoreView(house)
    },
    acceptRestore: (person, reason) => acceptRestore(house, person, reason),
    rights: (person) => rightsOf(house, person),
    mayReadEntries: (person) => mayOrRefuse(house, person, 'export', 'read entries'),
    async policy(person) {
      await mayOrRefuse(house, person, 'view', 'see the policy')
      const { digest, texts, roles, actions } = house.policy()
      return {
        digest,
        roles: [...roles.keys()],
        actions: [...actions.keys()],
        invalid: house.invalidPolicy?.() ?? null,
        files: texts.map(({ path, text }) => ({ path, text })),
        switches: await switchPositions(house),
      }
    },
  }
}

function exportOf(call: Call): CallExport {
  const { id, action, role, requester, session, key, summary, cost, because, approvals, detail, evidence, entry } = call
  return {
    call: id,
    at: new Date(call.created_at).toISOString(),
    updated_at: new Date(call.updated_at).toISOString(),
    action,
    role,
    requester,
    session,
    key,
    status: statusOf(call.state),
    summary,
    amount: cost === null ? null : decimalOf(cost),
    currency: cost?.unit ?? null,
    because,
    approved_by: approvals.map(({ person }) => person),
    detail,
    evidence,
    entry,
    acting_for: actingForOf(call.principal),
  }
}

function summaryOf(call: Call): CallSummary {
  return {
    call: call.id,
    at: new Date(call.created_at).toISOString(),
    action: call.action,
    role: call.role,
    session: call.session,
    requester: call.requester,
    acting_for: actingForOf(call.principal),
    status: statusOf(call.state),
    state: call.state,
    summary: call.summary,
    cost: call.cost === null ? null : { ...call.cost, text: formatAmount(call.cost) },
    because: call.because,
    need: call.need.map(({ line, count, of, have, passkey }) => ({
      line,
      count,
      of,
      have,
      ...(passkey ? { passkey } : {}),
    })),
    expires_at: call.state !== 'held' || call.expires_at === null ? null : new Date(call.expires_at).toISOString(),
  }
}

async function storyOf(house: House, call: Call): Promise<CallStory> {
  const bodies = await house.store.bodies(call.id)
  const session = await house.store.session(call.session)
  const parsed = (text: string | null | undefined): Json => (text == null ? null : (JSON.parse(text) as Json))
  const now = house.clock.now()
  return {
    ...summaryOf(call),
    card: call.card,
    facts: parsed(bodies?.facts) as JsonObject | null,
    agent_says: parsed(bodies?.input) as JsonObject | null,
    backend: call.backend,
    session_since: session === null ? null : new Date(session.issued_at).toISOString(),
    will_send: parsed(bodies?.request),
    undo: house.policy().actions.get(call.action)?.undo ?? 'none',
    output: parsed(bodies?.output),
    evidence: call.evidence,
    approvals: call.approvals.map(({ person, name, at, passkey }) => ({
      person,
      name,
      at: new Date(at).toISOString(),
      ...(passkey === undefined ? {} : { passkey: passkey.credential }),
    })),
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

/** What people have set, and why. */
async function switchPositions(house: House): Promise<JsonObject[]> {
  const { positions } = await house.store.switchesNow()
  return Object.entries(positions).map(([name, { on, reason, person, at }]) => {
    return { name, on, reason, person, at: new Date(at).toISOString() }
  })
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

/** A grant that nobody asks for is one that can go. */
async function roleUses(house: House): Promise<RoleUse[]> {
  const { roles, actions } = house.policy()
  const uses: RoleUse[] = []
  for (const [role, { grants }] of roles) {
    const names = [...grants.keys()].sort()
    const last = await house.store.lastUses(role, names)
    const views = names.map((action) => {
      const at = last.get(action)
      const last_at = at === undefined ? null : new Date(at).toISOString()
      return { action, effect: actions.get(action)?.effect ?? 'read', last_at }
    })
    uses.push({ role, grants: views })
  }
  return uses
}
