import { randomUUID } from 'node:crypto'
import { openReader } from '../../../gateway/store/open-reader.ts'
import type { Reader } from '../../../gateway/store/db.ts'
import { keystay } from '../../cli/keystay.ts'
import { randomFrom } from '../../simulation/random.ts'
import { chargeOf, startRacingBank } from '../races/bank.ts'
import type { Answer as Said, Sent } from '../races/bank.ts'
import { openGates } from '../races/gates.ts'
import { judge } from '../races/oracle.ts'
import { ask, startTrack } from '../races/track.ts'
import type { Answer, Track } from '../races/track.ts'
import { FACTS, own, POLICY } from './alter.ts'
import { BEFORE, filesOf, IDENTITY } from './documents.ts'
import type { Documents } from './documents.ts'
import { digestOf, expected, factsOf, requestOf, shownOf } from './oracle.ts'
import type { Asked, Expected, Now, Shown } from './oracle.ts'

export interface Changes {
  readonly store: 'sqlite' | 'postgres'
  readonly changes: number
  readonly seed: number
  /** Of a thousand clicks so many are made by the command line. */
  readonly clients?: number
  /** Calls that one change of the documents meets; of each the facts change too, or not. */
  readonly at_once?: number
  readonly said?: (line: string) => void
}

export interface Changed {
  /** What was changed → what came of it → how often. */
  readonly came: ReadonlyMap<string, ReadonlyMap<string, number>>
  readonly calls: number
  readonly clicks: number
  /** Requests whose bytes had the digest of the card that was approved. */
  readonly bytes: number
  readonly wrong: readonly string[]
}

interface Held extends Asked {
  readonly token: string
  readonly session: string
  card: string
  expires_at: number
  shown: Shown
  facts: Said
  /** What they change to, and how that is called. */
  readonly after: Said
  readonly what: string
  /** Who has said yes to the card that stands. */
  yes: string[]
}

/**
 * After the card was shown and before somebody says yes to it, something changes. The oracle knows from the documents what
 * must come of it; the backend's bytes are held against the card.
 */
