import assert from 'node:assert/strict'
import { compile, referencedFiles } from '../../gateway/core/compile.ts'
import type { Expression, Finding, Role } from '../../gateway/core/types.ts'
import { changed, compileChanged, schemas } from './company.ts'
import type { Change } from './company.ts'

const CHILD = `role: night
describe: At night.
extends: agent
issue_to: [{ issuer: cluster, where: claims.sub == "night", carry: { queue: claims.queue } }]
grants:
  pay.refund: { max: 20.00 USD, budget: 100.00 USD per day }
`

/** The company, with another role file. */
function withRole(
  text: string,
  ...changes: readonly Change[]
): { role: Role | undefined; findings: readonly Finding[] } {
  const { texts, files } = changed(...changes)
  const compiled = compile([...texts, { path: 'a-child.yaml', text }], schemas, { files })
  return compiled.ok
    ? { role: compiled.policy.roles.get('night'), findings: compiled.warnings }
    : { role: undefined, findings: compiled.findings }
}
const said = (findings: readonly Finding[]): string[] =>
  findings.map(({ file, line, message, hint }) => `${file}:${line} ${message}${hint === undefined ? '' : ` (${hint})`}`)

describe('a role that extends another', () => {
  it('keeps every line of its parent and its time zone and owners, not who may hold it', () => {
    const { role, findings } = withRole(CHILD)
    assert.deepEqual(findings, [])
    assert.ok(role !== undefined)
    const { grants, issue_to, ...rest } = role
    assert.deepEqual(rest, {
      name: 'night',
      describe: 'At night.',
      owners: ['leads'],
      owners_approve: false,
      timezone: 'America/New_York',
      lifetime_ms: 7_200_000,
      prompt: null,
    })
    assert.equal(issue_to.length, 1)
    assert.deepEqual([...grants.keys()].sort(), ['pay.refund', 'shop.get'])
    const refund = grants.get('pay.refund')
    assert.deepEqual(refund?.max, [
      { because: 'grants.pay.refund.max', owner: 'night', report: false, max: { USD: 2000 } },
      { because: 'roles.agent.grants.pay.refund.max', owner: 'agent', report: false, max: { USD: 20_000 } },
    ])
    assert.equal(refund?.approval.length, 2)
    assert.deepEqual(refund?.next, ['shop.get'])
    const daily = refund?.limits.find(({ because }) => because === 'roles.agent.grants.pay.refund.daily')
    assert.deepEqual(daily?.window, { kind: 'calendar', every: 'day', timezone: 'America/New_York' })
  })

  it('may be four lines: what it is for is said by its parent unless it says so itself', () => {
    const { role, findings } = withRole(CHILD.replace('describe: At night.\n', ''))
    assert.deepEqual(findings, [])
    assert.equal(role?.describe, 'Answers tickets.')
  })

  it('cites a grandparent by its own name', () => {
    const { role, findings } = withRole(
      `${CHILD.replace('role: night', 'role: dusk')}---\n${CHILD.replace('extends: agent', 'extends: dusk')}`,
    )
    assert.deepEqual(findings, [])
    const refund = role?.grants.get('pay.refund')
    assert.deepEqual(
      refund?.max.map(({ because }) => because),
      ['grants.pay.refund.max', 'roles.dusk.grants.pay.refund.max', 'roles.agent.grants.pay.refund.max'],
    )
    assert.equal(refund?.limits.filter(({ kind }) => kind === 'rate').length, 1)
  })

  it('may leave `max` to its parent', () => {
    assert.deepEqual(withRole(CHILD.replace('max: 20.00 USD, ', '')).findings, [])
  })

  it('takes the smaller of two numbers', () => {
    const { role } = withRole(
      CHILD.replace(
        '{ max: 20.00 USD, budget: 100.00 USD per day }',
        '{ max: 20.00 USD, attempts: 500, holds_max: 2 }',
      ),
      {
        file: 'role.yaml',
        from: '    rate: 20 per hour',
        to: '    rate: 20 per hour\n    attempts: 50\n    holds_max: 5',
      },
    )
    assert.deepEqual([role?.grants.get('pay.refund')?.attempts, role?.grants.get('pay.refund')?.holds_max], [50, 2])
  })

  it('keeps every line of a grant that it does not write again, cited as the parent’s', () => {
    const more: Change = { file: 'role.yaml', from: 'next: [shop.get]', to: 'next: [shop.get]\n    dry_run: true' }
    const child = CHILD.replace('pay.refund: { max: 20.00 USD, budget: 100.00 USD per day }', 'shop.get:')
    const { role } = withRole(child, more)
    const parent = compileChanged(more)
    assert.ok(parent.ok)
    const cited = JSON.stringify(parent.policy.roles.get('agent')?.grants.get('pay.refund')).replaceAll(
      '"grants.',
      '"roles.agent.grants.',
    )
    assert.equal(JSON.stringify(role?.grants.get('pay.refund')), cited)
  })

  it('adds its own lines before those, and has the last word about `next` and `dry_run`', () => {
    const more: Change = { file: 'role.yaml', from: 'next: [shop.get]', to: 'next: [shop.get]\n    dry_run: true' }
    const own = 'next: [], dry_run: false, require: { that: input.amount > 5, else: Too little. }'
    const grantOf = (child: string) => withRole(child, more).role?.grants.get('pay.refund')
    const kept = grantOf(CHILD)
    assert.deepEqual([kept?.next, kept?.dry_run], [['shop.get'], true])
    const said = grantOf(CHILD.replace('max: 20.00 USD, ', `max: 20.00 USD, ${own}, `))
    assert.deepEqual([said?.next, said?.dry_run], [[], false])
    assert.deepEqual(
      said?.require.map(({ because }) => because),
      ['grants.pay.refund.require[0]', 'roles.agent.grants.pay.refund.require[0]'],
    )
  })

  it('may inherit what reads a session, where its own carry it, and tell another time where nothing asks', () => {
    const reads: Change = {
      file: 'role.yaml',
      from: '"!facts.charge.disputed"',
      to: 'session.queue == "refunds" && session.id != ""',
    }
    assert.deepEqual(
      withRole(CHILD.replace('extends: agent', 'extends: agent\ntimezone: Asia/Tokyo'), reads).findings,
      [],
    )
  })

  it('may inherit what asks for the time of day, in the same zone; not in another, whatever else is asked', () => {
    const reads: Change = {
      file: 'role.yaml',
      from: '"!facts.charge.disputed"',
      to: 'now.hour >= 6 && input.amount > 5',
    }
    assert.deepEqual(withRole(CHILD, reads).findings, [])
    const elsewhere = CHILD.replace('extends: agent', 'extends: agent\ntimezone: Asia/Tokyo')
    assert.equal(withRole(elsewhere, reads).findings.length, 1)
  })

  it('has ten ancestors at most, whatever the order of the files', () => {
    const chain = (length: number) =>
      Array.from({ length }, (_, index) =>
        CHILD.replace('night', `night${index}`)
          .replace('extends: agent', `extends: ${index === 0 ? 'agent' : `night${index - 1}`}`)
          .replace('pay.refund: { max: 20.00 USD, budget: 100.00 USD per day }', 'shop.get:'),
      )
    const found = (roles: readonly string[]) => withRole(roles.join('---\n')).findings
    assert.deepEqual(said(found(chain(10))), [])
    assert.deepEqual(said(found(chain(10).toReversed())), [])
    assert.deepEqual(said(found(chain(11))), ['a-child.yaml:73 a role has at most 10 ancestors'])
    assert.deepEqual(said(found(chain(11).toReversed())), ['a-child.yaml:3 a role has at most 10 ancestors'])
  })

  it('lets its owners approve where it says so, or says nothing of its owners and its parent does', () => {
    const parent: Change = { file: 'role.yaml', from: 'owners: [leads]', to: 'owners: [leads]\nowners_approve: true' }
    const may = (more: string, ...changes: readonly Change[]) =>
      withRole(CHILD.replace('extends: agent', `extends: agent${more}`), ...changes).role?.owners_approve
    assert.deepEqual([may(''), may('', parent), may('\nowners: [finance]', parent)], [false, true, false])
    assert.deepEqual([may('\nowners_approve: false', parent), may('\nowners_approve: true')], [false, true])
  })

  it('may live as long as its parent, and no longer than any session', () => {
    const lives = (lifetime: string) =>
      withRole(CHILD.replace('extends: agent', `extends: agent\nsession: { lifetime: ${lifetime} }`))
    assert.equal(lives('2h').role?.lifetime_ms, 7_200_000)
    assert.equal(compileChanged({ file: 'role.yaml', from: 'lifetime: 2h', to: 'lifetime: 8h' }).ok, true)
  })

  const carries = (line: string) =>
    `a-child.yaml:3 grants.pay.refund.${line} of \`agent\` reads session.queue, which this role does not carry (add it to \`carry:\` in \`issue_to\`)`
  const WRONG: readonly (readonly [
    what: string,
    child: string,
    changes: readonly Change[],
    expected: readonly string[],
  ])[] = [
    [
      'lives longer',
      CHILD.replace('extends: agent', 'extends: agent\nsession: { lifetime: 3h }'),
      [],
      ['a-child.yaml:4 this is longer than the lifetime of `agent` (a role that extends another may only shorten it)'],
    ],
    [
      'does not carry what an inherited line reads',
      CHILD.replace(', carry: { queue: claims.queue }', ''),
      [{ file: 'role.yaml', from: '"!facts.charge.disputed"', to: 'session.queue == "refunds"' }],
      [
        'a-child.yaml:3 grants.pay.refund.require[0] of `agent` reads session.queue, which this role does not carry (add it to `carry:` in `issue_to`)',
      ],
    ],
    [
      'moves the clock of an inherited line',
      CHILD.replace('extends: agent', 'extends: agent\ntimezone: Asia/Tokyo'),
      [{ file: 'role.yaml', from: '"!facts.charge.disputed"', to: 'now.hour >= 6' }],
      [
        'a-child.yaml:4 grants.pay.refund.require[0] of `agent` asks for the time of day in America/New_York (keep the time zone of the role that is extended)',
      ],
    ],
    [
      'is its own ancestor',
      CHILD.replace('extends: agent', 'extends: agent'),
      [{ file: 'role.yaml', from: 'describe: Answers tickets.', to: 'describe: Answers tickets.\nextends: night' }],
      ['role.yaml:3 `agent` extends itself, by way of night, agent'],
    ],
    [
      'shares no currency with its parent',
      CHILD.replace('max: 20.00 USD, budget: 100.00 USD per day', 'max: 20.00 EUR'),
      [],
      ['a-child.yaml:6 no unit is named by every `max` that holds, so nothing is allowed'],
    ],
    [
      'extends a role that does not exist',
      CHILD.replace('extends: agent', 'extends: agnt'),
      [],
      ['a-child.yaml:3 there is no role `agnt` (did you mean `agent`?)'],
    ],
    [
      'extends nobody but something like itself',
      CHILD.replace('extends: agent', 'extends: nigh'),
      [],
      ['a-child.yaml:3 there is no role `nigh` (there is: agent)'],
    ],
    [
      'does not carry what an inherited line about people reads',
      CHILD.replace(', carry: { queue: claims.queue }', ''),
      [{ file: 'role.yaml', from: 'expires: 4h }', to: 'when: session.queue == "refunds" }' }],
      [carries('approval[0]')],
    ],
    [
      'does not carry what an inherited limit counts by',
      CHILD.replace(', carry: { queue: claims.queue }', ''),
      [{ file: 'role.yaml', from: 'rate: 20 per hour', to: 'rate: 20 per hour by session.queue' }],
      [carries('rate')],
    ],
    [
      'does not carry what an inherited line about people counts by',
      CHILD.replace(', carry: { queue: claims.queue }', ''),
      [{ file: 'role.yaml', from: 'rolling 24h by facts.charge.customer', to: 'rolling 24h by session.queue' }],
      [carries('approval[1]')],
    ],
    [
      'does not carry what the action that it grants again reads',
      CHILD.replace(', carry: { queue: claims.queue }', ''),
      [
        {
          file: 'actions.yaml',
          from: 'form: { charge',
          to: 'headers: { X-Queue: "${session.queue}" }\n  form: { charge',
        },
      ],
      [3, 6].map(
        (line) =>
          `a-child.yaml:${line} pay.refund reads session.queue, which not every session of \`night\` carries (add it to \`carry:\` in each rule of \`issue_to\`)`,
      ),
    ],
    [
      'names an action that is not granted',
      CHILD.replace('max: 20.00 USD,', 'max: 20.00 USD, next: [shop.gett],'),
      [],
      ['a-child.yaml:6 there is no action `shop.gett` (did you mean `shop.get`?)'],
    ],
  ]
  for (const [what, child, changes, expected] of WRONG) {
    it(`is refused when it ${what}`, () => {
      assert.deepEqual(said(withRole(child, ...changes).findings), expected)
    })
  }
})

