import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { BACKEND_KEY, company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

/** What is unlikely to be there by chance, wherever an agent or a backend may write. */
const CANARIES = ['CanaryCharge7', 'CanaryKey8', 'CanaryNote9', 'canary.action', 'CanaryText5', BACKEND_KEY]

describe('the metrics', () => {
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House

  before(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    gate = await house(where)
  })
  after(async () => {
    await gate?.stop()
    await pay?.close()
    await where?.remove()
  })

  const scrape = async (): Promise<string> => {
    const { status, text, headers } = await gate.admin('dana', 'GET', '/metrics')
    deepEqual([status, headers.get('content-type')], [200, 'text/plain; version=0.0.4; charset=utf-8'])
    return text
  }

  it('are for people who may view, by token, and for nobody on the listener of agents', async () => {
    const bare = await fetch(`${gate.running.adminUrl}/metrics`)
    const lee = await gate.admin('bot', 'GET', '/metrics')
    const agent = await gate.agent('/metrics')
    const more = await gate.admin('dana', 'GET', '/metrics?name=x')
    deepEqual(
      [bare.status, lee.body.code, agent.body.code, more.body.code],
      [401, 'not_eligible', 'no_such_route', 'malformed'],
    )
  })

  it('count calls, attempts, reads, batches and refused requests, and show how things stand', async () => {
    const token = await gate.token()
    const refund = { charge: 'ch_CanaryCharge7', amount: 100, note: 'CanaryNote9' }
    equal((await gate.call(token, 'pay.refund', refund, 'CanaryKey8')).status, 200)
    equal((await gate.call(token, 'pay.refund', refund, 'CanaryKey8')).status, 200)
    const held = await gate.call(token, 'pay.refund', { ...refund, amount: 6000 }, 'CanaryKey8-held')
    equal(held.status, 202)
    await gate.call(token, 'pay.refund', { ...refund, amount: 30000 }, 'CanaryKey8-denied')
    await gate.call(token, 'canary.action', {}, 'CanaryKey8-x')
    pay.lie({ kind: 'status_with', status: 500 })
    await gate.call(token, 'blind.note', { text: 'CanaryText5' }, 'CanaryKey8-unsure')
    await gate.call('kst_CanaryKey8', 'pay.refund', refund, 'x')
    for (const sense of ['once', 'twice']) {
      const said = await gate.admin('dana', 'POST', `/admin/v1/calls/${held.body.call}/reject`, { reason: sense })
      equal(said.status, sense === 'once' ? 200 : 409)
    }
    const text = await scrape()
    const value = valueIn(text)

    const call = (action: string, status: string, code = '') =>
      value('keystay_calls_total', { action, role: 'agent', status, code })
    deepEqual(
      {
        running: call('pay.refund', 'running'),
        done: call('pay.refund', 'done'),
        held: call('pay.refund', 'held'),
        rejected: call('pay.refund', 'rejected', 'rejected'),
        denied: call('pay.refund', 'denied', 'denied'),
        'not granted': call('(not granted)', 'denied', 'not_granted'),
        unsure: call('blind.note', 'needs_human'),
        attempts: value('keystay_backend_requests_total', { backend: 'pay', kind: 'attempt', outcome: 'done' }),
        reads: value('keystay_backend_requests_total', { backend: 'pay', kind: 'read', outcome: 'done' }),
        doubts: value('keystay_backend_requests_total', { backend: 'blind', kind: 'attempt', outcome: 'unknown' }),
        refused: value('keystay_requests_refused_total', { code: 'token_invalid' }),
        'open, for people': value('keystay_calls_open', { status: 'needs_human' }),
        'open, held': value('keystay_calls_open', { status: 'held' }),
        sessions: value('keystay_sessions_live', { role: 'agent' }),
        issued: value('keystay_events_total', { kind: 'session.issued' }),
        breaker: value('keystay_backend_breaker_open', { backend: 'pay' }),
        used: value('keystay_limit_used', { role: 'agent', action: 'pay.refund', limit: 'daily', unit: 'USD' }),
        of: value('keystay_limit_max', { role: 'agent', action: 'pay.refund', limit: 'daily', unit: 'USD' }),
        policy: value('keystay_policy_info', { digest: gate.running.policyDigest }),
        ready: value('keystay_ready', {}),
      },
      {
        running: 1,
        done: 1,
        held: 1,
        rejected: 1,
        denied: 1,
        'not granted': 1,
        unsure: 1,
        attempts: 1,
        reads: 3,
        doubts: 1,
        refused: 1,
        'open, for people': 1,
        'open, held': 0,
        sessions: 1,
        issued: 1,
        breaker: 0,
        used: 100,
        of: 50000,
        policy: 1,
        ready: 1,
      },
    )
    for (const histogram of ['call_seconds', 'call_overhead_seconds']) {
      equal(value(`keystay_${histogram}_count`, { status: 'done' }), 1)
      ok((value(`keystay_${histogram}_sum`, { status: 'done' }) ?? 0) > 0)
    }
    const whole = value('keystay_call_seconds_sum', { status: 'done' }) ?? 0
    const own = value('keystay_call_overhead_seconds_sum', { status: 'done' }) ?? 0
    ok(own < whole, `${own} < ${whole}`)
    ok((value('keystay_ledger_entries', {}) ?? 0) > 10)
    ok((value('keystay_ledger_batch_operations_count', {}) ?? 0) > 5)
    match(text, /^process_cpu_seconds_total /m)
  })

  it('hold nothing that an agent or a backend wrote, no id and no secret', async () => {
    const text = await scrape()
    deepEqual(
      CANARIES.filter((canary) => text.includes(canary)),
      [],
    )
    deepEqual(text.match(/\b(?:call|ses|ent|lim|kst)_[0-9A-Za-z]{20,}/g), null)
    deepEqual(text.match(/127\.0\.0\.1/g), null)
  })

  it('do not grow with use: the labels are those of the policy', async () => {
    const token = await gate.token('other-bot')
    const names = async () => new Set((await scrape()).split('\n').map((line) => line.replace(/ \S+$/, '')))
    await gate.call(token, 'nobody.has.this', {}, 'b')
    const before = await names()
    for (let n = 0; n < 5; n++) await gate.call(token, `made.up.${n}`, {}, `a${n}`)
    deepEqual(
      [...(await names())].filter((name) => !before.has(name)),
      [],
    )
  })

  it('say that the gateway is not ready once it stops', async () => {
    const dana = await gate.person('dana')
    pay.lie({ kind: 'slow', ms: 300 })
    const token = await gate.token()
    const running = gate.call(token, 'blind.note', { text: 'slow' }, 'slow')
    while (pay.seen.at(-1)?.body.includes('slow') !== true) await new Promise((resolve) => setTimeout(resolve, 10))
    const stopped = gate.running.stop(5000)
    const answer = await fetch(`${gate.running.adminUrl}/metrics`, { headers: { authorization: `Bearer ${dana}` } })
    equal(valueIn(await answer.text())('keystay_ready', {}), 0)
    equal((await running).status, 200)
    await stopped
  })
})

