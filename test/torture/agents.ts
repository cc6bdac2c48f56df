import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer, Client } from './client.ts'
import { AGENTS } from './company.ts'
import type { Evidence } from './evidence.ts'
import type { Random } from './random.ts'
import { saidBy } from './wanted.ts'
import type { Wanted } from './wanted.ts'

/** Requests that may wait at once, over all agents. */
const ASKING_MAX = 260

export interface Agents {
  readonly wanted: readonly Wanted[]
  /** No new wishes; what was asked for is asked for until it is known. */
  finish(): void
  /** How many requests do not know yet. */
  asking(): number
  /** No more questions at all. */
  giveUp(): void
  /** Asks once more for some of what has ended. @returns how many were not told the same again. */
  askAgain(most: number): Promise<number>
}

/** The agents: each wants one thing after the other, and asks for most of them several times at once and again later. */
export function startAgents(client: Client, random: Random, evidence: Evidence): Agents {
  const wanted: Wanted[] = []
  const now = { finishing: false, givenUp: false }
  let asking = 0

  async function live(number: number): Promise<void> {
    const account = `bot-${number}`
    for (let turn = 1; !now.finishing; turn++) {
      if (asking >= ASKING_MAX) {
        await sleep(50)
        continue
      }
      const wish = wishOf(account, turn)
      wanted.push(wish)
      const first = Promise.race(Array.from({ length: manyOf() }, () => pursue(wish)))
      if (random.chance(0.25)) void later(wish)
      await Promise.race([first, sleep(2000)])
      await sleep(random.spread(10, 300))
    }
  }

  /** All agents use the same keys; a key of an agent now and then names two actions. */
  function wishOf(account: string, turn: number): Wanted {
    const action = random.weighed<Wanted['action']>({ 'pay.refund': 45, 'shop.order': 40, 'blind.note': 15 })
    const key = `k${turn}`
    const number = Math.floor(wanted.length / 30)
    const pot = `${action === 'pay.refund' ? 'p' : 's'}-${Math.max(0, number - random.integer(0, 2))}`
    const many = random.chance(0.1)
    const amount =
      action === 'shop.order' ? random.integer(1, 12) : many ? random.integer(2500, 9000) : random.integer(100, 2500)
    const ref = `${account}.${action}.${key}`
    return { ref, account, action, key, pot, amount, told: new Set(), outputs: new Set(), asking: 0 }
  }

  /** How many ask for the same thing at the same time. */
  function manyOf(): number {
    const shape = random.weighed({ one: 45, few: 30, some: 21, many: 3.5, crowd: 0.5 })
    if (shape === 'one') return 1
    if (shape === 'few') return random.integer(2, 5)
    if (shape === 'some') return random.integer(6, 20)
    return shape === 'many' ? random.integer(30, 80) : 200
  }

  async function later(wish: Wanted): Promise<void> {
    await sleep(random.spread(200, 20_000))
    await Promise.all(Array.from({ length: random.integer(1, 3) }, () => pursue(wish)))
  }

  /** One request of an agent: it asks under the same key until it knows. */
  async function pursue(wish: Wanted): Promise<void> {
    wish.asking++
    asking++
    // Now and then somebody uses the key for something else.
    const amount = random.chance(0.03) ? wish.amount + 1 : wish.amount
    let held = ''
    try {
      for (let tries = 0; !now.givenUp; tries++) {
        if (tries > 0) await sleep(random.spread(100, Math.min(2000, 100 * 2 ** tries)))
        const answer = await (held === '' ? post(wish, amount) : look(wish, held))
        const said = saidBy(answer)
        tell(wish, answer, said)
        if (said.final) return
        held = said.state === 'held' && random.chance(0.6) ? said.call : ''
        if (said.state === 'held' && random.chance(0.02)) await cancel(wish, said.call)
      }
    } finally {
      wish.asking--
      asking--
    }
  }

  async function post(wish: Wanted, amount: number, patience_ms?: number): Promise<Answer> {
    const session = await client.session(wish.account)
    if (session === undefined) return { status: 0, body: {} }
    const input = { ref: wish.ref, pot: wish.pot, amount }
    const headers = { 'idempotency-key': wish.key, ...(random.chance(0.2) ? { prefer: 'wait=3' } : {}) }
    const limit_ms = patience_ms ?? (random.chance(0.04) ? random.spread(1, 300) : undefined)
    const answer = await client.post(`/v1/actions/${wish.action}`, session.token, input, headers, limit_ms)
    evidence.count(answer.status === 0 ? 'calls without an answer' : 'calls')
    if (answer.status === 401) await client.session(wish.account, session.token)
    return answer
  }

  async function look(wish: Wanted, call: string): Promise<Answer> {
    const session = await client.session(wish.account)
    if (session === undefined) return { status: 0, body: {} }
    const answer = await client.get(`/v1/calls/${call}?wait=2`, session.token)
    if (answer.status === 401) await client.session(wish.account, session.token)
    if (answer.status === 404) wish.told.add(`no_such_call ${call}`)
    return answer
  }

  async function cancel(wish: Wanted, call: string): Promise<void> {
    const session = await client.session(wish.account)
    if (session !== undefined) await client.post(`/v1/calls/${call}/cancel`, session.token, {}, {})
  }

  function tell(wish: Wanted, { status, body }: Answer, { state, call, final }: ReturnType<typeof saidBy>): void {
    evidence.note('answers', { ref: wish.ref, status, state, call })
    if (status !== 0) evidence.count(`told ${state}`)
    if (status === 500) evidence.count('answers 500')
    if (final || state === 'not_sent') wish.told.add(`${state} ${call}`)
    if (state === 'done' && body.output !== undefined) wish.outputs.add(JSON.stringify(body.output))
  }

  async function askAgain(most: number): Promise<number> {
    const KEPT = /^(?:done|refused|cancelled|rejected) /
    const ended = wanted.filter(({ told }) => [...told].some((one) => KEPT.test(one)))
    let different = 0
    for (let left = Math.min(most, ended.length); left > 0; left--) {
      const wish = random.pick(ended)
      const before = [...wish.told].find((one) => KEPT.test(one))
      for (const said of await Promise.all([toldAgain(wish), toldAgain(wish)])) {
        if (said !== 'key_reused' && said !== before) different++
      }
    }
    return different
  }

  async function toldAgain(wish: Wanted): Promise<string> {
    for (let tries = 0; tries < 10; tries++) {
      const answer = await post(wish, wish.amount, 12_000)
      const said = saidBy(answer)
      tell(wish, answer, said)
      if (said.final) return said.state === 'key_reused' ? said.state : `${said.state} ${said.call}`
      await sleep(100)
    }
    return 'nothing'
  }

  for (let number = 0; number < AGENTS; number++) void live(number)
  return {
    wanted,
    finish: () => void (now.finishing = true),
    asking: () => asking,
    giveUp: () => void (now.givenUp = true),
    askAgain,
  }
}
