import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * npm run agent: a scripted agent, written against the public contract alone. It holds no key of the payment processor
 * and asks for three refunds: one is done, one is denied, one waits for a person. `--no-wait` does not wait for them.
 * `--hold` is work for approvers: three refunds that wait for people, and an end. They run when somebody says yes.
 */
const GATEWAY = process.env['KEYSTAY_URL'] || 'http://127.0.0.1:8787'
const ADMIN = process.env['KEYSTAY_ADMIN_URL'] || 'http://127.0.0.1:8788'
const PAYMENTS = process.env['KEYSTAY_DEMO_PAYMENTS_URL'] || 'http://127.0.0.1:4242'

const EXIT = { failed: 1, denied: 5, unreachable: 8 }

interface Envelope {
  readonly call: string
  readonly status: string
  readonly output?: { readonly id?: string }
  readonly evidence?: { readonly approved_by?: readonly string[] }
  readonly limits: readonly { name: string; unit: string; max: number; used: number }[]
  readonly need?: readonly { count: number; of: string }[]
  readonly expires_at?: string
  readonly problem?: Problem
}
interface Problem {
  readonly code: string
  readonly detail: string
  readonly because?: readonly string[]
  readonly next?: readonly string[]
}
type Reply = { readonly envelope: Envelope } | { readonly problem: Problem }

class Stop extends Error {
  readonly exit: number
  constructor(exit: number, message: string) {
    super(message)
    this.exit = exit
  }
}

let token = ''
process.once('SIGINT', () => void endSession().finally(() => process.exit(130)))
try {
  await run()
} catch (error) {
  if (!(error instanceof Stop)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = error.exit
} finally {
  await endSession()
}

async function run(): Promise<void> {
  const session = await openSession()
  token = session.token
  print(`session ${session.id} ${session.role}, ${hours(session.expires_in)}, asked by ${session.requester}`)
  // Keys made for this run: a second run is new work, while a retry within one would not be.
  const key = (ticket: string) => `demo-${run_id}/${ticket}`
  const run_id = randomBytes(4).toString('hex')

  if (process.argv.includes('--hold')) return holdSome(key)
  const small = await refund(3000, await newCharge(9000), key('refund-1'))
  line(1, 3000, small)
  const large = await refund(90000, await newCharge(120000), key('refund-2'))
  line(2, 90000, large)
  const middle = await refund(12000, await newCharge(18000), key('refund-3'), 'Customer says item arrived broken.')
  line(3, 12000, middle)

  if ('envelope' in middle && middle.envelope.status === 'held' && !process.argv.includes('--no-wait')) {
    const began = performance.now()
    const after = await decided(middle.envelope.call)
    line(3, 12000, after, Math.round((performance.now() - began) / 1000))
  }
  if ([small, middle].some(isBudgetSpent)) throw budgetSpent()
  if ('problem' in small || 'problem' in middle)
    throw new Stop(EXIT.failed, 'That is not what this demo shows; the lines above say why.')
}

/** What an approver finds in the morning: two that one yes is enough for, and one that needs two people. */
async function holdSome(key: (ticket: string) => string): Promise<void> {
  const asked: readonly (readonly [amount: number, paid: number, note: string])[] = [
    [6000, 9000, 'Customer says item arrived broken.'],
    [6000, 7500, 'Ordered twice by mistake, second parcel came back.'],
    [16000, 24000, 'Wrong size; sent back, tracking shows delivered.'],
  ]
  const replies: Reply[] = []
  for (const [index, [amount, paid, note]] of asked.entries()) {
    // In order, so that the numbers of two runs mean the same.
    const reply = await refund(amount, await newCharge(paid), key(`hold-${index + 1}`), note)
    line(index + 1, amount, reply)
    replies.push(reply)
  }
  if (replies.some((reply) => 'envelope' in reply && reply.envelope.status === 'held'))
    print(`in a browser: ${ADMIN}/console/   (sign in by a link that npm start printed)`)
  if (replies.some(isBudgetSpent)) throw budgetSpent()
  if (replies.some((reply) => 'problem' in reply))
    throw new Stop(EXIT.failed, 'That is not what --hold shows; the lines above say why.')
}

/** Signs in as the demo's workload (its issuer signs under --dev only) and changes that for a session (RFC 8693). */
async function openSession() {
  const { subject_token } = await ask<{ subject_token: string }>(`${ADMIN}/dev/token`, { account: 'support-bot' })
  const issued = await ask<{ access_token: string; session: string; expires_in: number }>(
    `${GATEWAY}/oauth/token`,
    new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      scope: 'role:support-agent',
    }),
  )
  token = issued.access_token
  const { requester, role } = await ask<{ requester: string; role: string }>(`${GATEWAY}/v1/session`)
  return { token, id: issued.session, expires_in: issued.expires_in, requester, role }
}

/** A charge of a customer of its own, made on the sandbox's helper path: an agent has no key to make one with. */
async function newCharge(amount: number): Promise<string> {
  return (await ask<{ id: string }>(`${PAYMENTS}/sandbox/charges`, { amount, currency: 'usd' })).id
}