describe('who may hold a role', () => {
  const rules = (line: string, ...changes: readonly Change[]) => {
    const { role, findings } = withRole(CHILD.replace(/^issue_to: .*$/m, `issue_to: [${line}]`), ...changes)
    const told = JSON.stringify(role?.issue_to, (_key, value: unknown) =>
      typeof value === 'object' && value !== null && 'reads' in value ? (value as Expression).text : value,
    )
    return findings.length > 0 ? said(findings) : (JSON.parse(told) as Role['issue_to'])
  }
  const listed: Change = {
    file: 'identity.yaml',
    from: 'person: claims.sub',
    to: 'person: claims.sub, groups: claims.g',
  }

  it('is whom an issuer proves, with what its sessions carry, or a group of people', () => {
    assert.deepEqual(
      rules(
        '{ issuer: cluster, where: claims.sub == "a", carry: { queue: claims.queue, more: claims.x } }, { group: leads, carry: { queue: claims.q, more: claims.y } }',
      ),
      [
        {
          issuer: 'cluster',
          group: null,
          where: 'claims.sub == "a"',
          carry: { queue: 'claims.queue', more: 'claims.x' },
        },
        { issuer: null, group: 'leads', where: null, carry: { queue: 'claims.q', more: 'claims.y' } },
      ],
    )
  })

  it('may go by the groups that the issuer lists, its own or that of the group', () => {
    const carried = 'carry: { queue: claims.q }'
    for (const rule of ['issuer: staff', 'group: leads']) {
      const line = `{ ${rule}, where: '"night" in groups', ${carried} }`
      assert.equal(rules(line, listed).length, 1)
      assert.deepEqual(rules(line), ['a-child.yaml:4 there is no `groups` here (known here: claims)'])
    }
  })

  it('is not what a wrong expression would carry, nor what a session has of its own', () => {
    const carrying = (text: string) =>
      rules(`{ issuer: cluster, where: claims.sub == "a", carry: { queue: claims.q, ${text} } }`)
    assert.deepEqual(carrying('x: clams.x'), ['a-child.yaml:4 there is no `clams` here (did you mean `claims`?)'])
    assert.deepEqual(carrying('requester: claims.x'), [
      'a-child.yaml:4 a session has its own `requester` (choose another name)',
    ])
  })
})

