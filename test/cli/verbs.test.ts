import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clock } from '../../gateway/cli/print.ts'
import { heldStory, problem, startContractServer, type ContractServer } from './contract-server.ts'
import { keystay } from './keystay.ts'

describe('the command line', () => {
  let gateway: ContractServer
  let folder: string
  const run = (args: readonly string[], stdin = '') =>
    keystay(args, { stdin, env: { KEYSTAY_URL: gateway.url, KEYSTAY_ADMIN_URL: gateway.url } })

  before(async () => {
    gateway = await startContractServer()
    folder = await mkdtemp(join(tmpdir(), 'keystay-cli-'))
    await writeFile(join(folder, 'dana.jwt'), 'a.dana.b\n')
    await writeFile(join(folder, 'input.json'), '{"amount": 1, "amount": 2}')
  })
  after(async () => {
    await gateway.close()
    await rm(folder, { recursive: true })
  })
  beforeEach(() => {
    gateway.asked.length = 0
    gateway.stories.clear()
    gateway.actions.clear()
  })

  describe('exits', () => {
    const closed = ['--admin-url', 'http://127.0.0.1:9', '--url', 'http://127.0.0.1:9']
    const call = ['call', 'stripe.refund', '--role', 'support-agent', '--key', 'k']
    const table: [string, number, readonly string[], string][] = [
      ['for help', 0, ['--help'], ''],
      ['for the version', 0, ['--version'], ''],
      ['without a verb', 2, [], 'Usage: keystay'],
      ['for an unknown verb, with the nearest', 2, ['aprovals', 'list'], 'Did you mean approvals?'],
      ['for an unknown option, with the nearest', 2, ['calls', 'list', '--jsn'], 'Did you mean --json?'],
      ['for a missing reason', 2, ['approvals', 'reject', 'call_1', '--as', 'dana'], "'--reason <text>' not specified"],
      ['for nobody signed in', 2, ['approvals', 'list'], 'Say who you are'],
      [
        'for a token file that is not there',
        2,
        ['calls', 'list', '--token-file', '/nowhere'],
        'cannot be read (ENOENT)',
      ],
      ['for what is no id', 2, ['approvals', 'approve', '../x', '--as', 'dana'], 'is not the id of a call'],
      [
        'for what cannot be frozen',
        2,
        ['freeze', 'roles', 'x', '--reason', 'y', '--as', 'sam'],
        'role NAME, action NAME, or all',
      ],
      ['for input that is no JSON', 2, [...call, '--input', '{'], '--input is not JSON'],
      ['for an address that is no URL', 2, ['calls', 'list', '--as', 'dana', '--admin-url', 'nowhere'], 'is not a URL'],
      [
        'for a token over plain http to another machine',
        2,
        ['calls', 'list', '--as', 'dana', '--admin-url', 'http://10.0.0.1'],
        'Use https',
      ],
      ['for a time that is none', 2, ['calls', 'list', '--as', 'dana', '--since', 'lunch'], 'write a time'],
      ['for a call that is not there', 1, ['calls', 'show', 'call_9', '--as', 'dana'], 'no_such_call'],
      [
        'for a person who may not',
        5,
        ['freeze', 'all', '--reason', 'x', '--as', 'dana'],
        'Only security may freeze. (not_eligible)',
      ],
      ['for an account that is not there', 5, ['calls', 'list', '--as', 'nobody'], 'There is no account nobody'],
      ['for a role that is not granted', 5, ['call', 'a.b', '--role', 'root'], 'invalid_scope'],
      [
        'when no gateway runs',
        8,
        ['calls', 'list', '--as', 'dana', ...closed.slice(0, 2)],
        'npm start (the demo) or keystay serve',
      ],
      ['when no gateway runs, for a call', 8, [...call, ...closed], 'npm start (the demo) or keystay serve'],
    ]
    for (const [name, exit, args, says] of table) {
      it(`${exit} ${name}`, async () => {
        const ran = await run(args)
        deepEqual({ exit: ran.exit, says: ran.err.includes(says) ? says : ran.err }, { exit, says })
      })
    }
    const answers: [string, number, { status: number; body: unknown }][] = [
      ['done', 0, { status: 200, body: { status: 'done' } }],
      ['held', 6, { status: 202, body: { status: 'held' } }],
      ['in doubt', 1, { status: 202, body: { status: 'unknown' } }],
      ['denied', 5, problem('denied', 'never more than 200.00 USD at once')],
      ['not granted', 5, problem('not_granted', 'no')],
      ['frozen', 5, problem('frozen', 'no')],
      ['limited', 5, problem('rate_limited', 'no')],
      ['rejected', 5, problem('rejected', 'no')],
      ['refused by the backend', 1, problem('backend_refused', 'no')],
      ['invalid', 1, problem('input_invalid', 'no')],
      ['not sent', 1, problem('backend_unavailable', 'no')],
    ]
    for (const [name, exit, answer] of answers) {
      it(`${exit} for a call that is ${name}, printing the answer`, async () => {
        gateway.actions.set('stripe.refund', answer)
        const ran = await run([...call, '--json'])
        deepEqual(
          { exit: ran.exit, body: JSON.parse(ran.out) as unknown, err: ran.err },
          { exit, body: answer.body, err: '' },
        )
      })
    }
  })

  describe('call', () => {
    it('opens a session, sends the input as it was written, ends the session', async () => {
      gateway.actions.set('stripe.refund', { status: 200, body: { status: 'done' } })
      const ran = await run([
        'call',
        'stripe.refund',
        '--role',
        'support-agent',
        '--key',
        'T-1/refund-1',
        '--input',
        `@${join(folder, 'input.json')}`,
      ])
      equal(ran.exit, 0)
      match(
        gateway.asked[1] ?? '',
        /^POST \/oauth\/token .*token-exchange.*subject_token=a\.support-bot\.b.*scope=role%3Asupport-agent$/,
      )
      deepEqual(
        [gateway.asked[0], ...gateway.asked.slice(2)],
        [
          'POST /dev/token {"role":"support-agent"}',
          'POST /v1/actions/stripe.refund {"amount": 1, "amount": 2} kst_test key=T-1/refund-1',
          'DELETE /v1/session kst_test',
        ],
      )
      equal(ran.out, '{\n  "status": "done"\n}\n')
    })
    it('reads standard input, and ends the session after a problem too', async () => {
      equal(
        (
          await run(
            ['call', 'x.y', '--role', 'support-agent', '--token-file', join(folder, 'dana.jwt'), '--input', '-'],
            '{"a": 1}',
          )
        ).exit,
        5,
      )
      deepEqual(gateway.asked.slice(1), ['POST /v1/actions/x.y {"a": 1} kst_test', 'DELETE /v1/session kst_test'])
    })
  })

  describe('approvals', () => {
    it('lists what is held, every page, as plain lines where there is no terminal', async () => {
      for (const id of ['call_1', 'call_2', 'call_3'])
        gateway.stories.set(id, heldStory(id, { summary: `Refund\t${id}` }))
      gateway.stories.set('call_4', heldStory('call_4', { status: 'done', state: 'done' }))
      const { exit, out } = await run(['approvals', 'list', '--as', 'dana'])
      equal(exit, 0)
      deepEqual(out.split('\n'), [
        ...['call_1', 'call_2', 'call_3'].map(
          (id) => `${id}\tRefund\\t${id}\tsupport-agent\t1 of finance (has 0)\t${clock('2026-11-23T19:00:00Z')}`,
        ),
        '',
      ])
      const json = JSON.parse((await run(['approvals', 'list', '--as', 'dana', '--json'])).out) as {
        calls: { call: string }[]
      }
      deepEqual(
        json.calls.map((call) => call.call),
        ['call_1', 'call_2', 'call_3'],
      )
    })
    it('says how to see one where none is held', async () => {
      deepEqual(await run(['approvals', 'list', '--as', 'dana']), {
        exit: 0,
        out: 'No held calls. To see one: npm run agent\n',
        err: '',
      })
    })
    it('prints the card, then approves exactly that card', async () => {
      gateway.stories.set('call_1', heldStory('call_1'))
      const { exit, out } = await run(['approvals', 'approve', 'call_1', '--token-file', join(folder, 'dana.jwt')])
      equal(exit, 0)
      match(
        out,
        /^Refund 120\.00 USD on ch_Demo00000003 .*\nWILL SEND .*\ncall_1 {2}card sha256:c4rd\napproved and done: Refund 120\.00 USD on ch_Demo00000003\n$/s,
      )
      deepEqual(gateway.asked, [
        'GET /admin/v1/calls/call_1 a.dana.b',
        'POST /admin/v1/calls/call_1/approve {"card":"sha256:c4rd"} a.dana.b',
      ])
    })
    it('says what is still missing, and exits 6, where one yes is not enough', async () => {
      gateway.stories.set('call_1', heldStory('call_1', { need: [{ line: 'a', count: 2, of: 'finance', have: 0 }] }))
      const first = await run(['approvals', 'approve', 'call_1', '--as', 'dana'])
      deepEqual(
        [first.exit, first.out.trimEnd().split('\n').at(-1)],
        [6, 'Your yes is counted. Still held: needs 2 of finance (has 1).'],
      )
      equal((await run(['approvals', 'approve', 'call_1', '--as', 'omar'])).exit, 0)
    })
    it('does not approve what is not held', async () => {
      gateway.stories.set(
        'call_1',
        heldStory('call_1', { status: 'done', state: 'done', card: null, expires_at: null }),
      )
      const { exit, err } = await run(['approvals', 'approve', 'call_1', '--as', 'dana'])
      deepEqual([exit, err], [1, 'keystay: Nothing to approve: the call is done.\n'])
      equal(
        gateway.asked.some((line) => line.includes('/approve')),
        false,
      )
    })
    it('rejects with a reason', async () => {
      gateway.stories.set('call_1', heldStory('call_1'))
      const { exit, out } = await run(['approvals', 'reject', 'call_1', '--reason', 'not the customer', '--as', 'dana'])
      deepEqual([exit, out], [0, 'rejected: Refund 120.00 USD on ch_Demo00000003. The agent is told why.\n'])
      equal(gateway.asked.at(-1), 'POST /admin/v1/calls/call_1/reject {"reason":"not the customer"} a.dana.b')
    })
  })

  describe('calls, sessions, switches, actions', () => {
    it('filters calls', async () => {
      equal(
        (
          await run([
            'calls',
            'list',
            '--as',
            'dana',
            '--status',
            'denied',
            '--role',
            'r',
            '--since',
            '2026-11-23',
            '--limit',
            '5',
          ])
        ).out,
        'No calls. To see some: npm run agent\n',
      )
      equal(gateway.asked[1], 'GET /admin/v1/calls?role=r&status=denied&since=2026-11-23T00%3A00%3A00.000Z a.dana.b')
    })
    it('shows a story with its entries', async () => {
      gateway.stories.set(
        'call_1',
        heldStory('call_1', { entries: [{ id: 'ent_1', at: '2026-11-23T15:00:00.000Z', kind: 'call.held' }] }),
      )
      match(
        (await run(['calls', 'show', 'call_1', '--as', 'dana'])).out,
        /2026-11-23T15:00:00\.000Z {2}call\.held {2}ent_1\n$/,
      )
    })
    it('counts the first of two words on a call in doubt', async () => {
      gateway.stories.set('call_1', heldStory('call_1', { status: 'needs_human', state: 'needs_human' }))
      const { exit, out } = await run([
        'calls',
        'settle',
        'call_1',
        'done',
        '--reason',
        'seen in the dashboard',
        '--as',
        'dana',
      ])
      deepEqual([exit, out], [0, 'Your word is counted. One more person must say the same.\n'])
      equal((await run(['calls', 'settle', 'call_1', 'maybe', '--reason', 'x', '--as', 'dana'])).exit, 2)
    })
    it('lists and revokes sessions', async () => {
      equal(
        (await run(['session', 'list', '--as', 'dana'])).out,
        `ses_1\tsupport-agent\tdemo:support-bot\t${clock('2026-11-23T15:00:00Z')}\t${clock('2026-11-23T17:00:00Z')}\n`,
      )
      equal(gateway.asked[1], 'GET /admin/v1/sessions?live=true&limit=100 a.dana.b')
      equal(
        (await run(['session', 'revoke', 'ses_1', '--as', 'dana'])).out,
        'ses_1 is revoked: no effect of it starts from now on.\n',
      )
    })
    for (const [args, name, on, says] of [
      [['freeze', 'all'], 'all', true, 'Everything is frozen.'],
      [['freeze', 'role', 'support-agent'], 'role:support-agent', true, 'The role support-agent is frozen.'],
      [['thaw', 'action', 'stripe.refund'], 'action:stripe.refund', false, 'The action stripe.refund is thawed.'],
    ] as const) {
      it(args.join(' '), async () => {
        const { exit, out } = await run([...args, '--reason', 'drill', '--as', 'sam'])
        deepEqual([exit, out.startsWith(says)], [0, true])
        equal(gateway.asked[1], `PUT /admin/v1/switches/${name} {"on":${on},"reason":"drill"} a.sam.b`)
      })
    }
    it('tails the log, oldest first', async () => {
      for (const id of ['call_3', 'call_2', 'call_1']) gateway.stories.set(id, heldStory(id))
      const { out } = await run(['actions', 'tail', '--as', 'dana', '--lines', '2'])
      deepEqual(
        out.split('\n').map((line) => line.split('\t')[1]),
        ['call_2', 'call_3', undefined],
      )
      const json = (await run(['actions', 'tail', '--as', 'dana', '--json'])).out.trimEnd().split('\n')
      deepEqual(
        json.map((line) => (JSON.parse(line) as { call: string }).call),
        ['call_1', 'call_2', 'call_3'],
      )
    })
  })

  it('prints the problem with --json, and no secret token in any answer', async () => {
    const { exit, out, err } = await run(['calls', 'show', 'call_9', '--as', 'dana', '--json'])
    equal(exit, 1)
    equal((JSON.parse(out) as { problem: { code: string } }).problem.code, 'no_such_call')
    ok(!err.includes('a.dana.b'))
  })
  it('says that --as needs a gateway in --dev', async () => {
    const strict = await startContractServer(false)
    const { exit, err } = await run(['calls', 'list', '--as', 'dana', '--admin-url', strict.url])
    await strict.close()
    deepEqual([exit, err.includes('is not in --dev')], [2, true])
  })
})
