import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startLying } from '../backends/lying.ts'
import { keystay } from '../cli/keystay.ts'
import { ROOT } from '../demo/demo.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'

/** Types of every kind, and words that would like to be code. */
const KINDS = `action: kinds.all
describe: Everything. */ export type Actions = any /*
effect: write
input:
  text: { type: string, description: "ends the comment */ declare const x: number" }
  when: { enum: [now, "to-morrow"] }
  count: { type: integer, minimum: 1, maximum: 9 }
  share?: { type: number }
  sure: { type: boolean }
  tags?: { type: array, items: { enum: [a, b] } }
  lines: { type: array, items: { type: object, properties: { sku: { type: string }, "n?": { type: integer } } } }
backend: pay
request: { POST: /v1/kinds, json: { text: "\${input.text}" } }
output: { keep: [id, "data.*.id", "odd-name"] }
`
const ROLE = `role: kinds
describe: For types.
owners: [leads]
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  kinds.all:
  pay.look:
`

const HEAD = `import { connect, tokenFile } from 'CLIENT'
import type { Gateway, Outcome } from 'CLIENT'
import type { Actions } from './actions.ts'
const GOOD = { text: 'x', when: 'to-morrow', count: 1, sure: true, lines: [{ sku: 'a' }, { sku: 'b', n: 2 }] } as const
export async function ask(gw: Gateway<Actions>, any: Gateway, key: string) {
`
const GOOD = `
  const made = await gw.call('kinds.all', GOOD, { key })
  if (made.status === 'done' && !made.output_gone) return [made.action satisfies 'kinds.all', made.output.id, made.output['odd-name']]
  const looked = await gw.call('pay.look', { charge: 'ch_1' })
  if (looked.status === 'done' && !looked.output_gone) return [looked.output.amount]
  const given = await any.call<Actions>('pay.look', { charge: 'ch_1' })
  if (given.status === 'done' && given.action === 'pay.look' && !given.output_gone) return [given.output.amount]
  if (given.status === 'held') return [await given.wait({ within_ms: 5 }), await given.cancel(), given.need[0]?.of]
  const untyped = await any.call('whatever.it.is', { a: 1 })
  return [untyped.status]
}
export async function scope(): Promise<string> {
  await using gw = await connect<Actions>({ url: 'https://keystay.example', role: 'kinds', identity: tokenFile('/t') })
  return gw.session
}
export function handled(outcome: Outcome): string {
  switch (outcome.status) {
    case 'done': return JSON.stringify(outcome.output)
    case 'held': case 'running': case 'unknown': case 'needs_human': return outcome.call
    case 'denied': case 'refused': case 'rejected': case 'expired': case 'cancelled': case 'not_sent': return outcome.detail
    case 'error': return outcome.code
    default: return outcome satisfies never
  }
}
`
/** Each does not compile, and the compiler says what is wrong. */
const BAD: readonly (readonly [what: string, code: string, says: RegExp])[] = [
  ['an input of another type', `gw.call('pay.look', { charge: 7 })`, /'number' is not assignable to type 'string'/],
  ['a member too many', `gw.call('pay.look', { charge: 'a', colour: 'red' })`, /'colour' does not exist/],
  ['a member missing', `gw.call('kinds.all', { text: 'x' }, { key })`, /missing the following properties.*when, count/],
  [
    'a value that is not of the list',
    `gw.call('kinds.all', { ...GOOD, when: 'later' }, { key })`,
    /'"later"' is not assignable/,
  ],
  ['a part that does not fit', `gw.call('kinds.all', { ...GOOD, lines: [{ n: 1 }] }, { key })`, /'sku' is missing/],
  [
    'an action that the role has not',
    `gw.call('pay.refund', { charge: 'a' }, { key })`,
    /"pay.refund"' is not assignable/,
  ],
  ['a write without a key', `gw.call('kinds.all', GOOD)`, /TS2345/],
  ['types given to a call, and another input', `any.call<Actions>('pay.look', { text: 'x' })`, /'text' does not exist/],
  [
    'an output that was not asked about',
    `(await gw.call('pay.look', { charge: 'a' })).output`,
    /'output' does not exist/,
  ],
  [
    'a member of the output that nobody lets out',
    `const o = await gw.call('pay.look', { charge: 'a' }); if (o.status === 'done' && !o.output_gone) o.output.customer`,
    /'customer' does not exist/,
  ],
]
const FORGOTTEN = `export function forgets(outcome: Outcome): string {
  switch (outcome.status) {
    case 'done': return 'done'
    case 'denied': case 'refused': case 'rejected': case 'expired': case 'cancelled': case 'not_sent': case 'error': return 'no'
    case 'running': case 'unknown': case 'needs_human': return 'later'
    default: outcome satisfies never; return ''
  }
}
`

/** What the compiler says of the files in a folder. */
async function compiled(folder: string): Promise<string> {
  const kind = { target: 'esnext', module: 'nodenext', lib: ['esnext', 'dom'], types: ['node'] }
  const rules = { strict: true, skipLibCheck: true, allowImportingTsExtensions: true, noUncheckedIndexedAccess: true }
  const compilerOptions = { ...kind, ...rules, noEmit: true }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  return new Promise((resolve) => {
    const tsc = join(ROOT, 'node_modules/.bin/tsc')
    execFile(tsc, ['-p', folder, '--pretty', 'false'], { cwd: folder }, (_error, out) => resolve(out))
  })
}

