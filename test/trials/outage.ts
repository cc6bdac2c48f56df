import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startBank } from '../backends/bank.ts'
import { ROOT, startVault } from '../backends/vault.ts'
import { company } from '../house/company.ts'
import { entriesOf } from '../house/entries.ts'
import { house } from '../house/gateway.ts'

/**
 * `node test/trials/outage.ts [--minutes 10]`: Vault is away for so long under 20 calls/s; half of them go by a lease of
 * an hour, half by a key that is held in memory for half of the outage. What is in memory works for its lifetime, then
 * 503 `secret_unavailable`; afterwards all works without a hand. Ends with 1 where it is otherwise.
 */
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } })
const AWAY_MS = Number(values.minutes) * 60_000
const LIFETIME_MS = AWAY_MS / 2
const EVERY_MS = 50

const vault = await startVault({ lease_ms: 3_600_000, password: () => 'sk_test_of_the_lease' })
vault.put('kv/bank', { key: 'sk_test_of_the_outage' })
const bank = await startBank('sk_test_of_the_outage')
bank.takes = ['sk_test_of_the_outage', 'sk_test_of_the_lease']
const common = `url: "${bank.url}", private: true, timeout: 2s, lands_within: 100ms`
const where = await company(
  { pay: bank.url, shop: bank.url, blind: bank.url },
  {
    'backends.yaml': `backends:
  pay: { adapter: http, ${common}, auth: { bearer: "vault://kv/bank#key" } }
  shop: { adapter: http, ${common}, auth: { bearer: "vault://kv/bank#key" } }
  blind: { adapter: http, ${common}, auth: { basic: { user: u, password: "vault://database/creds/bank#password" } } }
`,
    'roles/agent.yaml': `role: agent
describe: Looks and writes notes.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
session: { lifetime: 12h }
grants: { blind.note: { attempts: 1000000 }, pay.look: { attempts: 1000000 } }
`,
  },
)
process.env['VAULT_TOKEN'] = ROOT
const gate = await house(where, { secrets: `vault:${vault.url}`, secretLifetime_ms: LIFETIME_MS })
const session = await gate.token()
const look = async (): Promise<string> => {
  const { status, body } = await gate.call(session, 'pay.look', { charge: 'ch_1' })
  return status === 200 ? 'done' : `${status} ${body.code}`
}
let notes = 0
const note = async (): Promise<string> => {
  const key = `n-${++notes}`
  const { status, body } = await gate.call(session, 'blind.note', { text: key }, key)
  return status === 200 ? 'done' : `${status} ${body.code}`
}
const counts = { leased: new Map<string, number>(), held: new Map<string, number>() }
const count = (which: Map<string, number>, said: string): void => void which.set(said, (which.get(said) ?? 0) + 1)

await Promise.all([look(), note()])
const rss = process.memoryUsage().rss
await vault.close()
const began = performance.now()
const since = (): number => Math.round(performance.now() - began)
let first: number | null = null
let last = 0
const open = new Set<Promise<void>>()
for (let at = 0; at < AWAY_MS; at += EVERY_MS * 2) {
  while (since() < at) await sleep(5)
  const asked = since()
  const held = look().then((said) => {
    count(counts.held, said)
    if (said !== 'done') first ??= asked
    else last = asked
  })
  const leased = note().then((said) => count(counts.leased, said))
  for (const one of [held, leased]) {
    open.add(one)
    void one.finally(() => open.delete(one))
  }
}
await Promise.all(open)
await vault.listen()
const back = performance.now()
while ((await look()) !== 'done' && performance.now() - back < 30_000) await sleep(20)
const recovered_ms = Math.round(performance.now() - back)
const after = await Promise.all([look(), note()])
await gate.stop()
const entries = await entriesOf(where.dir)
const failed = entries.filter(({ kind }) => kind === 'credential.failed').length
await Promise.all([bank.close(), vault.close()])
await where.remove()

const shown = (which: Map<string, number>): string => [...which].map(([said, times]) => `${times} ${said}`).join(', ')
console.log(
  `Vault away for ${values.minutes} min, 20 calls/s. By the lease: ${shown(counts.leased)}. By the held key (lifetime ` +
    `${LIFETIME_MS / 1000} s): ${shown(counts.held)}; first refused after ${((first ?? 0) / 1000).toFixed(1)} s, last done after ` +
    `${(last / 1000).toFixed(1)} s. Back ${recovered_ms} ms after Vault, then ${after.join(' and ')}. credential.failed: ${failed} entries; ` +
    `memory ${((process.memoryUsage().rss - rss) / 1e6).toFixed(0)} MB more, calls and test included`,
)
const ok =
  [...counts.leased.keys()].join() === 'done' &&
  [...counts.held.keys()].join() === 'done,503 secret_unavailable' &&
  (first ?? 0) >= last &&
  recovered_ms < 5000 &&
  after.join() === 'done,done' &&
  // the failure is told once a minute and ref
  failed <= Math.ceil(AWAY_MS / 60_000) * 2 + 2
process.exitCode = ok ? 0 : 1
