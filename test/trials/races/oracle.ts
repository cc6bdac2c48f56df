import { auditCallStates } from '../../../gateway/store/call-audit.ts'
import { auditLimits } from '../../../gateway/store/limit-audit.ts'
import { openReader } from '../../../gateway/store/open-reader.ts'
import { verifyStore } from '../../../gateway/store/verify.ts'
import type { RacingBank } from './bank.ts'
import type { Click } from './track.ts'

interface Entry {
  readonly id: string
  readonly at: string
  readonly kind: string
  readonly call?: string
  readonly session?: string
  readonly person?: string
  readonly groups?: readonly string[]
  readonly card?: string
  readonly code?: string
  readonly outcome?: string
  readonly attempt?: number
  readonly expires_at?: string
  readonly need?: readonly { readonly count: number; readonly of: string }[]
  readonly requester?: string
  readonly acting_for?: string | null
}

/** Who is in which group, as the policy of the races has it. */
const FINANCE = new Set(['demo:dana', 'demo:omar', 'demo:ada', 'demo:lee'])
const OWNERS = new Set(['demo:lee'])
/** Nothing follows after one of these; `call.settled` and `call.reconciled` are by their outcome. */
const FINAL = ['call.settled', 'call.reconciled', 'call.rejected', 'call.expired', 'call.cancelled', 'call.denied']

export interface Judged {
  readonly calls: number
  readonly entries: number
  readonly effects: number
  readonly refused: number
  readonly wrong: readonly string[]
}

/**
 * What must hold of a store whose gateways have stopped, whoever won: it reads the entries and what the backend counted,
 * and knows nothing of the code that decides.
 */
export async function judge(
  store: string,
  bank: RacingBank,
  clicks: readonly Click[],
  /** Whether each call that ran must have had the people whom its card names. */
  { quorum = true }: { readonly quorum?: boolean } = {},
): Promise<Judged> {
  const wrong: string[] = []
  const reader = openReader(store)
  try {
    const rows = await reader.all<{ bytes: string }>('SELECT bytes FROM entries ORDER BY idx')
    const entries = rows.map(({ bytes }) => JSON.parse(bytes) as Entry)
    const sessions = new Map(
      entries.filter(({ kind }) => kind === 'session.issued').map((entry) => [entry.session ?? '', entry]),
    )
    const calls = Map.groupBy(
      entries.filter(({ kind, call }) => kind.startsWith('call.') && call !== undefined),
      ({ call }) => call ?? '',
    )
    for (const [call, story] of calls) {
      const said = (what: string): void =>
        void wrong.push(`${call}: ${what} (${story.map(({ kind }) => kind).join(' ')})`)
      judgeCall(story, bank.effects(call), sessions, quorum, said)
    }
    const refusedEntries = entries.filter(({ kind, call }) => kind === 'approval.refused' && call !== undefined)
    wrong.push(...judgeClicks(clicks, refusedEntries))
    for (const call of new Set(bank.sent.map((sent) => sent.call)))
      if (!calls.has(call)) wrong.push(`${call}: an effect of which the ledger knows nothing`)

    const audits = await reader.snapshot(async (db) => ({
      limits: await auditLimits(db),
      states: await auditCallStates(db),
      held: await db.all<{ id: string; held: number }>('SELECT id, held FROM limits WHERE held <> 0'),
    }))
    wrong.push(...audits.limits.differing.map(({ name, what }) => `limit ${name}: ${what}`))
    wrong.push(...audits.states.differing.map(({ call, what }) => `${call} ${what}`))
    // Every call has ended: whatever was reserved was let go, or spent.
    wrong.push(...audits.held.map(({ id, held }) => `limit ${id} still holds ${held}`))
    wrong.push(...(await verifyStore(store)).problems.map(String))
    const effects = [...calls.keys()].reduce((sum, call) => sum + bank.effects(call), 0)
    return { calls: calls.size, entries: entries.length, effects, refused: refusedEntries.length, wrong }
  } finally {
    await reader.close()
  }
}

function judgeCall(
  story: readonly Entry[],
  effects: number,
  sessions: ReadonlyMap<string, Entry>,
  quorum: boolean,
  said: (what: string) => void,
): void {
  const finals = story.filter(({ kind }) => [...FINAL, 'call.not_sent'].includes(kind))
  if (finals.length !== 1) said(`${finals.length} ends`)
  const [end] = finals
  if (end !== undefined && story.at(-1) !== end) said('something after its end')
  const isDone = end?.outcome === 'done'
  if (effects !== (isDone ? 1 : 0)) said(`${effects} effects, and it ended ${end?.kind} ${end?.outcome ?? ''}`)

  const started = story.findIndex(({ kind }) => kind === 'call.started')
  if (story.filter(({ kind, attempt }) => kind === 'call.started' && attempt === 1).length > 1) said('started twice')
  if (started === -1) return
  const before = story.slice(0, started)
  const held = before.findLast(({ kind }) => kind === 'call.held')
  if (held === undefined) return quorum ? said('started, and nobody was asked') : undefined
  const yes = before.slice(before.indexOf(held)).filter(({ kind }) => kind === 'call.approved')
  const session = sessions.get(held.session ?? '')
  const persons = yes.map(({ person }) => person ?? '')
  if (new Set(persons).size !== persons.length) said(`one person twice: ${persons.join(', ')}`)
  for (const { person = '', card, at, groups = [] } of yes) {
    if (card !== held.card) said(`${person} said yes to another card`)
    if (at >= (held.expires_at ?? '')) said(`${person} said yes after it had expired`)
    if (!FINANCE.has(person) || OWNERS.has(person)) said(`${person} may not decide`)
    if (person === session?.requester || person === session?.acting_for) said(`${person} decided about their own call`)
    if (!groups.includes('finance')) said(`${person} was counted without the group`)
  }
  for (const { count, of } of quorum ? (held.need ?? []) : [])
    if (new Set(persons).size < count) said(`${persons.length} of ${count} of ${of}, and it started`)
}

/** Each click that was refused has its entry, and no entry is there without one. */
function judgeClicks(clicks: readonly Click[], entries: readonly Entry[]): string[] {
  const open = new Map<string, number>()
  const name = (call: string, person: string, code: string): string => `${call} ${person} ${code}`
  for (const { call, person, status, code } of clicks) {
    if (status < 400 || status >= 500) continue
    const key = name(call, person, code ?? '')
    open.set(key, (open.get(key) ?? 0) + 1)
  }
  // Whose answer was lost may have been refused: then its entry is one more.
  const lost = new Set(clicks.filter(({ status }) => status === 0).map(({ call, person }) => `${call} ${person}`))
  const wrong: string[] = []
  for (const { call = '', person = '', code = '' } of entries) {
    const key = name(call, person, code)
    const left = open.get(key) ?? 0
    if (left > 0) open.set(key, left - 1)
    else if (!lost.has(`${call} ${person}`)) wrong.push(`an entry of a refused click that nobody made: ${key}`)
  }
  for (const [key, left] of open) if (left > 0) wrong.push(`${left} refused clicks without an entry: ${key}`)
  return wrong
}