describe('part of a claim', () => {
  const PREFIX = 'a prefix of a claim must end in a separator (one of :/.-@)'
  const SUFFIX = 'a suffix of a claim must begin with a separator (one of :/.-@)'
  const PATTERN = 'a pattern for a claim must hold both ends, without alternatives'
  const LITERAL = (name: string) => `what \`${name}\` compares a claim with must be a text in quotes`
  const WHERE: readonly (readonly [where: string, refusal: string | null])[] = [
    ['claims.sub.startsWith("agents:support")', PREFIX],
    ['claims.sub.startsWith(":")', PREFIX],
    ['claims.sub.startsWith("")', PREFIX],
    ...[...':/.-@'].map((separator) => [`claims.sub.startsWith("agents${separator}")`, null] as const),
    ['claims.sub.startsWith("agents_")', PREFIX],
    ['claims.sub.endsWith("example.com")', SUFFIX],
    ['claims.sub.endsWith("@")', SUFFIX],
    ['claims.sub.endsWith("")', SUFFIX],
    ['claims.sub.endsWith("@example.com")', null],
    ['claims.sub.endsWith("example.com@")', SUFFIX],
    ['claims.sub.matches("^agents:[a-z]+$")', null],
    ['claims.sub.matches("agents:[a-z]+$")', PATTERN],
    ['claims.sub.matches("^agents:[a-z]+")', PATTERN],
    ['claims.sub.matches("^agents:a|agents:b$")', PATTERN],
    ['claims.sub.matches("$agents^")', PATTERN],
    ['claims.sub.startsWith(claims.prefix)', LITERAL('startsWith')],
    ['claims.sub.endsWith(claims.suffix)', LITERAL('endsWith')],
    ['!(claims.list.exists(l, l.endsWith("x")) && claims.sub == "a")', SUFFIX],
    ['claims.sub == "a" || (claims.iss == "b" ? claims.sub.startsWith("a") : false)', PREFIX],
    ['claims.sub == "agents"', null],
  ]
  for (const [where, refusal] of WHERE)
    it(`${refusal === null ? 'may be' : 'is not enough'}: ${where}`, () => {
      const line = CHILD.replace(/where: [^,]*/, () => `where: '${where}'`)
      assert.deepEqual(
        withRole(line).findings.map(({ message }) => message),
        refusal === null ? [] : [refusal],
      )
    })
})

