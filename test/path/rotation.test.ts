import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT, startVault } from '../backends/vault.ts'
import type { FakeVault } from '../backends/vault.ts'
import { company, writePolicies } from '../house/company.ts'
import { entriesOf } from '../house/entries.ts'
import { house } from '../house/gateway.ts'
import type { Answer, House } from '../house/gateway.ts'
import { twelveForms } from '../suites/twelve-forms.ts'

const KEY = (number: number): string => `sk_test_c4n4ry_of_generation_${number}`
/** How long a value is used after its source has another: the lifetime in memory. */
const GRACE_MS = 600
const RATE = 200

interface Seen {
  readonly text: string
  readonly key: string
  readonly name: string
  readonly status: number
}

/** Takes the keys that it takes now, and counts its effects by idempotency key. */
interface Bank {
  readonly url: string
  readonly seen: readonly Seen[]
  readonly effects: ReadonlyMap<string, number>
  takes: readonly string[]
  /** What it does to the next request, whatever its key. */
  next: 'reset' | null
  close(): Promise<unknown>
}

describe('a backend’s key that is rotated', function () {
  this.timeout(30_000)
  let vault: FakeVault
  let bank: Bank
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  const token = process.env['VAULT_TOKEN']

  beforeEach(async () => {
    process.env['VAULT_TOKEN'] = ROOT
    vault = await startVault()
    vault.put('kv/bank', { key: KEY(1) })
    bank = await startBank()
    where = await company({ pay: bank.url, shop: bank.url, blind: bank.url }, policyWith('vault://kv/bank#key'))
    const more = { secrets: `vault:${vault.url}`, secretLifetime_ms: GRACE_MS, lookEvery_ms: 20 }
    gate = await house(where, more)
  })
  afterEach(async () => {
    await gate?.stop()
    await vault?.close()
    await bank?.close()
    await where?.remove()
    if (token === undefined) delete process.env['VAULT_TOKEN']
    else process.env['VAULT_TOKEN'] = token
  })

  /** @param ref of what is shown as a password */
  const policyWith = (ref: string): { [path: string]: string } => {
    const common = `url: "${bank.url}", private: true, timeout: 2s, lands_within: 100ms`
    const auth = 'auth: { bearer: "vault://kv/bank#key" }'
    const idempotency = 'idempotency: { header: Idempotency-Key, lives: 24h }'
    return {
      'backends.yaml': `backends:
  pay: { adapter: http, ${common}, ${auth}, ${idempotency} }
  shop: { adapter: http, ${common}, auth: { header: X-Api-Key, value: "vault://kv/bank#key" } }
  blind: { adapter: http, ${common}, auth: { basic: { user: u, password: "${ref}" } }, ${idempotency} }
`,
    }
  }
  const rotate = (number: number): void => vault.put('kv/bank', { key: KEY(number) })
  const note = async (session: string, key: string): Promise<Answer> =>
    gate.call(session, 'blind.note', { text: key }, key, { prefer: 'wait=5' })
  const reads = (): number => vault.requests.filter(({ path }) => path === 'kv/data/bank').length

  it('costs no call under 200 calls/s, cut off at once or after a grace, and the old one is not used after it', async () => {
    const session = await gate.token()
    const answers: Promise<Answer>[] = []
    const began = performance.now()
    const since = (): number => performance.now() - began
    const steps: [number, () => void][] = [
      // revoked in the same moment: whoever was on the way is refused, certainly without effect
      [1000, () => ((bank.takes = [KEY(2)]), rotate(2))],
      // both are good for the grace
      [2000, () => ((bank.takes = [KEY(2), KEY(3)]), rotate(3))],
    ]
    const asked = new Map<string, number>()
    let third = 0
    for (let number = 0; number < 3.5 * RATE; number++) {
      while (since() < (number * 1000) / RATE) await sleep(1)
      const [step] = steps
      if (step !== undefined && since() >= step[0]) {
        steps.shift()
        step[1]()
        third = performance.now()
      }
      asked.set(`n-${number}`, performance.now())
      answers.push(note(session, `n-${number}`))
    }
    const all = await Promise.all(answers)
    assert.deepEqual(
      all.filter(({ status }) => status !== 200).map(({ text }) => text),
      [],
    )
    assert.deepEqual([bank.effects.size, Math.max(...bank.effects.values())], [3.5 * RATE, 1])
    const refused = bank.seen.filter(({ status }) => status === 401)
    assert.ok(refused.length > 0 && refused.every(({ key }) => key === KEY(1)), `${refused.length} were refused`)
    // by when the agent asked: on a busy machine a call may wait long for its connection, with the key that it got
    const late = bank.seen.filter(({ text }) => (asked.get(text) ?? 0) > third + GRACE_MS)
    assert.ok(late.length > 50, `${late.length} after the grace`)
    assert.deepEqual(
      late.filter(({ key }) => key !== KEY(3)),
      [],
    )
    // two thirds of the lifetime, and one for each rotation
    assert.ok(reads() < 20, `${reads()} reads of Vault`)
    await gate.stop()
    const told = (await entriesOf(where.dir)).filter(({ kind }) => String(kind).startsWith('credential.'))
    assert.equal(told.filter(({ kind }) => kind === 'credential.rotated').length, 2)
    assert.ok(told.every((entry) => entry['ref'] === 'vault://kv/bank#key'))
    for (const text of [...gate.log, JSON.stringify(told), ...all.map((answer) => answer.text)]) {
      for (const secret of [KEY(1), KEY(2), KEY(3), ROOT])
        for (const form of twelveForms(secret)) assert.ok(!text.includes(form), text)
    }
  })

  it('is fetched anew once and the call goes again once; a refused one is refused when nothing has changed', async () => {
    const session = await gate.token()
    assert.equal((await note(session, 'a')).status, 200)
    bank.takes = [KEY(2)]
    const before = reads()
    const no = await note(session, 'b')
    assert.deepEqual([no.status, no.body.code], [424, 'backend_refused'])
    // and at most one more, beside the call, by its age
    assert.ok([1, 2].includes(reads() - before), `${reads() - before} reads`)
    assert.deepEqual(namesOf(bank, 2), [401])
    rotate(2)
    await sleep(2100)
    const yes = await note(session, 'c')
    assert.equal(yes.status, 200)
    // once refused, always: the key of the request names that effect
    assert.equal((await note(session, 'b')).body.code, 'backend_refused')
    assert.equal(bank.effects.size, 2)
  })

  it('is unavailable once its source has been away for its lifetime: nothing is sent, and the key of the call is free', async () => {
    const session = await gate.token()
    assert.equal((await note(session, 'a')).status, 200)
    await vault.close()
    assert.equal((await note(session, 'b')).status, 200)
    await sleep(GRACE_MS + 50)
    const away = await note(session, 'c')
    assert.deepEqual([away.status, away.body.code], [503, 'secret_unavailable'])
    assert.equal(bank.effects.size, 2)
    await vault.listen()
    await sleep(1050)
    assert.equal((await note(session, 'c')).status, 200)
    assert.equal(bank.effects.size, 3)
  })

  it('goes again for reads and facts too, and for every way to show it', async () => {
    const session = await gate.token()
    for (const [number, [action, input]] of (
      [
        ['pay.look', { charge: 'ch_1' }],
        ['pay.refund', { charge: 'ch_1', amount: 100 }],
        ['shop.order', { item: 'x' }],
        ['blind.note', { text: 'x' }],
      ] as const
    ).entries()) {
      rotate(number + 2)
      bank.takes = [KEY(number + 2)]
      const answer = await gate.call(session, action, input, `every-${number}`)
      assert.equal(answer.status, 200, answer.text)
    }
    const refused = bank.seen.filter(({ status }) => status === 401).length
    // on a slow machine one may have been fetched anew beside the call
    assert.ok(refused >= 1 && refused <= 4, `${refused} were refused`)
  })

  it('that Vault lends is given back when the policy names it no more, and when the gateway stops', async () => {
    const lent = async (count: number): Promise<void> => {
      for (let left = 200; vault.leases.length !== count && left > 0; left--) await sleep(20)
      assert.equal(vault.leases.length, count)
    }
    await writePolicies(where.policies, policyWith('vault://database/creds/bank#password'))
    await lent(1)
    await writePolicies(where.policies, policyWith('vault://kv/bank#key'))
    await lent(0)
    await writePolicies(where.policies, policyWith('vault://database/creds/bank#password'))
    await lent(1)
    await gate.stop()
    await lent(0)
  })

  it('never sends again what is in doubt but by the rule for that', async () => {
    const session = await gate.token()
    assert.equal((await gate.call(session, 'shop.order', { item: 'a' }, 'a')).status, 200)
    // it did it, and the answer was lost; from then on it refuses the key
    bank.next = 'reset'
    bank.takes = [KEY(2)]
    rotate(2)
    const lost = await gate.call(session, 'shop.order', { item: 'b' }, 'b', { prefer: 'wait=0' })
    assert.equal(lost.status, 202)
    const { body } = await gate.show(session, lost.body.call, 20)
    // what became of it was looked up, with the new key
    assert.equal(body.status, 'done')
    const sent = bank.seen.filter(({ name }) => name.startsWith('POST'))
    assert.equal(sent.length, 2, 'the effect was not sent again')
  })
})