export async function change({
  store,
  changes,
  seed,
  clients = 0,
  at_once = 40,
  said = () => {},
}: Changes): Promise<Changed> {
  process.env['KEYSTAY_TEST_OTHER'] = 'sk_test_AnotherNobodyMaySee0123456789'
  const bank = await startRacingBank(0)
  const random = randomFrom(seed)
  const files = (documents: Documents) => filesOf(documents, bank.url)
  const first = Object.fromEntries(Object.entries(files(BEFORE)).map(([path, text]) => [path, text ?? '']))
  const gates = await openGates({ store, processes: false, files: { ...first, 'identity.yaml': IDENTITY } })
  const track = startTrack(gates, bank, random)
  const reader = openReader(gates.store)
  const came = new Map<string, Map<string, number>>()
  const wrong: string[] = []
  const so = { bytes: 0, changes: 0, calls: 0 }
  const count = (what: string, kind: string): void => {
    const of = came.get(what) ?? new Map<string, number>()
    came.set(what, of.set(kind, (of.get(kind) ?? 0) + 1))
    so.changes++
  }
  try {
    for (let round = 0; so.changes < changes; round++) {
      // Every third time the facts alone.
      const [name, alter] = (round % 3 === 2 ? POLICY[0] : POLICY[round % POLICY.length]) ?? ['nothing', () => ({})]
      const documents: Documents = { ...BEFORE, ...alter(random) }
      const held = await hold(track, at_once)
      so.calls += held.length
      for (const call of held) {
        // Each other time one of two has said yes already.
        if (call.shown.need[0]?.count === 2 && random.chance(0.5)) await firstYes(track, call)
      }
      if (name !== 'nothing') await gates.policy(differing(files(BEFORE), files(documents)))
      const [revoked, frozen, incident] = [round % 7 === 3, round % 7 === 5, round % 7 === 6]
      const ended = new Set<string>()
      for (const session of new Set(held.map((call) => call.session))) {
        if (revoked && random.chance(0.5)) {
          await track.admin('sam', 'POST', `/admin/v1/sessions/${session}/revoke`, {})
          ended.add(session)
        } else if (random.chance(0.2)) {
          const token = held.find((call) => call.session === session)?.token ?? ''
          await ask(`${track.gates.all[0]?.agentUrl}/v1/session`, 'DELETE', token)
        }
      }
      const switches = async (on: boolean): Promise<void> => {
        const set = { on, reason: 'we look at something' }
        if (frozen) await track.admin('sam', 'PUT', '/admin/v1/switches/action:pay.refund', set)
        if (incident) await track.admin('sam', 'PUT', '/admin/v1/switches/incident', set)
      }
      await switches(true)
      const now = (call: Held, isOver: boolean): Now => ({
        documents,
        facts: factsOf(call.facts),
        frozen: frozen && !isOver,
        incident: incident && !isOver,
        revoked: ended.has(call.session),
        used: (customer, unit) => (unit === 'USD' ? usesOf(customer) * 4500 : 0),
      })
      const clicked = async (call: Held, isOver: boolean): Promise<string> => {
        const byClient = random.below(1000) < clients
        const want = expected(call, call.shown, now(call, isOver))
        const problem = await click({ track, call, want, byClient, isFrozen: frozen && !isOver })
        if (problem !== null) wrong.push(`${name}, ${call.what}: ${problem}`)
        return want.kind
      }
      await Promise.all(
        held.map(async (call) => {
          call.facts = call.after
          bank.set(call.charge, call.facts)
          const kind = await clicked(call, false)
          count(name === 'nothing' ? `facts: ${call.what}` : `policy: ${name}`, kind)
        }),
      )
      await switches(false)
      // What still waits is decided now, by what stands: a card that is new, facts that can be had again.
      for (let turn = 0; turn < 6; turn++) {
        await Promise.all(
          held.map(async (call) => {
            if (!(await isHeld(track, call))) return
            if (factsOf(call.facts).kind === 'none') {
              call.facts = chargeOf(call.charge, own(call.charge))
              bank.set(call.charge, call.facts)
            }
            await clicked(call, true)
          }),
        )
      }
      for (const call of held) {
        if (await isHeld(track, call)) await track.reject('omar', { ...call, id: call.call })
        const sent = bank.sent.filter((one) => one.call === call.call)
        if (sent.length > 0) {
          const problem = await bytesOf(reader, call, sent)
          if (problem === null) so.bytes++
          else wrong.push(`${name}, ${call.what}: ${problem}`)
        }
      }
      if (name !== 'nothing') await gates.policy(differing(files(documents), files(BEFORE)))
      said(
        `${round}: ${name}${frozen ? ', frozen' : ''}${incident ? ', incident' : ''}, ${so.changes} of ${changes}, ${wrong.length} wrong`,
      )
    }
    await reader.close()
    await gates.stop()
    const judged = await judge(gates.store, bank, track.clicks, { quorum: false })
    return { came, calls: so.calls, clicks: track.clicks.length, bytes: so.bytes, wrong: [...wrong, ...judged.wrong] }
  } finally {
    await gates.close()
    await bank.close()
  }
}

/** So many refunds of 45.00 USD have been done for this customer. */
function usesOf(customer: unknown): number {
  return { some: 2, full: 6 }[/^cus_(some|full)_/.exec(String(customer))?.[1] ?? ''] ?? 0
}

/** The customer of the facts that a call will have has used what its name says. */
async function useBudget(track: Track, token: string, said: Said): Promise<void> {
  const facts = factsOf(said)
  const customer = facts.kind === 'charge' ? facts.charge.customer : null
  for (let n = 0; n < usesOf(customer); n++) {
    const charge = `ch_${randomUUID().replaceAll('-', '')}`
    track.bank.set(charge, chargeOf(charge, { customer }))
    const url = `${track.gates.all[0]?.agentUrl}/v1/actions/pay.refund`
    const { status } = await ask(url, 'POST', token, { charge, amount: 4500 }, charge)
    if (status !== 200) throw new Error(`a refund of nobody's concern: ${status}`)
  }
}