describe('what a session carries', () => {
  it('is known to conditions and templates of the role', () => {
    const reads: Change = { file: 'role.yaml', from: '"!facts.charge.disputed"', to: 'session.queue == "refunds"' }
    assert.equal(compileChanged(reads).ok, true)
    const template: Change = {
      file: 'actions.yaml',
      from: 'form: { charge',
      to: 'headers: { X-Queue: "${session.queue}" }\n  form: { charge',
    }
    assert.equal(compileChanged(template).ok, true)
  })

  it('must be asked for with has() where not every way to the role gives it', () => {
    const another: Change = { file: 'role.yaml', from: 'grants:\n', to: '  - group: finance\ngrants:\n' }
    const reads = (text: string): Change => ({ file: 'role.yaml', from: '"!facts.charge.disputed"', to: text })
    const plain = compileChanged(another, reads('session.queue == "refunds"'))
    assert.match(plain.ok ? '' : (plain.findings[0]?.message ?? ''), /`session\.queue` may be absent/)
    assert.equal(compileChanged(another, reads('has(session.queue) && session.queue == "refunds"')).ok, true)
  })

  it('is asked of every role that is granted an action whose templates read it', () => {
    const template: Change = {
      file: 'actions.yaml',
      from: 'form: { charge',
      to: 'headers: { X-Queue: "${session.queue}" }\n  form: { charge',
    }
    const second = CHILD.replace('  pay.refund: { max: 20.00 USD, budget: 100.00 USD per day }\n', '').replace(
      ', carry: { queue: claims.queue }',
      '',
    )
    assert.deepEqual(said(withRole(second, template).findings), [
      'a-child.yaml:3 pay.refund reads session.queue, which not every session of `night` carries (add it to `carry:` in each rule of `issue_to`)',
    ])
  })
})

