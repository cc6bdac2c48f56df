import assert from 'node:assert/strict'
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company, writePolicies } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

describe('a changed policy directory', function () {
  this.timeout(30_000)
  let pay: LyingBackend
  let other: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House

  beforeEach(async () => {
    ;[pay, other] = [await startLying(), await startLying()]
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    gate = await house(where, { lookEvery_ms: 20 })
  })
  afterEach(async () => {
    await gate.stop()
    await Promise.all([pay.close(), other.close()])
    await where.remove()
  })

  const edited = async (file: string, from: string, to: string): Promise<string> => {
    const text = await readFile(join(where.policies, file), 'utf8')
    assert.equal(text.split(from).length, 2, `${from} stands once in ${file}`)
    return text.replace(from, () => to)
  }
  const edit = async (file: string, from: string, to: string): Promise<void> =>
    writeFile(join(where.policies, file), await edited(file, from, to))
  const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
    for (const end = performance.now() + 5000; !(await holds()); await sleep(10))
      if (performance.now() > end) throw new Error(`${what} did not come: ${gate.log.join('\n')}`)
  }
  const changed = async (change: () => Promise<unknown>): Promise<string> => {
    const before = gate.running.policyDigest
    await change()
    await until('the new policy', () => gate.running.policyDigest !== before)
    return gate.running.policyDigest
  }
  const policy = async () => (await gate.admin('dana', 'GET', '/admin/v1/policy')).body
  const refused = async (change: () => Promise<unknown>) => {
    const before = gate.running.policyDigest
    await change()
    await until('the refusal', async () => (await policy()).invalid !== null)
    assert.equal(gate.running.policyDigest, before)
    return (await policy()).invalid
  }
  const entries = async (kind: string): Promise<{ [member: string]: unknown }[]> => {
    const { openStore } = await import('node:sqlite').then(({ DatabaseSync }) => ({
      openStore: () => new DatabaseSync(join(where.dir, 'keystay.db'), { readOnly: true }),
    }))
    const db = openStore()
    try {
      const rows = db.prepare('SELECT bytes FROM entries WHERE kind = ? ORDER BY idx').all(kind)
      return rows.map(({ bytes }) => JSON.parse(String(bytes)) as { [member: string]: unknown })
    } finally {
      db.close()
    }
  }
  const refund = (token: string, amount: number, key: string) =>
    gate.call(token, 'pay.refund', { charge: `ch_${key}`, amount }, key)

  it('decides as a whole, and every decision cites the policy that took it', async () => {
    const token = await gate.token()
    const first = gate.running.policyDigest
    const before = await refund(token, 4000, 'a')
    const second = await changed(() => edit('roles/agent.yaml', 'max: 200.00 USD', 'max: 30.00 USD'))
    const after = await refund(token, 4000, 'b')
    assert.deepEqual([before.status, after.status, after.body.because], [200, 403, ['grants.pay.refund.max']])
    const cited = async (call: string): Promise<unknown> =>
      (await gate.admin('dana', 'GET', `/admin/v1/calls/${call}`)).body.entries[0].policy
    assert.deepEqual([await cited(before.body.call), await cited(after.body.call)], [first, second])
    const loaded = (await entries('policy.loaded')).map(({ policy: digest, before: old }) => [digest, old])
    assert.deepEqual(loaded, [
      [first, null],
      [second, first],
    ])
    assert.deepEqual([(await policy()).digest, (await policy()).invalid], [second, null])
  })

  it('is refused as a whole when a file of it is bad, and the policy before is kept and shown', async () => {
    const token = await gate.token()
    const first = gate.running.policyDigest
    const bad = await refused(async () => {
      await edit('actions/pay.yaml', 'describe: Refund a charge, in cents.', 'describe: Refund a charge.')
      await edit('roles/agent.yaml', 'max: 200.00 USD', 'max: 30 USD')
    })
    assert.equal(bad.message, 'The policy has an error.')
    const [{ file, line, column, message, hint }] = bad.findings
    assert.deepEqual(
      { file, line, column, message, hint },
      {
        file: 'roles/agent.yaml',
        line: 9,
        column: 10,
        message: '"30 USD" does not have exactly the digits of USD',
        hint: 'write 30.00 USD: USD has two digits',
      },
    )
    assert.equal((await refund(token, 4000, 'a')).status, 200)
    const [entry] = await entries('policy.invalid')
    assert.deepEqual(
      { policy: entry?.['policy'], findings: entry?.['findings'], count: entry?.['count'] },
      {
        policy: first,
        findings: ['roles/agent.yaml:9:10: "30 USD" does not have exactly the digits of USD'],
        count: 1,
      },
    )
    assert.ok(gate.log.some((text) => text.includes('roles/agent.yaml:9:10: error:')))
    await changed(() => edit('roles/agent.yaml', 'max: 30 USD', 'max: 30.00 USD'))
    assert.equal((await policy()).invalid, null)
    assert.equal((await refund(token, 4000, 'b')).status, 403)
    assert.equal((await entries('policy.invalid')).length, 1)
  })

  it('is refused when a secret of a new backend cannot be had', async () => {
    const bad = await refused(() =>
      edit(
        'backends.yaml',
        '\n  shop:',
        `\n  late: { adapter: http, url: "https://late.example.com", auth: { bearer: "env://KEYSTAY_TEST_NOBODY_SET" } }\n  shop:`,
      ),
    )
    assert.match(bad.message, /^backend late: env:\/\/KEYSTAY_TEST_NOBODY_SET: /)
    assert.deepEqual(bad.findings, [])
    assert.equal((await entries('policy.loaded')).length, 1)
  })

  it('is refused when it is gone, and taken up when it is back as it was', async () => {
    const bad = await refused(() => rename(where.policies, `${where.policies}-away`))
    assert.match(bad.message, /cannot be read/)
    assert.equal((await gate.call(await gate.token(), 'pay.look', { charge: 'ch_1' })).status, 200)
    await rename(`${where.policies}-away`, where.policies)
    await until('the directory', async () => (await policy()).invalid === null)
    assert.equal((await entries('policy.loaded')).length, 1)
  })

  it('is read only when it stands still: no half-written state decides', async () => {
    const text = await edited('roles/agent.yaml', 'max: 200.00 USD', 'max: 30.00 USD')
    const path = join(where.policies, 'roles/agent.yaml')
    await changed(async () => {
      // Each step alone would be another valid policy, or none.
      for (let length = 400; length < text.length; length += 40) {
        await writeFile(path, text.slice(0, length))
        await sleep(4)
      }
      await writeFile(path, text)
    })
    assert.deepEqual((await entries('policy.loaded')).length, 2)
    assert.deepEqual(await entries('policy.invalid'), [])
  })

  const DANCES: { readonly [name: string]: (path: string, text: string) => Promise<unknown> } = {
    'written in place': (path, text) => writeFile(path, text),
    'written beside and renamed over': async (path, text) => {
      await writeFile(`${path}.tmp`, text)
      await rename(`${path}.tmp`, path)
    },
    'moved to a backup and written anew': async (path, text) => {
      await rename(path, `${path}~`)
      await writeFile(path, text)
    },
    'removed and written anew': async (path, text) => {
      await rm(path)
      await writeFile(path, text)
    },
    'locked beside by a link to nothing': async (path, text) => {
      await symlink('dana@host.1234:567', join(path, '../.#agent.yaml'))
      await writeFile(path, text)
    },
    'replaced by a link into a folder of versions': async (path, text) => {
      await mkdir(join(path, '../..2026'))
      await writeFile(join(path, '../..2026/agent.yaml'), text)
      await symlink('..2026', join(path, '../..data'))
      await rm(path)
      await symlink('..data/agent.yaml', path)
    },
  }
  for (const [name, dance] of Object.entries(DANCES)) {
    it(`is taken up once when a file is ${name}`, async () => {
      const text = await edited('roles/agent.yaml', 'max: 200.00 USD', 'max: 30.00 USD')
      await changed(() => dance(join(where.policies, 'roles/agent.yaml'), text))
      await sleep(60)
      assert.equal((await entries('policy.loaded')).length, 2)
      assert.equal((await refund(await gate.token(), 4000, 'a')).status, 403)
    })
  }

  it('keeps the connection of a backend that did not change, and opens the changed one anew', async () => {
    const token = await gate.token()
    const look = () => gate.call(token, 'pay.look', { charge: 'ch_1' })
    await look()
    const opened = pay.connections()
    await changed(() => edit('roles/agent.yaml', 'max: 200.00 USD', 'max: 30.00 USD'))
    await look()
    assert.equal(pay.connections(), opened)
    await changed(() =>
      edit('backends.yaml', `pay: { adapter: http, url: "${pay.url}"`, `pay: { adapter: http, url: "${other.url}"`),
    )
    await look()
    assert.deepEqual([pay.connections(), other.connections()], [opened, 1])
  })

  it('lets a call that runs end at the backend it was decided about', async () => {
    const token = await gate.token()
    pay.lie({ kind: 'slow', ms: 350, method: 'POST' })
    const running = refund(token, 100, 'a')
    await until('the request', () => pay.seen.some(({ method }) => method === 'POST'))
    await changed(() =>
      edit('backends.yaml', `pay: { adapter: http, url: "${pay.url}"`, `pay: { adapter: http, url: "${other.url}"`),
    )
    const next = await refund(token, 200, 'b')
    assert.deepEqual([next.body.status, (await running).body.status], ['done', 'done'])
    const amounts = [pay, other].map(({ effects }) => effects.map(({ body }) => body['amount']))
    assert.deepEqual(amounts, [['100'], ['200']])
  })

  it('repeats a call in doubt at the backend it was decided about', async () => {
    const token = await gate.token()
    pay.lie({ kind: 'slow', ms: 1500, method: 'POST' })
    const running = gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'a', { prefer: 'wait=15' })
    await until('the request', () => pay.seen.some(({ method }) => method === 'POST'))
    await changed(() =>
      edit('backends.yaml', `pay: { adapter: http, url: "${pay.url}"`, `pay: { adapter: http, url: "${other.url}"`),
    )
    assert.equal((await running).body.status, 'done')
    assert.equal(other.effects.length, 0)
    assert.equal(pay.seen.filter(({ method }) => method === 'POST').length, 2)
    assert.equal(pay.effects.length, 1)
  })

  it('ends the sessions of a role that left, and tells who waits for a held call', async () => {
    const token = await gate.token()
    const held = await refund(token, 6000, 'a')
    const waiting = gate.admin('dana', 'GET', `/admin/v1/calls/${held.body.call}`)
    assert.equal((await waiting).body.status, 'held')
    await changed(async () => {
      await writePolicies(where.policies, {
        'roles/desk.yaml': `role: desk
describe: Looks at charges.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  pay.look:
`,
      })
      await rm(join(where.policies, 'roles/agent.yaml'))
    })
    await until('the end of the session', async () => (await refund(token, 100, 'b')).status === 401)
    const story = await gate.admin('dana', 'GET', `/admin/v1/calls/${held.body.call}`)
    assert.equal(story.body.status, 'cancelled')
    const desk = await gate.token('bot', 'desk')
    assert.equal((await gate.call(desk, 'pay.look', { charge: 'ch_1' })).status, 200)
  })

  it('believes a new issuer’s account and a new group at once, and the old ones no more', async () => {
    await changed(async () => {
      await edit('identity.yaml', '      other-bot: {}', '      third-bot: {}')
      await edit('roles/agent.yaml', '["bot", "other-bot"]', '["bot", "third-bot"]')
      await edit('identity.yaml', 'view: [finance, security]', 'view: [security]')
    })
    assert.equal(typeof (await gate.token('third-bot')), 'string')
    await assert.rejects(gate.token('other-bot'))
    assert.equal((await gate.admin('dana', 'GET', '/admin/v1/policy')).status, 403)
    assert.equal((await gate.admin('sam', 'GET', '/admin/v1/policy')).status, 200)
  })
})

describe('a gateway as it is', function () {
  this.timeout(10_000)
  it('takes a change up within two seconds', async () => {
    const pay = await startLying()
    const where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    const gate = await house(where)
    try {
      await sleep(700)
      const before = gate.running.policyDigest
      const path = join(where.policies, 'roles/agent.yaml')
      await writeFile(path, (await readFile(path, 'utf8')).replace('max: 200.00 USD', 'max: 30.00 USD'))
      const written = performance.now()
      while (gate.running.policyDigest === before && performance.now() < written + 5000) await sleep(10)
      const took_ms = performance.now() - written
      assert.ok(took_ms < 2000, `${Math.round(took_ms)} ms`)
    } finally {
      await gate.stop()
      await pay.close()
      await where.remove()
    }
  })
})
