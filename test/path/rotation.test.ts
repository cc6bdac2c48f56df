import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAgeIdentity, writeAgeFile } from '../../gateway/secrets/age-file.ts'
import { startBank } from '../backends/bank.ts'
import type { Bank } from '../backends/bank.ts'
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
    bank = await startBank(KEY(1))
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

  it('in an age file that somebody edits costs no call under 200 calls/s either', async () => {
    const file = join(where.dir, 'secrets.age')
    const recipient = await createAgeIdentity(`${file}.key`)
    await writeAgeFile(file, new Map([['bank', KEY(1)]]), recipient)
    const { 'backends.yaml': backends = '' } = policyWith('vault://kv/bank#key')
    await gate.stop()
    await writePolicies(where.policies, { 'backends.yaml': backends.replaceAll('vault://kv/bank#key', 'age://bank') })
    gate = await house(where, { secrets: `age:${file}`, secretLifetime_ms: GRACE_MS })
    const session = await gate.token()
    const answers: Promise<Answer>[] = []
    const began = performance.now()
    let rotated = Infinity
    for (let number = 0; number < RATE; number++) {
      while (performance.now() - began < (number * 1000) / RATE) await sleep(1)
      if (number === RATE / 2) {
        // the operator's order: the backend takes both, the file has the new one, the old one ends
        bank.takes = [KEY(1), KEY(2)]
        void writeAgeFile(file, new Map([['bank', KEY(2)]]), recipient).then(() => {
          bank.takes = [KEY(2)]
          rotated = number
        })
      }
      answers.push(note(session, `a-${number}`))
    }
    const all = await Promise.all(answers)
    assert.deepEqual(
      all.filter(({ status }) => status !== 200).map(({ text }) => text),
      [],
    )
    assert.deepEqual([bank.effects.size, Math.max(...bank.effects.values())], [RATE, 1])
    assert.ok(rotated < RATE && bank.seen.at(-1)?.key === KEY(2), `rotated by call ${rotated}`)
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