describe('lines of a grant', () => {
  const grantOf = (...changes: readonly Change[]): NonNullable<ReturnType<Role['grants']['get']>> => {
    const compiled = compileChanged(...changes)
    assert.ok(compiled.ok, JSON.stringify(compiled))
    const grant = compiled.policy.roles.get('agent')?.grants.get('pay.refund')
    assert.ok(grant !== undefined)
    return grant
  }

  it('may have names and be in report mode, and a list of one kind may mix forms', () => {
    const grant = grantOf(
      {
        file: 'role.yaml',
        from: 'max: 200.00 USD',
        to: 'max: [200.00 USD, { limit: 100.00 USD, name: tighter, mode: report }]',
      },
      {
        file: 'role.yaml',
        from: 'rate: 20 per hour',
        to: 'rate: [20 per hour, { name: burst, limit: 3 per minute, by: session }]\n    serialize: facts.charge.customer',
      },
    )
    assert.deepEqual(
      grant.max.map(({ because, report }) => [because, report]),
      [
        ['grants.pay.refund.max[0]', false],
        ['grants.pay.refund.tighter', true],
      ],
    )
    assert.deepEqual(
      grant.limits.map(({ kind, because, by, per, max, window }) => [
        kind,
        because,
        by.kind,
        per,
        Object.values(max)[0],
        window.kind,
      ]),
      [
        ['budget', 'grants.pay.refund.daily', 'role', 'day', 50_000, 'calendar'],
        ['budget', 'grants.pay.refund.customer-month', 'fact', 'rolling 30d', 30_000, 'rolling'],
        ['budget', 'grants.pay.refund.goodwill', 'role', 'day', 200_000, 'calendar'],
        ['rate', 'grants.pay.refund.rate[0]', 'role', 'hour', 20, 'rolling'],
        ['rate', 'grants.pay.refund.burst', 'session', 'minute', 3, 'rolling'],
        ['serialize', 'grants.pay.refund.serialize', 'fact', 'at once', 1, 'gauge'],
      ],
    )
  })

  it('have their defaults', () => {
    const { attempts, holds_max, dry_run, approval } = grantOf()
    assert.deepEqual([attempts, holds_max, dry_run], [300, 10, false])
    assert.deepEqual(
      approval.map(({ above, up_to, count, of, expires_ms, passkey, window }) => [
        above,
        up_to,
        count,
        of,
        expires_ms,
        passkey,
        window?.per ?? null,
      ]),
      [
        [{ USD: 5000 }, { USD: 15_000 }, 1, 'finance', 14_400_000, false, null],
        [{ USD: 10_000 }, null, 1, 'finance', 86_400_000, false, 'rolling 24h'],
      ],
    )
  })

  it('may count things instead of money', () => {
    const compiled = compileChanged(
      {
        file: 'actions.yaml',
        from: 'cost: { minor: input.amount, currency: facts.charge.currency }',
        to: 'cost: { count: input.amount, of: rows }',
      },
      { file: 'role.yaml', from: 'max: 200.00 USD', to: 'max: 5 rows' },
      { file: 'role.yaml', from: '{ name: daily, limit: 500.00 USD per day }', to: '50 rows per rolling 1h' },
      { file: 'role.yaml', from: '      - customer-month of facts.charge.customer\n      - goodwill\n', to: '' },
      { file: 'role.yaml', from: 'above: 50.00 USD, up_to: 150.00 USD', to: 'above: 3 rows' },
      { file: 'role.yaml', from: 'above: 100.00 USD per', to: 'above: 4 rows per' },
    )
    assert.ok(compiled.ok, JSON.stringify(compiled))
    const grant = compiled.policy.roles.get('agent')?.grants.get('pay.refund')
    assert.deepEqual(
      [grant?.max[0]?.max, grant?.limits[0]?.max, grant?.approval[0]?.above],
      [{ rows: 5 }, { rows: 50 }, { rows: 3 }],
    )
  })

  it('read the decimal of a fact exactly, in a currency that is written', () => {
    const compiled = compileChanged({
      file: 'actions.yaml',
      from: '{ minor: input.amount, currency: facts.charge.currency }',
      to: '{ decimal: facts.charge.currency, currency: USD }',
    })
    assert.ok(compiled.ok)
    const cost = compiled.policy.actions.get('pay.refund')?.cost
    assert.deepEqual([cost?.kind, cost?.kind === 'decimal' && cost.currency], ['decimal', 'USD'])
  })
})