function namesOf(bank: Bank, from: number): readonly number[] {
  return bank.seen.slice(from - 1).map(({ status }) => status)
}

async function startBank(): Promise<Bank> {
  const seen: Seen[] = []
  const effects = new Map<string, number>()
  const state: { takes: readonly string[]; next: 'reset' | null } = { takes: [KEY(1)], next: null }
  const server: Server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      const { authorization = '', 'x-api-key': header } = request.headers
      const [kind, shown = ''] = authorization.split(' ')
      const basic = Buffer.from(shown, 'base64').toString().split(':')[1] ?? ''
      const key = typeof header === 'string' ? header : kind === 'Basic' ? basic : shown
      const name = String(request.headers['idempotency-key'] ?? `${request.method} ${request.url} ${body}`)
      const reset = state.next === 'reset'
      state.next = null
      const status = reset || state.takes.includes(key) ? 200 : 401
      seen.push({ text: /"text":"([^"]*)"/.exec(body)?.[1] ?? '', key, name, status })
      if (status === 200 && request.method === 'POST') effects.set(name, (effects.get(name) ?? 0) + 1)
      if (reset) return void request.socket.destroy()
      const asked = request.url?.split('?call=')[1]
      const data = [...effects.keys()]
        .filter((one) => asked && one.includes(asked))
        .map(() => ({ call: asked, id: 'o' }))
      const charge = { id: 'ch_1', amount: 10_000, amount_refunded: 0, currency: 'usd', customer: 'c', data }
      const said = status === 200 ? { ...charge, status: 'ok' } : { error: { message: `no such key: ${key}` } }
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(said))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return Object.assign(state, {
    url: `http://127.0.0.1:${port}`,
    seen,
    effects,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      }),
  })
}
