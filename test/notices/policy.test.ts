import assert from 'node:assert/strict'
import { compile, formatFinding } from '../../gateway/core/compile.ts'
import type { CompiledPolicy } from '../../gateway/core/compile.ts'
import { decidedOf, planOf, waitOf } from '../../gateway/core/notice-plan.ts'
import type { Call, Policy } from '../../gateway/core/types.ts'
import { COMPANY, FILES, schemas } from '../policy/company.ts'

const NOTIFY = `channels:
  hook: { webhook: "https://hooks.example.com/keystay", secret: age://notify/hook }
  mail: { smtp: "smtps://mail.example.com", user: keystay, password: age://notify/mail, from: k@example.com, to: [f@example.com] }
  chat: { slack: age://notify/slack }
  team: { teams: vault://kv/notify#teams }
notify: { default: [hook], escalate: [team], retry: [5s, 1h] }
`

/** The company with these channels; `notify` stands at the group and at the first line. */
function policyOf(notify: string, line = 'notify: [mail, chat], escalate: [hook]', group = ''): CompiledPolicy {
  const files: { [path: string]: string } = { ...COMPANY, 'notify.yaml': notify }
  files['role.yaml'] = (COMPANY['role.yaml'] ?? '').replace('expires: 4h }', `expires: 4h, ${line} }`)
  files['identity.yaml'] = (COMPANY['identity.yaml'] ?? '').replace(
    `'"finance" in claims.groups' }`,
    `'"finance" in claims.groups'${group} }`,
  )
  const texts = Object.entries(files).map(([path, text]) => ({ path, text }))
  return compile(texts, schemas, { files: new Map(Object.entries(FILES)) })
}

function compiled(...given: Parameters<typeof policyOf>): Policy {
  const made = policyOf(...given)
  return made.ok ? made.policy : assert.fail(made.findings.map(formatFinding).join('\n'))
}

describe('channels in a policy', () => {
  it('are compiled with what each needs, and leave no finding', () => {
    const made = policyOf(NOTIFY)
    assert.ok(made.ok)
    assert.deepEqual(made.warnings, [])
    const { notify } = made.policy
    assert.deepEqual(notify?.retry_ms, [5000, 3_600_000])
    assert.deepEqual(
      [...(notify?.channels.values() ?? [])].map(({ name, kind, address, secrets }) => [name, kind, address, secrets]),
      [
        ['hook', 'webhook', 'https://hooks.example.com/keystay', ['age://notify/hook']],
        ['mail', 'smtp', 'smtps://mail.example.com', ['age://notify/mail']],
        ['chat', 'slack', null, ['age://notify/slack']],
        ['team', 'teams', null, ['vault://kv/notify#teams']],
      ],
    )
  })

  const channel = (line: string): string =>
    `channels: { hook: ${line}, mail: { slack: age://a }, chat: { slack: age://b } }\nnotify: { default: [hook] }\n`
  for (const [what, notify, finding, hint] of [
    [
      'plain http: to the internet',
      channel('{ webhook: "http://hooks.example.com/", secret: age://a }'),
      'a public address needs https:',
      /write https:/,
    ],
    [
      'an address of the own network',
      channel('{ webhook: "https://10.0.0.7/", secret: age://a }'),
      '10.0.0.7 is a loopback, private or link-local address',
      /private: true/,
    ],
    [
      'plain http: in the own network',
      channel('{ webhook: "http://10.0.0.7/", secret: age://a, private: true }'),
      'plain http: goes to loopback only, under --dev',
      /https/,
    ],
    [
      'a password in an address',
      channel('{ smtp: "smtps://me:CanaryOfSlack@mail.example.com", from: a@b.c, to: [a@b.c] }'),
      'a URL holds no user name or password',
      /secret ref/,
    ],
    [
      'another scheme',
      channel('{ webhook: "ftp://hooks.example.com/", secret: age://a }'),
      'this is not an https: address',
      /https/,
    ],
    [
      'a mail server with a path',
      channel('{ smtp: "smtps://mail.example.com/x", from: a@b.c, to: [a@b.c] }'),
      'this is not the address of a mail server',
      /465/,
    ],
    [
      'a webhook that nothing signs',
      channel('{ webhook: "https://hooks.example.com/" }'),
      '`secret` is missing',
      /who sent it/,
    ],
    ['mail to nobody', channel('{ smtp: "smtps://mail.example.com", from: a@b.c }'), '`to` is missing', /who gets/],
    [
      'a user without a password',
      channel('{ smtp: "smtps://mail.example.com", from: a@b.c, to: [a@b.c], user: me }'),
      '`user` and `password` go together',
      /both/,
    ],
    [
      'a header in an address',
      channel('{ smtp: "smtps://mail.example.com", from: "a@b.c\\r\\nBcc: x@y.z", to: [a@b.c] }'),
      '`from` must be a mail address, without a name',
      undefined,
    ],
    [
      'two kinds at once',
      channel('{ slack: age://a, teams: age://b }'),
      '`hook` has more than one of: webhook, smtp, slack, teams',
      /one of them/,
    ],
    [
      'a key of another kind',
      channel('{ slack: age://a, to: [a@b.c] }'),
      'a channel of kind `slack` has no `to`',
      /take the line out/,
    ],
    [
      'a credential in the policy',
      channel('{ slack: "https://hooks.slack.com/services/T0/B0/CanaryOfSlack" }'),
      'this is not a secret ref; a credential never stands in a policy',
      /age:/,
    ],
    [
      'a channel that is not there',
      NOTIFY.replace('[hook], esc', '[hok], esc'),
      'there is no channel `hok`',
      /did you mean `hook`/,
    ],
    [
      'a receiver that is not left alone',
      NOTIFY.replace('[5s, 1h]', '[10ms]'),
      'a receiver that fails is left alone for a second at least',
      /1s/,
    ],
  ] as const satisfies readonly (readonly [string, string, string, RegExp | undefined])[]) {
    it(`are refused at their place: ${what}`, () => {
      const made = policyOf(notify)
      assert.ok(!made.ok)
      const found = made.findings.find(({ message }) => message === finding)
      assert.ok(found, made.findings.map(formatFinding).join('\n'))
      assert.equal(found.file, 'notify.yaml')
      if (hint !== undefined) assert.match(found.hint ?? '', hint)
      assert.doesNotMatch(made.findings.map(formatFinding).join('\n'), /CanaryOfSlack/)
    })
  }

  it('must exist where a line or a group names them, and are warned of where nobody does', () => {
    const missing = policyOf(NOTIFY, 'notify: [male]', ', notify: [chta]')
    assert.ok(!missing.ok)
    assert.deepEqual(
      missing.findings.map(({ file, message, hint }) => [file, message, hint]),
      [
        ['identity.yaml', 'there is no channel `chta`', 'did you mean `chat`?'],
        ['role.yaml', 'there is no channel `male`', 'did you mean `mail`?'],
      ],
    )
    const unused = policyOf(NOTIFY, 'notify: [mail]')
    assert.ok(unused.ok)
    assert.deepEqual(
      unused.warnings.map(({ message }) => message),
      ['nobody is told by `chat`'],
    )
  })
})