describe('the metrics, where identity.yaml says open', () => {
  it('need no token', async () => {
    const pay = await startLying()
    const where = await company(
      { pay: pay.url, shop: pay.url, blind: pay.url },
      {
        'identity.yaml':
          'issuers: { demo: { dev: true, accounts: { bot: {}, other-bot: {} } } }\npeople: { metrics: open }\n' +
          'groups: { finance: { issuer: demo, where: "false" }, leads: { issuer: demo, where: "false" } }\n',
      },
    )
    const gate = await house(where)
    const answer = await fetch(`${gate.running.adminUrl}/metrics`)
    deepEqual([answer.status, (await answer.text()).includes('keystay_ready 1')], [200, true])
    await gate.stop()
    await pay.close()
    await where.remove()
  })
})

/** The sample of this name with exactly these labels. */
function valueIn(text: string): (name: string, labels: { readonly [label: string]: string }) => number | undefined {
  const samples = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    if (name !== undefined)
      samples.set(
        `${name} ${sorted([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, a = '', b = '']) => [a, b]))}`,
        Number(value),
      )
  }
  return (name, labels) => samples.get(`${name} ${sorted(Object.entries(labels))}`)
}

function sorted(labels: readonly (readonly [string, string])[]): string {
  return labels
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(',')
}