async function hold(track: Track, many: number): Promise<Held[]> {
  const sessions = await Promise.all(Array.from({ length: Math.ceil(many / 8) }, () => track.session('agent')))
  return Promise.all(
    Array.from({ length: many }, async (_, at): Promise<Held> => {
      const charge = `ch_${randomUUID().replaceAll('-', '')}`
      const amount = track.random.between(5001, 15_000)
      const facts = chargeOf(charge, own(charge))
      track.bank.set(charge, facts)
      const token = sessions[at % sessions.length] ?? ''
      const gate = track.random.pick(track.gates.all)
      const { status, body } = await ask(
        `${gate.agentUrl}/v1/actions/pay.refund`,
        'POST',
        token,
        { charge, amount },
        charge,
      )
      if (status !== 202) throw new Error(`not held: ${status} ${JSON.stringify(body)}`)
      const asked = { call: body.call as string, charge, amount }
      const shown = shownOf(asked, BEFORE, { amount: 20_000, amount_refunded: 0, currency: 'usd', ...own(charge) })
      if (shown === null) throw new Error('the oracle has no card')
      const { card, session } = await track.story(asked.call)
      const [what, change] = track.random.pick(FACTS)
      const after = change(charge, track.random)
      await useBudget(track, token, after)
      const expires_at = Date.parse(body.expires_at)
      return { ...asked, token, session, card, expires_at, shown, facts, after, what, yes: [] }
    }),
  )
}

async function firstYes(track: Track, call: Held): Promise<void> {
  const { status } = await track.approve('ada', { ...call, id: call.call })
  if (status !== 200) throw new Error(`the first yes: ${status}`)
  call.yes.push('ada')
}

async function isHeld(track: Track, { call }: Held): Promise<boolean> {
  return (await track.story(call)).status === 'held'
}

interface Click {
  readonly track: Track
  readonly call: Held
  readonly want: Expected
  readonly byClient: boolean
  readonly isFrozen: boolean
}

/** Somebody who has not yet says yes to the card as they saw it. @returns what is wrong with what came of it. */
async function click({ track, call, want, byClient, isFrozen }: Click): Promise<string | null> {
  const before = { card: call.card, yes: [...call.yes] }
  const person = ['omar', 'ada'].find((one) => !call.yes.includes(one)) ?? 'dana'
  const held = { ...call, id: call.call }
  const answer = byClient ? await clientYes(track, call, person) : await track.approve(person, held)
  const story = await track.rested(call.call)
  const said = `${want.kind} was to come of it, and ${answer.status} ${answer.body?.code ?? answer.body?.status ?? ''}, now ${story.status}`
  const as = (status: number, code: string, now: string): boolean =>
    answer.status === status && (answer.body.code ?? answer.body.status) === code && story.status === now
  const effects = track.bank.effects(call.call)
  if (effects !== (story.status === 'done' ? 1 : 0)) return `${effects} effects, ${said}`
  switch (want.kind) {
    case 'cancelled':
      // A role that is gone denies, or a freeze refuses, where its sessions end a moment later.
      if (as(200, 'denied', 'denied') || (isFrozen && as(403, 'frozen', 'cancelled'))) return null
      return as(409, 'cancelled', 'cancelled') ? null : said
    case 'denied':
      return as(200, 'denied', 'denied') ? null : said
    case 'unavailable':
      if (!as(503, 'backend_unavailable', 'held')) return said
      return story.card === before.card && story.approvals.length === before.yes.length
        ? null
        : `the card changed: ${said}`
    case 'frozen':
      return as(403, 'frozen', 'held') && story.card === before.card ? null : said
    case 'passkey':
      return as(403, 'passkey_required', 'held') && story.card === before.card ? null : said
    case 'afresh': {
      if (!as(409, 'card_changed', 'held')) return said
      const again = await track.approve(person, held)
      if (again.body.code !== 'card_changed') return `the old card was taken: ${again.status} ${again.body.code}`
      Object.assign(call, { card: story.card, expires_at: Date.parse(story.expires_at), shown: want.shown, yes: [] })
      if (story.card === before.card || story.approvals.length > 0) return `an old yes or an old card: ${said}`
      return sameCard(call, story)
    }
    case 'counts': {
      call.yes.push(person)
      const most = Math.max(0, ...want.shown.need.map(({ count }) => count))
      const now = call.yes.length >= most ? 'done' : 'held'
      if (!as(200, now, now)) return said
      const facts = factsOf(call.facts)
      const kept = facts.kind === 'charge' ? { id: idOf(call), ...facts.charge } : null
      return JSON.stringify(story.facts?.charge) === JSON.stringify(kept)
        ? null
        : `other facts were recorded: ${JSON.stringify(story.facts)}`
    }
  }
}