describe('who is told, and when', () => {
  const HOUR = 3_600_000
  const AT = Date.parse('2026-11-23T15:00:00Z')
  const held = (more: Partial<Call> = {}): Call =>
    ({
      id: 'call_01M82XN9KRGF35FYFX4Q5BYHNZ',
      state: 'held',
      effect: 'write',
      role: 'agent',
      action: 'pay.refund',
      cost: null,
      card: 'hmac-sha256:one',
      need: [{ line: 'grants.pay.refund.approval[1]', count: 1, of: 'finance', have: 0, passkey: false }],
      expires_at: AT + 4 * HOUR,
      approvals: [],
      settles: [],
      detail: null,
      ...more,
    }) as unknown as Call
  const line = [{ line: 'grants.pay.refund.approval[0]', count: 2, of: 'finance', have: 0, passkey: false }]
  const said = (policy: Policy, call: Call, now = AT): unknown =>
    planOf(policy, call, AT, now)?.notices.map(
      ({ kind, channel, due_at }) => `${kind.replace('call.', '')} ${channel} ${(due_at - AT) / HOUR}`,
    ) ?? null

  it('is the line’s, else the group’s, else everybody’s; at once, at half and at 80 % of the hold’s life', () => {
    assert.deepEqual(said(compiled(NOTIFY), held({ need: line })), [
      'held mail 0',
      'held chat 0',
      'held.reminder mail 2',
      'held.reminder chat 2',
      'held.escalated mail 3.2',
      'held.escalated chat 3.2',
      'held.escalated hook 3.2',
    ])
    assert.deepEqual(said(compiled(NOTIFY, undefined, ', notify: [chat]'), held()), [
      'held chat 0',
      'held.reminder chat 2',
      'held.escalated chat 3.2',
      'held.escalated team 3.2',
    ])
    assert.deepEqual(said(compiled(NOTIFY), held()), [
      'held hook 0',
      'held.reminder hook 2',
      'held.escalated hook 3.2',
      'held.escalated team 3.2',
    ])
  })

  it('is nobody where a group is told by none, or its part is said; times that are past are left out', () => {
    assert.equal(said(compiled(NOTIFY, 'notify: [mail, chat]', ', notify: [], escalate: []'), held()), null)
    const done = held({ need: [...line.map((one) => ({ ...one, have: 2 })), ...held().need] })
    assert.deepEqual((said(compiled(NOTIFY), done) as string[])[0], 'held hook 0')
    assert.deepEqual(said(compiled(NOTIFY), held(), AT + 3 * HOUR), [
      'held hook 3',
      'held.escalated hook 3.2',
      'held.escalated team 3.2',
    ])
  })

  it('is asked once for each group: one yes counts in every line that it fits', () => {
    const both = held({ need: [...line, ...held().need, { ...held().need[0], of: 'leads' }] as Call['need'] })
    assert.deepEqual(waitOf(both).about.need, [
      { of: 'finance', count: 2 },
      { of: 'leads', count: 1 },
    ])
  })

  it('is those who settle, of a call in doubt', () => {
    const doubt = held({ state: 'needs_human', card: null, expires_at: null })
    assert.deepEqual(said(compiled(NOTIFY, undefined, ', notify: [chat]'), doubt), ['needs_human chat 0'])
    const all = NOTIFY.replace('escalate: [team]', 'escalate: [team], needs_human: [team]')
    assert.deepEqual(said(compiled(all), doubt), ['needs_human team 0'])
  })

  it('is not who waits for its agent: a lease that people have let go', () => {
    const need = held().need.map((one) => ({ ...one, have: 1 }))
    assert.equal(said(compiled(NOTIFY), held({ effect: 'lease', need })), null)
    assert.equal(decidedOf(waitOf(held()), held({ effect: 'lease', need }))?.outcome, 'approved')
  })

  it('has one name for one wait, whoever sees it, and another after another card', () => {
    const ids = (call: Call): unknown => planOf(compiled(NOTIFY), call, AT, AT)?.notices.map(({ id }) => id)
    assert.deepEqual(ids(held()), ids(held()))
    assert.notDeepEqual(ids(held()), ids(held({ card: 'hmac-sha256:two' })))
    assert.equal(decidedOf(waitOf(held()), held({ card: 'hmac-sha256:two' }))?.outcome, 'voided')
  })
})
