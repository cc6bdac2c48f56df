import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServeOptions } from '../../gateway/main.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { startReceiver } from '../backends/receiver.ts'
import type { Received, Receiver } from '../backends/receiver.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

/** Looks fake, and no byte of it may come out. */
export const SIGNING = `whsec_${Buffer.from('CanaryOfTheSigningSecret').toString('base64')}`

export interface Town {
  readonly where: Awaited<ReturnType<typeof company>>
  readonly hook: Receiver
  readonly pay: LyingBackend
  start(more?: Partial<ServeOptions>): Promise<House>
  end(): Promise<void>
}

/** A company whose finance is told by a webhook; `files` of the policy beside and instead of that. */
export async function town(files: (hook: string) => { readonly [path: string]: string } = () => ({})): Promise<Town> {
  process.env['KEYSTAY_TEST_SIGNING'] = SIGNING
  const hook = await startReceiver(SIGNING)
  const pay = await startLying()
  const where = await company(
    { pay: pay.url, shop: pay.url, blind: pay.url },
    { 'notify.yaml': notifyYaml(hook.url), 'roles/agent.yaml': roleYaml(), ...files(hook.url) },
  )
  return {
    where,
    hook,
    pay,
    start: (more) => house(where, { lookEvery_ms: 50, ...more }),
    async end() {
      await hook.close()
      await pay.close()
      await where.remove()
    },
  }
}

/** `finance-hook` is told of everything; after a try that failed the next is due in an hour, or when the test says so. */
export function notifyYaml(hook: string, more = ''): string {
  return `channels:
  finance-hook: ${hookLine(hook, 'finance')}
${more}notify: { default: [finance-hook], retry: [1h, 1h, 1h] }
`
}

export function hookLine(hook: string, path: string): string {
  return `{ webhook: "${hook}/${path}", secret: "env://KEYSTAY_TEST_SIGNING", private: true }`
}

/** Every refund above fifty dollars asks somebody of finance. */
export function roleYaml(more = ''): string {
  return `role: agent
describe: The agent of the tests.
session: { lifetime: 2h }
issue_to: [{ issuer: demo, where: 'claims.sub in ["bot", "other-bot"]' }]
grants:
  blind.note:
  pay.refund:
    max: 200.00 USD
    approval:
      - { above: 50.00 USD, by: 1 of finance, expires: 4h }
${more}    holds_max: 1000
`
}

let keys = 0

/** @returns the id of a call that is held. */
export async function held(gate: Pick<House, 'call' | 'token'>, amount = 6000): Promise<string> {
  const input = { charge: 'ch_1', amount, note: 'AgentSaysThis <b>' }
  const answer = await gate.call(await gate.token(), 'pay.refund', input, `key-${++keys}`)
  assert.equal(answer.status, 202, answer.text)
  return answer.body.call
}

/** Everything of this type about this call, once there are `count`. */
export async function toldOf(hook: Receiver, type: string, call: string, count = 1): Promise<Received[]> {
  return until(`${count} ${type}`, () => {
    const found = hook.of(type, call)
    return found.length >= count ? found : null
  })
}

export async function until<T>(what: string, look: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (let tries = 0; tries < 1000; tries++) {
    const found = await look()
    if (found) return found as NonNullable<T>
    await sleep(20)
  }
  return assert.fail(`it never came: ${what}`)
}

/** As if the time of what waits had come: of a call's notices of this kind, or of its hold. */
export function itIsTime(dir: string, call: string, kind: string | null): void {
  const database = new DatabaseSync(join(dir, 'keystay.db'), { timeout: 5000 })
  try {
    database.exec('PRAGMA busy_timeout = 5000')
    const sql =
      kind === null
        ? `UPDATE calls SET expires_at = 1, data = json_set(data, '$.expires_at', 1) WHERE id = ?`
        : `UPDATE notices SET due_at = 1, data = json_set(data, '$.due_at', 1) WHERE call = ? AND state = 'waiting' AND data ->> 'kind' = ?`
    const changed = database.prepare(sql).run(call, ...(kind === null ? [] : [kind]))
    assert.ok(Number(changed.changes) > 0, `nothing of ${call} waits`)
  } finally {
    database.close()
  }
}