describe('files that a policy names', () => {
  it('are those of issuers and prompts, below the directory only', () => {
    assert.deepEqual(referencedFiles(changed().texts), ['keys/staff.json', 'prompts/agent.md'])
    const outside = changed({ file: 'role.yaml', from: 'prompts/agent.md', to: '../../etc/passwd' }).texts
    assert.deepEqual(referencedFiles(outside), ['keys/staff.json'])
    assert.deepEqual(
      referencedFiles([
        { path: 'x.yaml', text: '[' },
        { path: 'y.yaml', text: 'prompt: [1]' },
      ]),
      [],
    )
  })

  it('change the digest', () => {
    const one = compileChanged()
    const two = compileChanged({ file: 'prompts/agent.md', from: 'You answer', to: 'You  answer' })
    assert.ok(one.ok && two.ok)
    assert.notEqual(one.policy.digest, two.policy.digest)
    assert.notEqual(one.policy.roles.get('agent')?.prompt?.digest, two.policy.roles.get('agent')?.prompt?.digest)
  })

  it('do not include tests, which only have to be YAML', () => {
    const { texts, files } = changed()
    const test = (text: string): boolean =>
      compile([...texts, { path: 'agent.test.yaml', text }], schemas, { files }).ok
    assert.equal(test('tests: agent\ncases: []\n'), true)
    assert.equal(test('tests: agent\ntests: agent\n'), false)
  })
})

describe('an issuer', () => {
  it('is compiled by where its keys are', () => {
    const compiled = compileChanged()
    assert.ok(compiled.ok)
    const kinds = [...compiled.policy.issuers.values()].map(({ name, issuer, audience, keys, person, once }) => [
      name,
      issuer,
      audience,
      keys.kind,
      person?.text ?? null,
      once,
    ])
    assert.deepEqual(kinds, [
      ['cluster', 'https://kubernetes.default.svc', 'keystay', 'oidc', null, null],
      ['staff', 'https://login.example.com', 'console', 'jwks', 'claims.sub', null],
    ])
  })
})
