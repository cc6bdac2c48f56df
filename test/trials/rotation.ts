import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createAgeIdentity, writeAgeFile } from '../../gateway/secrets/age-file.ts'
import { startBank } from '../backends/bank.ts'
import { ROOT, startVault } from '../backends/vault.ts'
import { company } from '../house/company.ts'
import { entriesOf } from '../house/entries.ts'
import { house } from '../house/gateway.ts'
import type { Answer } from '../house/gateway.ts'

/**
 * `node test/trials/rotation.ts [--seconds 60] [--source age|vault]`: a backend's key is rotated every five seconds
 * under 200 calls/s. By turns the old one is refused in the same moment, or taken for the grace (the lifetime in memory)
 * and then refused. Ends with 1 where a call failed or a call that began after the grace showed the old key.
 */
const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, source: { type: 'string', default: 'age' } },
})
const SECONDS = Number(values.seconds)
const RATE = 200
const EVERY_MS = 5000
const GRACE_MS = 1500

const keyOf = (number: number): string => `sk_test_${number}_${randomBytes(12).toString('hex')}`
let key = keyOf(0)
const bank = await startBank(key)
const vault = await startVault()
const common = `url: "${bank.url}", private: true, timeout: 2s, lands_within: 100ms`
const ref = values.source === 'vault' ? 'vault://kv/bank#key' : 'age://bank'
const where = await company(
  { pay: bank.url, shop: bank.url, blind: bank.url },
  {
    'backends.yaml': `backends:
  pay: { adapter: http, ${common}, auth: { bearer: "${ref}" } }
  shop: { adapter: http, ${common}, auth: { bearer: "${ref}" } }
  blind: { adapter: http, ${common}, auth: { bearer: "${ref}" } }
`,
    'roles/agent.yaml': `role: agent
describe: Writes notes.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants: { blind.note: { attempts: 1000000 } }
`,
  },
)
const file = join(where.dir, 'secrets.age')
const recipient = await createAgeIdentity(`${file}.key`)
const put = async (value: string): Promise<void> => {
  if (values.source === 'vault') return vault.put('kv/bank', { key: value })
  await writeAgeFile(file, new Map([['bank', value]]), recipient)
}
await put(key)
process.env['VAULT_TOKEN'] = ROOT
const secrets = values.source === 'vault' ? `vault:${vault.url}` : `age:${file}`
const gate = await house(where, { secrets, secretLifetime_ms: GRACE_MS })
const session = await gate.token()

/** Until when a key may be shown: performance.now() of the moment after which no call may begin with it. */
const over = new Map<string, number>()
let rotations = 0
const rotate = async (): Promise<void> => {
  const [before, next] = [key, keyOf(++rotations)]
  key = next
  bank.takes = [before, next]
  await put(next)
  over.set(before, performance.now() + GRACE_MS)
  if (rotations % 2 === 1) bank.takes = [next]
  else setTimeout(() => (bank.takes = [next]), GRACE_MS + 100)
}

/** On a busy machine a request may come too slowly (408, `retry: same_key`) or lose its connection: again, as agents do. */
let again = 0
const note = async (name: string): Promise<Answer> => {
  const ask = () => gate.call(session, 'blind.note', { text: name }, name, { prefer: 'wait=10' })
  for (let left = 10; left > 0; left--) {
    const answer = await ask().catch(() => null)
    if (answer !== null && answer.status !== 408) return answer
    again++
    await sleep(100)
  }
  return ask()
}
const asked = new Map<string, number>()
const answers: Promise<Answer>[] = []
const began = performance.now()
let due = EVERY_MS
for (let number = 0; number < SECONDS * RATE; number++) {
  while (performance.now() - began < (number * 1000) / RATE) await sleep(1)
  if (performance.now() - began >= due) {
    due += EVERY_MS
    void rotate()
  }
  asked.set(`n-${number}`, performance.now())
  answers.push(note(`n-${number}`))
}
const all = await Promise.all(answers)
const failed = all.filter(({ status }) => status !== 200)
const late = bank.seen.filter(({ text, key: shown }) => (asked.get(text) ?? 0) > (over.get(shown) ?? Infinity))
const refused = bank.seen.filter(({ status }) => status === 401).length
await gate.stop()
const told = (await entriesOf(where.dir)).filter(({ kind }) => kind === 'credential.rotated').length
const reads = vault.requests.filter(({ path }) => path === 'kv/data/bank').length
await Promise.all([bank.close(), vault.close()])
await where.remove()
const doubled = [...bank.effects.values()].filter((times) => times > 1).length
console.log(
  `${values.source}: ${all.length} calls in ${SECONDS} s, ${rotations} rotations (${told} credential.rotated${values.source === 'vault' ? `, ${reads} reads of Vault` : ''}): ` +
    `${failed.length} failed, ${bank.effects.size} effects, ${doubled} twice, ${late.length} with the old key after the grace of ${GRACE_MS} ms, ` +
    `${refused} refused by the backend and sent again; ${again} asked again by the agent (408, a lost connection)`,
)
for (const { text } of failed.slice(0, 5)) console.log(`  ${text}`)
process.exitCode = failed.length + late.length + doubled > 0 || bank.effects.size !== all.length ? 1 : 0