describe('keystay types', function () {
  this.timeout(30_000)
  let folder: string
  let stop: () => Promise<void>
  let args: readonly string[]
  before(async () => {
    const pay = await startLying()
    const where = await company(
      { pay: pay.url, shop: pay.url, blind: pay.url },
      { 'actions/kinds.yaml': KINDS, 'roles/kinds.yaml': ROLE },
    )
    const gate = await house(where)
    // Beside the packages, so that the compiler finds them as an agent's would.
    const cache = join(ROOT, 'node_modules/.cache')
    await mkdir(cache, { recursive: true })
    folder = await mkdtemp(join(cache, 'types-'))
    args = [
      'types',
      '--role',
      'kinds',
      '--as',
      'bot',
      '--url',
      gate.running.agentUrl,
      '--admin-url',
      gate.running.adminUrl,
    ]
    stop = async () => {
      await gate.stop()
      await pay.close()
      await where.remove()
      await rm(folder, { recursive: true })
    }
  })
  after(() => stop())

  it('writes the actions of a role, the same text each time, and nothing of a policy gets out of its comment', async () => {
    const file = join(folder, 'actions.ts')
    const { exit, out, err } = await keystay([...args, '--out', file])
    assert.deepEqual([exit, out, err], [0, `${file}: 2 actions of kinds\n`, ''])
    const printed = await keystay(args)
    assert.equal(printed.out, EXPECTED)
  })

  it('holds an agent to them: what fits compiles, each thing that does not fit is an error', async () => {
    await writeFile(join(folder, 'actions.ts'), EXPECTED)
    const client = join(ROOT, 'client/index.ts')
    const head = HEAD.replaceAll('CLIENT', client)
    await writeFile(join(folder, 'good.ts'), head + GOOD)
    await Promise.all(
      BAD.map(([, code], at) =>
        writeFile(
          join(folder, `bad-${at}.ts`),
          `${head}  await (async () => { ${code} })()\n  return [connect, tokenFile, {} as Outcome]\n}\n`,
        ),
      ),
    )
    await writeFile(join(folder, 'forgotten.ts'), `import type { Outcome } from '${client}'\n${FORGOTTEN}`)
    const said = await compiled(folder)
    // An error begins at the start of a line; what it says goes on below.
    const errors = said.split(/^(?=\S)/m).filter((text) => text.trim() !== '')
    const of = (file: string) => errors.filter((text) => text.startsWith(`${file}(`))
    assert.deepEqual(of('good.ts'), [])
    for (const [at, [what, , says]] of BAD.entries()) {
      const [first = '', ...more] = of(`bad-${at}.ts`)
      assert.deepEqual([says.test(first), more], [true, []], `${what}: ${first}`)
    }
    assert.match(of('forgotten.ts').join(), /'Held<.*does not satisfy the expected type 'never'/)
    assert.equal(errors.length, BAD.length + 1, said)
  })

  it('is described by examples that compile', async () => {
    const page = await readFile(join(ROOT, 'docs/client.md'), 'utf8')
    const examples = [...page.matchAll(/^```ts\n(.+?)^```$/gms)].map(([, code = '']) => code)
    assert.equal(examples.length, 4)
    const docs = join(folder, 'docs')
    await mkdir(docs)
    for (const [at, code] of examples.entries()) {
      const name = code.startsWith('export type Actions') ? 'actions.ts' : `example-${at}.ts`
      const own = code.replace("'keystay/client'", `'${join(ROOT, 'client/index.ts')}'`)
      await writeFile(join(docs, name), own.replace("'keystay/client/ai'", `'${join(ROOT, 'client/ai.ts')}'`))
    }
    assert.equal(await compiled(docs), '')
  })

  it('says where it cannot write, and ends its session', async () => {
    const { exit, err } = await keystay([...args, '--out', join(folder, 'no/such/folder.ts')])
    assert.deepEqual([exit, err.includes('cannot be written (ENOENT)')], [2, true])
  })
})

const EXPECTED = String.raw`// What the role kinds may do. Written by keystay types; run it again when the policy changes.
export type Actions = {
  /** Everything. *\/ export type Actions = any /* */
  "kinds.all": {
    effect: "write"
    input: {
      /** ends the comment *\/ declare const x: number. maxLength 1000 */
      text: string
      when: "now" | "to-morrow"
      /** minimum 1, maximum 9 */
      count: number
      share?: number
      sure: boolean
      /** maxItems 100 */
      tags?: readonly ("a" | "b")[]
      /** maxItems 100 */
      lines: readonly {
        /** maxLength 1000 */
        sku: string
        n?: number
      }[]
    }
    output: {
      id?: unknown
      data?: unknown
      "odd-name"?: unknown
    }
  }
  /** Look at a charge. */
  "pay.look": {
    effect: "read"
    input: {
      /** pattern ^ch_[A-Za-z0-9]{1,64}$, maxLength 1000 */
      charge: string
    }
    output: {
      id?: unknown
      amount?: unknown
    }
  }
}
`
