import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { makeKeys } from '../../deploy/demo/keys.ts'
import { keystay } from '../cli/keystay.ts'
import { interrupt, prepareDemo, ROOT, startProcess, type Demo, type Started } from './demo.ts'

describe('the first run', () => {
  let demo: Demo
  let gateway: Started
  let began: number

  before(async () => {
    demo = await prepareDemo()
    began = performance.now()
    gateway = demo.start()
    await gateway.until('npm run agent')
  })
  after(async () => {
    await interrupt(gateway)
    await demo.remove()
  })

  const cli = (...args: string[]) => keystay(args, { env: demo.env })
  const agent = (...args: string[]) => startProcess(['deploy/demo/agent.ts', ...args], demo.env)

  it('starts with one line for each thing that is ready', () => {
    const host = (name: string) => new URL(demo.env[name] ?? '').host
    const orders = /orders (\S+)/.exec(gateway.out())?.[1]
    equal(
      gateway
        .out()
        .replace(/\+[0-9a-f]{8}…/, '+3f2a…')
        .replaceAll(/\/in\/[0-9A-Z]{4}-[0-9A-Z]{2}/g, '/in/7QK2-M9'),
      [
        'keystay 0.1.0  DEMO: loopback only, sandbox backends, keys made for this run',
        ' ok  policies   3 roles, 6 actions',
        ' ok  secrets    age file: stripe/restricted_key, orders/write_key          no agent will ever see them',
        ` ok  sandbox    payments ${host('KEYSTAY_DEMO_PAYMENTS_URL')}, orders ${orders}   (stateful, idempotent, fail on demand)`,
        ' ok  ledger     new, checkpoint 4, key keystay.demo+3f2a…',
        `     agents     ${demo.env['KEYSTAY_URL']}/v1     MCP ${demo.env['KEYSTAY_URL']}/mcp`,
        `     stripe     http://${demo.env['KEYSTAY_STRIPE_LISTEN']}   (for the official SDK: docs/stripe.md)`,
        `     console    ${demo.env['KEYSTAY_ADMIN_URL']}/in/7QK2-M9  Dana, finance   …/in/7QK2-M9  Omar, finance   …/in/7QK2-M9  Sam, security   (each works once)`,
        '     approve    npx keystay approvals list --as dana',
        '     next       in a second terminal: npm run agent',
        '',
      ].join('\n'),
    )
    equal(gateway.err(), '')
  })

  it('signs the people of the demo in with a browser, by a link that works once', async () => {
    const link = /console {4}(\S+)/.exec(gateway.out())?.[1] ?? ''
    const cookie = (await fetch(link)).headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const me = await fetch(`${demo.env['KEYSTAY_ADMIN_URL']}/admin/v1/me`, { headers: { cookie } })
    equal(((await me.json()) as { person: { id: string } }).person.id, 'demo:dana')
    equal((await fetch(link)).status, 403)
  })

  it('refuses to begin anew beneath a running demo, and names the port', async () => {
    const before = await stat(demo.store)
    const second = demo.start()
    equal(await second.ended, 2)
    match(
      second.err(),
      /^Port \d+ \(for agents\) is in use\. Stop what runs there .*KEYSTAY_LISTEN=127\.0\.0\.1:PORT npm start\n$/,
    )
    equal((await stat(demo.store)).ino, before.ino)
  })

  it('does one refund, denies one, and does one after a person’s yes', async () => {
    const script = agent()
    const held = await script.until(' held ')
    ok(performance.now() - began < 60_000, 'the first action was enforced within 60 s of npm start')
    const id = /call_\w{26}/.exec(held)?.[0] ?? ''

    const listed = await cli('approvals', 'list', '--as', 'dana')
    match(
      listed.out,
      new RegExp(`^${id}\tRefund 120\\.00 USD on ch_Demo00000003\tsupport-agent\t1 of finance \\(has 0\\)\t.*\n$`),
    )
    const approved = await cli('approvals', 'approve', id, '--as', 'dana')
    equal(approved.exit, 0, approved.err)
    for (const part of [
      /^Refund 120\.00 USD on ch_Demo00000003 {10,}expires /,
      /^ {2}charge\.amount {11}18000$/m,
      /^ {2}\| note {4}"Customer says item arrived broken\."$/m,
      /^ASKED BY {5}demo:support-bot, role support-agent, at (?:\d{4}-\d\d-\d\d )?\d\d:\d\d\n {13}session ses_\w{26}$/m,
      /^WILL SEND {4}POST \/v1\/refunds$/m,
      /^ {13}form\.amount = 12000$/m,
      /^ {13}can be taken back: no$/m,
      /^WHY HELD {5}.*needs 1 of finance, has 0$/m,
      /^LIMITS {7}daily: 30\.00 USD used, 120\.00 USD held, of 500\.00 USD per day$/m,
      /\napproved and done: Refund 120\.00 USD on ch_Demo00000003\n$/,
    ]) {
      match(approved.out, part)
    }

    // What the README shows is what was printed, line for line.
    const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
    const shown = /What Dana sees[^]*?```\n([^]*?)\n```/.exec(readme)?.[1] ?? ''
    const timeless = (text: string) =>
      text
        // A hold that ends after midnight shows its day, and is set as wide.
        .replace(/ +expires .*/g, ' expires 00:00')
        .replace(/^-+$/gm, '---')
        .replace(/\d\d:\d\d/g, '00:00')
        .replace(/ses_\S+/g, 'ses_…')
        .split('\n')
    const printed = new Set(timeless(approved.out))
    deepEqual(
      timeless(shown).filter((line) => !printed.has(line)),
      [],
    )
    ok(timeless(shown).length > 15)

    equal(await script.ended, 0, script.err())
    deepEqual(
      script
        .out()
        .replace(/ses_\w{26}/, 'ses_…')
        .replace(/call_\w{26}/, 'call_…')
        .replace(/until [\d-]*[ T]?\d\d:\d\d/, 'until …')
        .replace(/approved (by Dana )?after \d+ s/, 'approved by Dana after … s')
        .split('\n'),
      [
        'session ses_… support-agent, 2 h, asked by demo:support-bot',
        '1 refund $30.00   done     re_1   today 30.00 of 500.00',
        '2 refund $900.00  denied   grants.stripe.refund.max: never more than 200.00 USD at once. Totals per customer count too. Next: case.escalate',
        '3 refund $120.00  held     1 of finance, until …   npx keystay approvals approve call_… --as dana',
        '3 refund $120.00  done     approved by Dana after … s, re_2   today 150.00 of 500.00',
        '',
      ],
    )
    const effects = (await (await fetch(`${demo.env['KEYSTAY_DEMO_PAYMENTS_URL']}/sandbox/effects`)).json()) as {
      effects: { amount: number; metadata: { keystay_call: string } }[]
    }
    deepEqual(
      effects.effects.map(({ amount }) => amount),
      [3000, 12000],
    )
    equal(effects.effects[1]?.metadata.keystay_call, id)
  })

  it('approves nothing twice, and lets only the eligible decide', async () => {
    const script = agent('--no-wait')
    equal(await script.ended, 0, script.err())
    const id = /call_\w{26}/.exec(script.out())?.[0] ?? ''
    deepEqual(
      [
        (await cli('approvals', 'approve', id, '--as', 'sam')).exit,
        (await cli('approvals', 'reject', id, '--reason', 'no', '--as', 'lee')).exit,
      ],
      [5, 5],
    )
    equal((await cli('approvals', 'reject', id, '--reason', 'not the customer', '--as', 'omar')).exit, 0)
    const again = await cli('approvals', 'approve', id, '--as', 'dana')
    deepEqual([again.exit, again.err], [1, 'keystay: Nothing to approve: the call is rejected.\n'])
  })

  it('verifies the ledger, as a store and as an export', async () => {
    // The head is signed once a second: what came after it stands unsigned for as long.
    let verified = await cli('ledger', 'verify')
    for (let turn = 0; turn < 5 && / signed at /.test(verified.out); turn++) verified = await cli('ledger', 'verify')
    match(verified.out, /^ok: (\d+) entries, tree of \1, checkpoint signed, 3 effects, 180\.00 USD\n$/)
    equal(verified.exit, 0)
    const out = join(demo.folder, 'export')
    equal((await cli('ledger', 'export', '--out', out)).exit, 0)
    const offline = await cli('ledger', 'verify', '--export', out, '--public-key', `${demo.store}.pub`)
    deepEqual(offline, { exit: 0, out: verified.out, err: '' })
    const lines = (await cli('ledger', 'export')).out.trimEnd().split('\n')
    equal(lines.length, Number(/ok: (\d+)/.exec(verified.out)?.[1]))
    ok(lines.every((line) => typeof (JSON.parse(line) as { id: unknown }).id === 'string'))
  })

  it('finds one flipped byte, in a store and in an export', async () => {
    const folder = join(demo.folder, 'flipped')
    await mkdir(folder)
    const file = join(folder, 'keystay.db')
    // The store is being served: two files that are copied one after the other may be of two moments.
    const served = new DatabaseSync(demo.store, { readOnly: true })
    await backup(served, file)
    served.close()
    equal((await cli('ledger', 'verify', '--store', `sqlite:${file}`)).exit, 0)
    const database = new DatabaseSync(file)
    const { idx } = database.prepare(`SELECT min(idx) AS idx FROM entries WHERE bytes LIKE '%support-bot%'`).get() ?? {}
    database.exec(`UPDATE entries SET bytes = replace(bytes, 'support-bot', 'support-boT') WHERE idx = ${Number(idx)}`)
    database.close()
    const found = await cli('ledger', 'verify', '--store', `sqlite:${file}`)
    equal(found.exit, 7)
    ok(found.out.startsWith(`FAILED at entry ${Number(idx)}: content does not match its hash\n`), found.out)

    const entries = join(demo.folder, 'export', 'entries.jsonl')
    const text = await readFile(entries, 'utf8')
    await writeFile(entries, text.replace('support-bot', 'support-boT'))
    const offline = await cli(
      'ledger',
      'verify',
      '--export',
      join(demo.folder, 'export'),
      '--public-key',
      `${demo.store}.pub`,
    )
    equal(offline.exit, 7)
    match(offline.out, /^FAILED/)
  })

  it('makes calls from the command line, through a freeze and a thaw', async () => {
    const charge = (
      (await (
        await fetch(`${demo.env['KEYSTAY_DEMO_PAYMENTS_URL']}/sandbox/charges`, {
          method: 'POST',
          body: '{"amount": 5000, "currency": "usd"}',
        })
      ).json()) as { id: string }
    ).id
    const refund = (key: string, amount: number) =>
      cli(
        'call',
        'stripe.refund',
        '--role',
        'support-agent',
        '--as',
        'support-bot',
        '--key',
        key,
        '--input',
        JSON.stringify({ charge, amount, reason: 'duplicate' }),
        '--json',
      )
    const exits = async () => (await refund('T-1/refund-1', 100)).exit
    equal((await cli('freeze', 'action', 'stripe.refund', '--reason', 'drill', '--as', 'sam')).exit, 0)
    equal(await exits(), 5)
    equal((await cli('thaw', 'action', 'stripe.refund', '--reason', 'drill over', '--as', 'sam')).exit, 0)
    equal(await exits(), 0)
    equal(await exits(), 0)
    equal((await refund('T-1/refund-1', 101)).exit, 1)
    equal((await refund('T-1/refund-2', 4901)).exit, 5)
    const log = await cli('actions', 'tail', '--as', 'dana', '--lines', '1')
    match(log.out, /\tdenied\tstripe\.refund\tsupport-agent\tRefund 49\.01 USD on /)
  })

  it('holds work for approvers and ends, and what it asked for runs when somebody says yes', async () => {
    const script = agent('--hold')
    equal(await script.ended, 0, script.err())
    deepEqual(
      script
        .out()
        .replace(/ses_\w{26}/, 'ses_…')
        .replace(/call_\w{26}/g, 'call_…')
        .replace(/until [\d-]*[ T]?\d\d:\d\d/g, 'until …')
        .split('\n'),
      [
        'session ses_… support-agent, 2 h, asked by demo:support-bot',
        '1 refund $60.00   held     1 of finance, until …   npx keystay approvals approve call_… --as dana',
        '2 refund $60.00   held     1 of finance, until …   npx keystay approvals approve call_… --as dana',
        '3 refund $160.00  held     2 of finance, until …   npx keystay approvals approve call_… --as dana',
        `in a browser: ${demo.env['KEYSTAY_ADMIN_URL']}/console/   (sign in by a link that npm start printed)`,
        '',
      ],
    )
    const ids = script.out().match(/call_\w{26}/g) ?? []
    const approved = await cli('approvals', 'approve', ids[0] ?? '', '--as', 'dana')
    match(approved.out, /\napproved and done: Refund 60\.00 USD on /)
  })

  it('says when the day’s budget is used up, and how to begin anew', async () => {
    let last = agent('--no-wait')
    for (let run = 0; run < 8 && (await last.ended) === 0; run++) last = agent('--no-wait')
    equal(await last.ended, 5)
    match(last.out(), /denied +grants\.stripe\.refund\.daily: /)
    equal(
      last.err(),
      'The day’s budget of this demo is used up. To begin a new day: Ctrl-C in the first terminal, then npm start.\n',
    )
  })

  it('leaves no key of a backend in what anybody sees', async () => {
    const key = /sk_test_[0-9a-f]{36}|demo_[0-9a-f]{36}/
    ok(Object.values(makeKeys()).every((made) => key.test(made)))
    const seen = [
      gateway.out(),
      gateway.err(),
      (await cli('calls', 'list', '--as', 'dana', '--json')).out,
      (await cli('ledger', 'export')).out,
    ]
    for (const text of [
      ...seen,
      await readFile(demo.store, 'latin1'),
      await readFile(`${demo.store}.secrets.age`, 'latin1'),
    ])
      ok(!key.test(text))
  })
})

