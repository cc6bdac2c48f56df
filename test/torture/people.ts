import { setTimeout as sleep } from 'node:timers/promises'
import type { Backends } from './backends.ts'
import type { Client } from './client.ts'
import { AGENTS, TIMES } from './company.ts'
import type { Evidence } from './evidence.ts'
import type { Random } from './random.ts'

/** From when on nothing of this session, or of this action, may begin at a backend; wall clock, ms. */
export interface Stop {
  readonly what: { readonly session: string } | { readonly action: string }
  readonly from: number
  /** Infinity: for good. */
  until: number
}

export interface People {
  readonly stops: readonly Stop[]
  /** No more revocations and freezes; what is held is still decided. */
  calm(): Promise<void>
  /** How many calls wait for people or are under way; null when nobody could say. */
  open(): Promise<{ readonly [status: string]: number } | null>
  finish(): void
}

/** People who approve and reject, two at once now and then; who settle what nobody else can; who revoke and freeze. */
export function startPeople(client: Client, backends: Backends, random: Random, evidence: Evidence): People {
  const stops: Stop[] = []
  const firstSeen = new Map<string, number>()
  const now = { calm: false, finished: false }

  const list = async (status: string): Promise<readonly { readonly call: string }[] | null> => {
    const { status: code, body } = await client.person('dana', 'GET', `/admin/v1/calls?status=${status}&limit=100`)
    return code === 200 ? (body['calls'] as { readonly call: string }[]) : null
  }

  async function decide(): Promise<void> {
    while (!now.finished) {
      const held = (await list('held')) ?? []
      await Promise.all(held.slice(0, 12).map(({ call }) => decideOne(call)))
      await sleep(held.length > 12 ? 50 : 400)
    }
  }

  async function decideOne(call: string): Promise<void> {
    const how = random.weighed({ yes: 60, yes_twice: 15, both: 10, no: 8, wait: now.calm ? 0 : 7 })
    if (how === 'wait') return
    const story = await client.person('dana', 'GET', `/admin/v1/calls/${call}`)
    const { card } = story.body
    if (typeof card !== 'string') return
    const yes = (who: string) => say(who, call, 'approve', { card })
    const no = () => say('omar', call, 'reject', { reason: 'not this one' })
    if (how === 'yes') await yes(random.pick(['dana', 'omar']))
    if (how === 'yes_twice') await Promise.all([yes('dana'), yes('omar'), yes('dana')])
    if (how === 'both') await Promise.all([yes('dana'), no()])
    if (how === 'no') await no()
  }

  async function say(who: string, call: string, verb: string, body: object): Promise<void> {
    const answer = await client.person(who, 'POST', `/admin/v1/calls/${call}/${verb}`, body)
    evidence.note('people', { who, verb, call, body, status: answer.status, code: answer.body.code })
    evidence.count(`people ${verb}`)
    if (answer.status === 500) evidence.count('answers 500')
  }

  /** Two of them look at the backend once nothing can land there any more, and say what they see; some are left alone. */
  async function settle(): Promise<void> {
    const later_ms = 3 * (TIMES.timeout_ms + TIMES.lands_within_ms)
    while (!now.finished) {
      await sleep(1000)
      for (const { call } of (await list('needs_human')) ?? []) {
        const seen = firstSeen.get(call) ?? Date.now()
        firstSeen.set(call, seen)
        if (Date.now() - seen < later_ms || call.endsWith('7')) continue
        const outcome = (await backends.blindEffectsOf(call)) > 0 ? 'done' : 'refused'
        await Promise.all(['dana', 'omar'].map((who) => say(who, call, 'settle', { outcome, reason: 'we looked' })))
      }
    }
  }

  async function revoke(): Promise<void> {
    while (!now.calm) {
      await sleep(random.spread(300, 4000))
      const account = `bot-${random.integer(0, AGENTS - 1)}`
      const session = (await client.session(account))?.session
      if (session === undefined || now.calm) continue
      const { status } = await client.person('sam', 'POST', `/admin/v1/sessions/${session}/revoke`, {})
      if (status !== 200) continue
      stops.push({ what: { session }, from: Date.now(), until: Number.POSITIVE_INFINITY })
      evidence.count('revocations')
    }
  }

  async function freeze(): Promise<void> {
    while (!now.calm) {
      await sleep(random.spread(4000, 20_000))
      if (now.calm) return
      const action = random.pick(['pay.refund', 'shop.order', 'blind.note'])
      const name = random.chance(0.3) ? 'all' : random.chance(0.3) ? 'role:agent' : `action:${action}`
      const frozen = await client.person('sam', 'PUT', `/admin/v1/switches/${name}`, { on: true, reason: 'a test' })
      const from = Date.now()
      if (frozen.status === 200) {
        await sleep(random.spread(800, 3000))
        stops.push({ what: { action: name.startsWith('action:') ? action : '*' }, from, until: Date.now() })
        evidence.count('freezes')
      }
      // Whatever became of the question: it is thawed again, for certain.
      while (
        (await client.person('sam', 'PUT', `/admin/v1/switches/${name}`, { on: false, reason: 'over' })).status !== 200
      )
        await sleep(200)
    }
  }

  const unrest = Promise.all([revoke(), freeze()])
  void decide()
  void settle()
  return {
    stops,
    async calm() {
      now.calm = true
      await unrest
    },
    async open() {
      const open: { [status: string]: number } = {}
      for (const status of ['held', 'running', 'unknown', 'needs_human']) {
        const calls = await list(status)
        if (calls === null) return null
        open[status] = calls.length
      }
      return open
    },
    finish: () => void (now.finished = true),
  }
}
