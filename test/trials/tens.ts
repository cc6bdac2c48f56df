import { parseArgs } from 'node:util'
import { startTown } from './town.ts'

/**
 * `node test/trials/tens.ts [--times 100] [--store postgres|sqlite]`: a budget with room for ten, a thousand requests at
 * once, again and again, each time for another customer. Exactly ten happen each time, or it ends with 1.
 */
const { values } = parseArgs({
  options: { times: { type: 'string', default: '100' }, store: { type: 'string', default: 'postgres' } },
})
const TIMES = Number(values.times)
const store = values.store === 'sqlite' ? 'sqlite' : 'postgres'
const ROOM = 10
const REQUESTS = 1000
/** Connections of this process: what queues beyond them is asked as soon as one is free. */
const AT_ONCE = 200

const town = await startTown(store, {
  'roles/tens.yaml': `role: tens
describe: Ten notes for each customer.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  tens.note:
    max: 1 notes
    attempts: 1000000
    budget: { name: ten, limit: 10 notes per day, by: input.customer }
`,
  'actions/tens.yaml': `action: tens.note
describe: Write a note for a customer.
effect: write
input:
  customer: { type: string, maxLength: 40 }
  text: { type: string, maxLength: 40 }
backend: pay
cost: { count: "1", of: notes }
request:
  POST: /v1/notes
  json: { text: "\${input.customer}", what: "\${input.text}", call: "\${call.id}" }
output: { keep: [id, status] }
`,
})
const wrong: string[] = []
const began = performance.now()
try {
  const tokens = await Promise.all(town.gates.map((gate) => gate.token('bot', 'tens')))
  for (let time = 0; time < TIMES; time++) {
    const customer = `cus-${time}`
    let next = 0
    let done = 0
    const ask = async (): Promise<void> => {
      for (let n = next++; n < REQUESTS; n = next++) {
        const which = n % town.gates.length
        const input = { customer, text: `note ${n}` }
        const answer = await town.gates[which]?.call(tokens[which] ?? '', 'tens.note', input, `${customer}-${n}`)
        if (answer?.body.status === 'done') done++
        else if (answer?.body.code !== 'denied') wrong.push(`${customer}: ${answer?.status} ${answer?.text}`)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, ask))
    const effects = town.happened.filter(({ name }) => name === customer).length
    if (effects !== ROOM || done !== ROOM) wrong.push(`${customer}: ${effects} effects, ${done} answered done`)
  }
} finally {
  await town.close()
}
const seconds = (performance.now() - began) / 1000
console.log(
  `${store}, ${town.gates.length} gateway${town.gates.length === 1 ? '' : 's'}: ${TIMES} times ${REQUESTS} requests at once, ` +
    `${AT_ONCE} connections, room for ${ROOM}: exactly ${ROOM} effects ${TIMES - wrong.length} times (${Math.round(seconds)} s)`,
)
for (const line of wrong.slice(0, 20)) console.log(`  ${line}`)
process.exitCode = wrong.length > 0 ? 1 : 0