function idOf({ facts }: Held): unknown {
  return (JSON.parse(facts.text) as { id?: unknown }).id ?? null
}

/** The card that people see is the one that the documents make. */
function sameCard({ shown }: Held, story: Answer['body']): string | null {
  const need = story.need.map(({ line, count, of }: Shown['need'][number]) => [line, count, of])
  const wanted = shown.need.map(({ line, count, of }) => [line, count, of])
  const { unit, amount } = story.cost
  const seen = JSON.stringify([story.will_send, { unit, amount }, need])
  return seen === JSON.stringify([shown.request, shown.cost, wanted]) ? null : `another card is shown: ${seen}`
}

/** By `keystay approvals approve`, which shows the card and sends what it has shown. */
async function clientYes(track: Track, { call }: Held, person: string): Promise<Answer> {
  const { adminUrl } = track.random.pick(track.gates.all)
  const ran = await keystay(['approvals', 'approve', call, '--as', person, '--admin-url', adminUrl, '--json'])
  if (ran.exit === 0 || ran.out.includes('"status":"held"') || ran.out.includes('"status":"denied"'))
    return { status: 200, body: JSON.parse(ran.out) }
  // It asks about no call that waits for nobody.
  const over = /Nothing to approve: the call is (\w+)/.exec(ran.out + ran.err)?.[1]
  if (over !== undefined) return { status: 409, body: { code: over } }
  const code = /\((\w+)\)\W*$/.exec(ran.err)?.[1] ?? /"code":"(\w+)"/.exec(ran.out)?.[1] ?? null
  const status = { card_changed: 409, cancelled: 409, frozen: 403, passkey_required: 403, backend_unavailable: 503 }[
    code ?? ''
  ]
  track.clicks.push({ call, person: `demo:${person}`, status: status ?? 0, code })
  return { status: status ?? 0, body: { code, err: ran.err } }
}

/** What the backend got has the digest of the card that was approved last. */
async function bytesOf(reader: Reader, call: Held, sent: readonly Sent[]): Promise<string | null> {
  const [row] = await reader.all<{ salt: string }>('SELECT salt FROM bodies WHERE call = $1', [call.call])
  const rows = await reader.all<{ bytes: string }>('SELECT bytes FROM entries WHERE call = $1 ORDER BY idx', [
    call.call,
  ])
  const entries = rows.map(({ bytes }) => JSON.parse(bytes) as { kind: string; card?: string; expires_at?: string })
  const approved = entries.findLast(({ kind }) => kind === 'call.approved')?.card
  for (const one of sent) {
    const digest = digestOf(
      { ...call.shown, request: requestOf(one), call: call.call, expires_at: call.expires_at },
      row?.salt ?? '',
    )
    if (digest !== call.card || digest !== approved)
      return `the bytes ${one.method} ${one.url} ${one.body.toString()} are not what was approved`
  }
  return null
}

function differing(
  before: { readonly [path: string]: string | null },
  after: { readonly [path: string]: string | null },
): { [path: string]: string | null } {
  return Object.fromEntries(Object.entries(after).filter(([path, text]) => before[path] !== text))
}