describe('npm start', () => {
  let demo: Demo
  before(async () => {
    demo = await prepareDemo()
  })
  after(() => demo.remove())

  it('begins anew at each start, and stops cleanly', async () => {
    for (const _ of [1, 2]) {
      const gateway = demo.start()
      await gateway.until('npm run agent')
      match(gateway.out(), /ledger {5}new, checkpoint 4,/)
      const agent = startProcess(['deploy/demo/agent.ts', '--no-wait'], demo.env)
      equal(await agent.ended, 0, agent.err())
      match(agent.out(), /^1 refund .* re_1 {3}today 30\.00 of 500\.00$/m)
      equal(await interrupt(gateway), 0)
      equal(gateway.err(), '')
    }
  })

  it('does not throw away a store that it did not make', async () => {
    const folder = join(demo.folder, 'mine')
    await mkdir(folder)
    await writeFile(join(folder, 'keystay.db'), 'a ledger of somebody')
    const gateway = startProcess(['deploy/demo/start.mjs'], {
      ...demo.env,
      KEYSTAY_STORE: `sqlite:${join(folder, 'keystay.db')}`,
    })
    equal(await gateway.ended, 2)
    match(gateway.err(), /was not made by npm start/)
    equal(await readFile(join(folder, 'keystay.db'), 'utf8'), 'a ledger of somebody')
  })

  it('shows a policy’s errors with their lines, and starts nothing', async () => {
    const file = join(demo.policies, 'roles/order-desk.yaml')
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replace('orders.get:', 'orders.gett:'))
    const gateway = demo.start()
    equal(await gateway.ended, 3)
    const finding =
      /^roles\/order-desk\.yaml:9:3: error: there is no action `orders\.gett`\n {6}orders\.gett:\n {6}\^+\n {4}hint: did you mean `orders\.get`\?$/m
    match(gateway.err(), /^The policy in .* has errors; nothing was started\.\n\n/)
    match(gateway.err(), finding)
    const checked = await keystay(['policy', 'check'], { env: demo.env })
    equal(checked.exit, 3)
    match(checked.out, finding)
    match(checked.out, /\nFAILED: 2 errors\n$/)
    await writeFile(file, text)
    match(
      (await keystay(['policy', 'check'], { env: demo.env })).out,
      /^ok: 3 roles, 6 actions, sha256:[0-9a-f]{64}\n$/,
    )
  })

  it('tells the agent script to start it, where nothing runs', async () => {
    const agent = startProcess(['deploy/demo/agent.ts'], demo.env)
    equal(await agent.ended, 8)
    match(
      agent.err(),
      /^Nobody answers at http:\/\/127\.0\.0\.1:\d+\. Start the demo in another terminal: npm start\n$/,
    )
  })

  it('says one line on an older Node', async () => {
    // the file itself, read as an older Node would report its version
    const source = await readFile(join(ROOT, 'deploy/demo/start.mjs'), 'utf8')
    const file = join(demo.folder, 'start.mjs')
    await writeFile(file, `Object.defineProperty(process.versions, 'node', { value: '20.20.2' });\n${source}`)
    const old = startProcess([file], {})
    deepEqual(
      [await old.ended, old.out(), old.err()],
      [2, '', 'Keystay needs Node 24. You have 20.20: nvm install 24\n'],
    )
  })
})
