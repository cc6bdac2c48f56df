import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../simulation/random.ts'
import type { RacingBank } from './bank.ts'
import { personToken } from './gates.ts'
import type { Gate, Gates } from './gates.ts'

/** What a person's click, or an agent's request, was answered; status 0: no answer came. */
export interface Answer {
  readonly status: number
  // A trial reads bodies as it likes.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
}

/** A click that somebody made about a call, for the reckoning with `approval.refused`. */
export interface Click {
  readonly call: string
  /** `demo:dana`. */
  readonly person: string
  readonly status: number
  readonly code: string | null
}

/** A held call that is raced about. */
export interface Held {
  readonly id: string
  readonly charge: string
  readonly card: string
  readonly session: string
  readonly expires_at: number
  /** Its agent's token. */
  readonly token: string
}

/** One run: the gateways, the chance, and everything that was clicked. */
export interface Track {
  readonly gates: Gates
  readonly bank: RacingBank
  readonly random: Random
  readonly clicks: Click[]
  /** A click is made of whoever has decided, at any gateway. */
  approve(
    person: string,
    call: Pick<Held, 'id' | 'card'>,
    more?: { readonly at?: Gate; readonly card?: string },
  ): Promise<Answer>
  reject(person: string, call: Pick<Held, 'id'>): Promise<Answer>
  cancel(call: Held): Promise<Answer>
  admin(person: string, method: string, path: string, body?: unknown): Promise<Answer>
  /** Calls of one session that people must decide about, as many as said. */
  hold(many: number, asked?: Asked): Promise<Held[]>
  /** A session's token. */
  session(role: string): Promise<string>
  /** As people see it now. */
  story(id: string): Promise<Answer['body']>
  /** Once it is neither running nor in doubt. */
  rested(id: string): Promise<Answer['body']>
  /** Waits a moment of this length at most, another one each time. */
  moment(most_ms: number): Promise<void>
}

export interface Asked {
  readonly role?: string
  /** 60.00 unless said: one of finance. Above 100.00 two. */
  readonly amount?: number
  /** The account that asks, and the person acted for. */
  readonly as?: string
  readonly behalf?: string
}

export function startTrack(gates: Gates, bank: RacingBank, random: Random): Track {
  const clicks: Click[] = []
  const any = (): Gate => random.pick(gates.all)
  const click = async (
    person: string,
    verb: string,
    call: Pick<Held, 'id'>,
    body: unknown,
    at = any(),
  ): Promise<Answer> => {
    const token = await personToken(at.adminUrl, person)
    const answer = await ask(`${at.adminUrl}/admin/v1/calls/${call.id}/${verb}`, 'POST', token, body)
    clicks.push({ call: call.id, person: `demo:${person}`, status: answer.status, code: answer.body?.code ?? null })
    return answer
  }
  const admin = async (person: string, method: string, path: string, body?: unknown): Promise<Answer> => {
    const { adminUrl } = any()
    return ask(`${adminUrl}${path}`, method, await personToken(adminUrl, person), body)
  }
  const story = async (id: string): Promise<Answer['body']> => {
    const { status, body } = await admin('dana', 'GET', `/admin/v1/calls/${id}`)
    if (status !== 200) throw new Error(`no story of ${id}: ${status} ${JSON.stringify(body)}`)
    return body
  }
  return {
    gates,
    bank,
    random,
    clicks,
    approve: (person, call, { at, card = call.card } = {}) => click(person, 'approve', call, { card }, at),
    reject: (person, call) => click(person, 'reject', call, { reason: 'not this one' }),
    cancel: (call) => ask(`${any().agentUrl}/v1/calls/${call.id}/cancel`, 'POST', call.token),
    admin,
    story,
    async rested(id) {
      for (let tries = 0; tries < 1500; tries++) {
        const found = await story(id)
        if (found.status !== 'running' && found.status !== 'unknown') return found
        await sleep(10)
      }
      throw new Error(`${id} does not come to rest`)
    },
    async hold(many, { role = 'agent', amount = 6000, as = 'bot', behalf } = {}) {
      const token = await sessionToken(any(), role, as, behalf)
      const one = async (): Promise<Held> => {
        const charge = `ch_${randomUUID().replaceAll('-', '')}`
        const { agentUrl } = any()
        const asked = await ask(`${agentUrl}/v1/actions/pay.refund`, 'POST', token, { charge, amount }, charge)
        if (asked.status !== 202 || asked.body.status !== 'held')
          throw new Error(`not held: ${asked.status} ${JSON.stringify(asked.body)}`)
        const { card, session } = await story(asked.body.call)
        const expires_at = Date.parse(asked.body.expires_at)
        return { id: asked.body.call, charge, card, session, expires_at, token }
      }
      return Promise.all(Array.from({ length: many }, one))
    },
    session: (role) => sessionToken(any(), role, 'bot', undefined),
    moment: (most_ms) => sleep(random.next() * most_ms),
  }
}

/** @param behalf the person acted for. */
async function sessionToken(
  { agentUrl, adminUrl }: Gate,
  role: string,
  account: string,
  behalf: string | undefined,
): Promise<string> {
  const type = 'urn:ietf:params:oauth:token-type:jwt'
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: await personToken(adminUrl, account),
    subject_token_type: type,
    scope: `role:${role}`,
  })
  if (behalf !== undefined) {
    form.set('actor_token', await personToken(adminUrl, behalf))
    form.set('actor_token_type', type)
  }
  const answer = await fetch(`${agentUrl}/oauth/token`, { method: 'POST', body: form })
  const body = (await answer.json()) as { access_token?: string }
  if (body.access_token === undefined) throw new Error(`no session of ${role}: ${JSON.stringify(body)}`)
  return body.access_token
}

export async function ask(url: string, method: string, token: string, body?: unknown, key?: string): Promise<Answer> {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(key === undefined ? {} : { 'idempotency-key': key }),
  }
  try {
    const response = await fetch(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: await response.json() }
  } catch {
    // The gateway was just stopped.
    return { status: 0, body: null }
  }
}
