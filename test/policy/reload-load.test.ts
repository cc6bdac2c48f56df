import assert from 'node:assert/strict'
import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { Answer } from '../house/gateway.ts'

/** Changes of the policy, every second one bad, while calls go on; KEYSTAY_TEST_CHANGES=200 for the long run. */
const CHANGES = Number(process.env['KEYSTAY_TEST_CHANGES'] ?? 100)
/** A slow machine makes fewer of them. */
const AT_MOST_MS = process.env['KEYSTAY_TEST_CHANGES'] === undefined ? 7000 : 100_000
const CALLS_PER_SECOND = 200

/**
 * One version: backend, input, request and ceiling change together, in three files. An odd version allows up to sixty
 * dollars and pays at one backend; an even one takes no amount above forty and pays at another.
 */
function filesOf(version: number, [even, odd]: readonly LyingBackend[]): { [path: string]: string } {
  const isOdd = version % 2 === 1
  const common = 'private: true, timeout: 5s, lands_within: 200ms, breaker: { open_after: 100%, of: 10000, for: 1s }'
  return {
    'backends.yaml': `backends:
  pay: { adapter: http, url: "${isOdd ? odd?.url : even?.url}", auth: { bearer: "env://KEYSTAY_TEST_KEY" }, idempotency: { header: Idempotency-Key, lives: 24h }, ${common} }
`,
    'actions.yaml': `action: pay.refund
describe: Refund a charge, in cents.
effect: write
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{1,64}$" }
  amount: { type: integer, minimum: 1${isOdd ? '' : ', maximum: 4000'} }
backend: pay
facts:
  charge:
    GET: /v1/charges/\${input.charge}
    keep: { amount: integer, currency: string }
cost: { minor: input.amount, currency: facts.charge.currency }
request:
  POST: /v1/refunds
  form: { charge: "\${input.charge}", amount: "\${input.amount}", version: v${version}, call: "\${call.id}" }
output: { keep: [id, version] }
---
action: pay.look
describe: Look at a charge.
effect: read
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{1,64}$" }
backend: pay
request: { GET: "/v1/charges/\${input.charge}" }
output: { keep: [id] }
`,
    'role.yaml': `role: agent
describe: Version ${version}.
issue_to: [{ issuer: demo, where: 'claims.sub in ["bot", "other-bot"]' }]
grants:
  pay.refund: { max: ${isOdd ? '60.00' : '200.00'} USD, attempts: 100000 }
${version % 3 === 0 ? '' : '  pay.look:\n'}`,
  }
}

/** What a version answers to a call. */
function answerOf(version: number, { action, amount }: { action: string; amount: number }): string {
  if (action === 'pay.look') return version % 3 === 0 ? 'not_granted' : 'done'
  if (version % 2 === 0) return amount > 4000 ? 'input_invalid' : 'done'
  return amount > 6000 ? 'denied' : 'done'
}

type Spoil = (files: { [path: string]: string }) => { [path: string]: string | Buffer }
const SPOILS: readonly Spoil[] = [
  (files) => ({ ...files, 'role.yaml': (files['role.yaml'] ?? '').slice(0, 110) }),
  (files) => ({ ...files, 'role.yaml': (files['role.yaml'] ?? '').replace('pay.refund', 'pay.refnud') }),
  (files) => ({ ...files, 'backends.yaml': (files['backends.yaml'] ?? '').replace('_TEST_KEY', '_TEST_NO_KEY') }),
  (files) => ({ ...files, 'actions.yaml': Buffer.from([0xff, 0xfe, 0x41]) }),
]