async function refund(amount: number, charge: string, key: string, note?: string): Promise<Reply> {
  const input = { charge, amount, reason: 'requested_by_customer', ...(note ? { note } : {}) }
  const response = await send(`${GATEWAY}/v1/actions/stripe.refund`, {
    body: input,
    headers: { 'idempotency-key': key },
  })
  const body = await response.json()
  return response.status < 300 ? { envelope: body as Envelope } : { problem: body as Problem }
}

/** Asks again, 25 s at a time, until people have decided and what they decided has happened. */
async function decided(call: string): Promise<Reply> {
  for (;;) {
    const response = await send(`${GATEWAY}/v1/calls/${call}?wait=25`)
    if (response.status >= 500) {
      await sleep(1000)
      continue
    }
    if (response.status !== 200) return { problem: (await response.json()) as Problem }
    const envelope = (await response.json()) as Envelope
    if (envelope.problem) return { problem: envelope.problem }
    if (envelope.status !== 'held' && envelope.status !== 'running') return { envelope }
  }
}

function line(number: number, amount: number, reply: Reply, waited_s?: number): void {
  const status = 'envelope' in reply ? reply.envelope.status : reply.problem.code
  print(
    `${number} refund ${`$${money(amount)}`.padEnd(8)} ${status.padEnd(8)} ${'envelope' in reply ? said(reply.envelope, waited_s) : refused(reply.problem)}`,
  )
}

function said(envelope: Envelope, waited_s?: number): string {
  const { call, status, output, evidence, limits, need, expires_at } = envelope
  if (status === 'held') {
    // One yes counts in every line that it fits: of two lines that ask the same group, the larger is what is needed.
    const counts = new Map<string, number>()
    for (const { count, of } of need ?? []) counts.set(of, Math.max(count, counts.get(of) ?? 0))
    const who = [...counts].map(([of, count]) => `${count} of ${of}`).join(' and ')
    return `${who}, until ${clock(expires_at)}   npx keystay approvals approve ${call} --as dana`
  }
  if (status !== 'done') return `call ${call}`
  const daily = limits.find(({ name }) => name === 'daily')
  const people = evidence?.approved_by?.length ? ` by ${evidence.approved_by.join(' and ')}` : ''
  const approved = waited_s === undefined ? '' : `approved${people} after ${waited_s} s, `
  return `${approved}${output?.id ?? 'no id'}   ${daily ? `today ${money(daily.used)} of ${money(daily.max)}` : ''}`
}

function refused({ detail, because, next }: Problem): string {
  const line = because?.[0]
  return `${line && !detail.startsWith(line) ? `${line}: ` : ''}${detail}${next?.length ? ` Next: ${next.join(', ')}` : ''}`
}

function isBudgetSpent(reply: Reply): boolean {
  return 'problem' in reply && (reply.problem.because ?? []).some((because) => because.endsWith('.daily'))
}

function budgetSpent(): Stop {
  const how = 'To begin a new day: Ctrl-C in the first terminal, then npm start.'
  return new Stop(EXIT.denied, `The day’s budget of this demo is used up. ${how}`)
}

/** POST with a body, GET without. Any answer of 2xx, as JSON. */
async function ask<T>(url: string, body?: object): Promise<T> {
  const response = await send(url, body === undefined ? {} : { body })
  const answered = (await response.json()) as { detail?: string; error_description?: string; error?: unknown }
  if (response.ok) return answered as T
  throw new Stop(
    EXIT.failed,
    `${url} answered ${response.status}: ${answered.detail ?? answered.error_description ?? JSON.stringify(answered.error)}`,
  )
}

async function send(
  url: string,
  { method, body, headers }: { method?: string; body?: object; headers?: object } = {},
): Promise<Response> {
  const form = body instanceof URLSearchParams
  try {
    return await fetch(url, {
      method: method ?? (body ? 'POST' : 'GET'),
      signal: AbortSignal.timeout(40_000),
      headers: {
        ...(body && !form ? { 'content-type': 'application/json' } : {}),
        // The token is for the gateway's own listener, and for nobody else.
        ...(token && url.startsWith(`${GATEWAY}/v1/`) ? { authorization: `Bearer ${token}` } : {}),
        ...headers,
      },
      ...(body ? { body: form ? body : JSON.stringify(body) } : {}),
    })
  } catch {
    throw new Stop(
      EXIT.unreachable,
      `Nobody answers at ${new URL(url).origin}. Start the demo in another terminal: npm start`,
    )
  }
}

/** A session that is done with is ended: twenty of one workload may live at once. Held calls live on. */
async function endSession(): Promise<void> {
  if (token) await send(`${GATEWAY}/v1/session`, { method: 'DELETE' }).catch(() => null)
  token = ''
}

function money(minor: number): string {
  return (minor / 100).toFixed(2)
}

function hours(seconds: number): string {
  return seconds % 3600 ? `${Math.round(seconds / 60)} min` : `${seconds / 3600} h`
}

function clock(at: string | undefined): string {
  return new Date(at ?? NaN).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