describe('calls while the policy changes', function () {
  this.timeout(120_000)

  it('are decided by one policy each, that was loaded, and none is lost', async () => {
    const backends = [await startLying(), await startLying()]
    const [even] = backends
    const url = even?.url ?? ''
    const where = await company({ pay: url, shop: url, blind: url })
    const identity = await readFile(join(where.policies, 'identity.yaml'), 'utf8')
    const policies = join(where.dir, 'live')
    let folders = 0
    /** All files of a change appear at once, as a checkout into a new folder does it. */
    const write = async (files: { [path: string]: string | Buffer }): Promise<void> => {
      const folder = join(where.dir, `checkout-${++folders}`)
      await mkdir(folder)
      for (const [path, text] of Object.entries({ ...files, 'identity.yaml': identity }))
        await writeFile(join(folder, path), text)
      await symlink(folder, `${policies}.new`)
      await rename(`${policies}.new`, policies)
    }
    await write(filesOf(1, backends))
    const gate = await house({ ...where, policies }, { lookEvery_ms: 5 })
    // Refused looks are counted by principal, and nobody has a grant that allows more of them.
    const [looks, refunds] = [await gate.token('other-bot'), await gate.token()]
    const asked: { action: string; amount: number; answer: Promise<Answer> }[] = []
    const state = { changing: true }
    let changes = 0

    const agent = async (): Promise<void> => {
      const began = performance.now()
      for (let n = 0; state.changing; n++) {
        const action = n % 20 === 0 ? 'pay.look' : 'pay.refund'
        const amount = [3000, 5000, 7000][n % 3] ?? 0
        const charge = `ch_${n}`
        const input = action === 'pay.look' ? { charge } : { charge, amount }
        const token = action === 'pay.look' ? looks : refunds
        asked.push({ action, amount, answer: gate.call(token, action, input, `k-${n}`, { prefer: 'wait=20' }) })
        await sleep(Math.max(0, began + ((n + 1) * 1000) / CALLS_PER_SECOND - performance.now()))
      }
    }
    const reloads = async (): Promise<void> => {
      const over = performance.now() + AT_MOST_MS
      for (let version = 1; changes < CHANGES && (performance.now() < over || changes % 2 === 1); changes++) {
        const change = changes
        const refusals = gate.log.filter((line) => line.includes('was refused')).length
        const bad = change % 2 === 1
        if (!bad) version++
        const spoil = SPOILS[(change >> 1) % SPOILS.length]
        await write(bad ? (spoil?.(filesOf(version + 1, backends)) ?? {}) : filesOf(version, backends))
        const taken = (): boolean =>
          bad
            ? gate.log.filter((line) => line.includes('was refused')).length > refusals
            : versionOf(gate.running.gateway.policy().texts) === version
        for (const end = performance.now() + 5000; !taken(); await sleep(2))
          assert.ok(performance.now() < end, `change ${change} was not taken up: ${gate.log.slice(-3).join('\n')}`)
      }
      state.changing = false
    }

    try {
      const began = performance.now()
      await Promise.all([agent(), reloads().finally(() => (state.changing = false))])
      const answers = await Promise.all(asked.map(async (one) => ({ ...one, answer: await one.answer })))
      const took_s = (performance.now() - began) / 1000
      await gate.stop()

      const db = new DatabaseSync(join(where.dir, 'keystay.db'), { readOnly: true })
      const rows = db.prepare('SELECT digest, texts FROM policies').all()
      const versions = new Map(rows.map(({ digest, texts }) => [digest, versionOf(JSON.parse(String(texts)))]))
      const entries = db.prepare('SELECT kind, call, bytes FROM entries ORDER BY idx').all()
      db.close()
      assert.ok(changes >= 10)
      assert.equal(versions.size, changes / 2 + 1)
      assert.equal(entries.filter(({ kind }) => kind === 'policy.invalid').length, changes / 2)
      const decided = new Map<unknown, number | undefined>()
      for (const { kind, call, bytes } of entries) {
        if (kind !== 'call.started' && kind !== 'call.denied') continue
        assert.ok(!decided.has(call), 'a call is decided once')
        decided.set(call, versions.get((JSON.parse(String(bytes)) as { policy: string }).policy))
      }
      assert.equal(decided.size, asked.length, 'none is lost')

      for (const { action, amount, answer } of answers) {
        const version = decided.get(answer.body.call)
        assert.ok(version !== undefined, `no loaded policy decided ${answer.text}`)
        const got = answer.status === 200 ? 'done' : answer.body.code
        assert.equal(got, answerOf(version, { action, amount }), `${amount} under version ${version}: ${answer.text}`)
        if (action === 'pay.refund' && got === 'done') assert.equal(answer.body.output.version, `v${version}`)
      }
      const effects = backends.flatMap((backend, index) => backend.effects.map(({ body }) => ({ body, index })))
      for (const { body, index } of effects) {
        const version = decided.get(body['call']) ?? -1
        assert.deepEqual([body['version'], index], [`v${version}`, version % 2])
      }
      const paid = answers.filter(({ action, answer }) => action === 'pay.refund' && answer.status === 200)
      assert.equal(effects.length, paid.length)
      assert.ok(new Set(decided.values()).size > changes / 8, 'calls met many versions')
      console.log(`      ${asked.length} calls and ${changes} changes in ${took_s.toFixed(1)} s`)
    } finally {
      await gate.stop()
      await Promise.all(backends.map((backend) => backend.close()))
      await where.remove()
    }
  })
})

function versionOf(texts: readonly { readonly text: string }[]): number | undefined {
  const found = texts.map(({ text }) => /version: v(\d+),/.exec(text)?.[1]).find((version) => version !== undefined)
  return found === undefined ? undefined : Number(found)
}
