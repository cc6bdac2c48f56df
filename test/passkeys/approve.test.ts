import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { keystay } from '../cli/keystay.ts'
import { company } from '../house/company.ts'
import { entriesOf } from '../house/entries.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { softAuthenticator } from './authenticator.ts'
import type { Json, Lies, SoftAuthenticator } from './authenticator.ts'
import { aged, asksPasskeys } from './company.ts'
import { visiting } from './person.ts'
import type { Visiting } from './person.ts'

/** The same two numbers of an ECDSA signature, and never in DER (X.690, section 10). */
const SPELLINGS: readonly (readonly [string, (signature: Buffer) => Buffer])[] = [
  ['and a byte', (signature) => Buffer.concat([signature, Buffer.alloc(1)])],
  ['with its length in two bytes', (signature) => Buffer.concat([Buffer.from([0x30, 0x81]), signature.subarray(1)])],
  [
    'of a length that is not said',
    (signature) => Buffer.concat([Buffer.from([0x30, 0x80]), signature.subarray(2), Buffer.alloc(2)]),
  ],
  [
    'and a third number',
    (signature) =>
      Buffer.concat([Buffer.from([0x30, signature.length + 1]), signature.subarray(2), Buffer.from([2, 1, 1])]),
  ],
]

describe('a yes that a passkey signs', function () {
  this.timeout(60_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let dana: Visiting
  let omar: Visiting
  let key: SoftAuthenticator
  let count = 0

  before(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    await asksPasskeys(where.policies)
    gate = await house(where, { lookEvery_ms: 50 })
    dana = await visiting(gate, 'dana')
    omar = await visiting(gate, 'omar')
    key = await dana.passkey()
  })
  after(async () => {
    await gate?.stop()
    await pay?.close()
    await where?.remove()
  })

  const hold = async (amount = 6000): Promise<string> => {
    const name = `p${++count}`
    const { body, text } = await gate.call(await gate.token(), 'pay.refund', { charge: `ch_${name}`, amount }, name)
    assert.equal(body.status, 'held', text)
    return body.call
  }
  const statusOf = async (call: string): Promise<string> => (await dana.get(`/admin/v1/calls/${call}`)).body['status']
  const refusals = () => entriesOf(where.dir).filter(({ kind }) => kind === 'approval.refused')
  const signed = async (call: string, lies: Lies = {}, by = key): Promise<Json> => {
    const { card, options } = await dana.optionsFor(call)
    return { card, passkey: by.get(options, lies) }
  }
  const send = (call: string, body: Json, by = dana) => by.post(`/admin/v1/calls/${call}/approve`, body)

  it('is asked for with the way to it, by a script as in a browser', async () => {
    const call = await hold()
    const story = await dana.get(`/admin/v1/calls/${call}`)
    assert.deepEqual(story.body['need'], [
      { line: 'grants.pay.refund.approval[0]', count: 1, of: 'finance', have: 0, passkey: true },
    ])
    for (const answer of [await gate.approve('dana', call), await send(call, { card: story.body['card'] })]) {
      assert.deepEqual([answer.status, answer.body.code], [403, 'passkey_required'])
      assert.ok(answer.body.detail.includes(`${dana.origin}/console/?call=${call}`), answer.body.detail)
    }
    const nobodys = await omar.post(`/admin/v1/calls/${call}/passkey`)
    assert.deepEqual([nobodys.status, nobodys.body['code']], [403, 'passkey_required'])
    assert.ok(nobodys.body['detail'].includes(`${dana.origin}/console/you`))
    assert.equal(await statusOf(call), 'held')
  })

  it('is told of at a terminal, with where to give it', async () => {
    const call = await hold()
    const adminUrl = gate.running.adminUrl
    const { exit, out, err } = await keystay(['approvals', 'approve', call, '--as', 'dana', '--admin-url', adminUrl])
    assert.match(
      out.replaceAll(/\s+/g, ' '),
      /needs 1 of finance, each signed with a passkey \(in the console\), has 0/,
    )
    assert.equal(exit, 5, err)
    assert.ok(err.replaceAll(/\s+/g, ' ').includes(`open ${dana.origin}/console/?call=${call} in a browser`), err)
  })

  it('lets the call go, and leaves its digest in the ledger and what was signed beside it', async () => {
    const call = await hold()
    const { card, options } = await dana.optionsFor(call)
    assert.equal(options.challenge, Buffer.from(card.slice('hmac-sha256:'.length), 'hex').toString('base64url'))
    assert.deepEqual(
      [options.rpId, options.userVerification, options.allowCredentials.map(({ id }: Json) => id)],
      ['localhost', 'required', [key.id]],
    )
    const { status, body } = await dana.approve(call, key)
    assert.deepEqual([status, body['status']], [200, 'done'])
    const entry = entriesOf(where.dir).find((one) => one.kind === 'call.approved' && one['call'] === call)
    assert.match(
      JSON.stringify(entry?.['passkey']),
      /^\{"credential":"sha256:[0-9a-f]{64}","digest":"sha256:[0-9a-f]{64}"\}$/,
    )
    assert.equal(body['approvals'][0].passkey, (entry?.['passkey'] as Json | undefined)?.['credential'])
  })

  it('is taken by a bearer token too: what counts is the passkey', async () => {
    const call = await hold()
    const answer = await gate.admin('dana', 'POST', `/admin/v1/calls/${call}/approve`, await signed(call))
    assert.deepEqual([answer.status, answer.body.status], [200, 'done'])
  })

  describe('is refused, leaves the call held and its reason in the ledger', () => {
    let call: string
    let other: string
    before(async () => {
      ;[call, other] = [await hold(), await hold()]
    })
    const attacks: readonly (readonly [string, RegExp, () => Promise<Json> | Json])[] = [
      [
        'was signed for another card',
        /something else/,
        async () => ({ ...(await signed(other)), card: (await signed(call))['card'] }),
      ],
      ['was signed for a challenge of its own', /something else/, () => signed(call, { challenge: 'AAAA' })],
      [
        'was signed for the digest as text',
        /something else/,
        async () => {
          const { card } = await signed(call)
          return signed(call, { challenge: Buffer.from(card).toString('base64url') })
        },
      ],
      ['came from the page at the address', /another page/, () => signed(call, { origin: gate.running.adminUrl })],
      ['came from another site', /another page/, () => signed(call, { origin: 'https://localhost.evil.example' })],
      ['came from another port', /another page/, () => signed(call, { origin: 'http://localhost:1' })],
      ['was made for another site', /another site/, () => signed(call, { rp: 'evil.example' })],
      ['was made without verifying the person', /not verified/, () => signed(call, { flags: 0b001 })],
      ['was made with nobody present', /not verified/, () => signed(call, { flags: 0b100 })],
      ['is a registration', /another kind/, () => signed(call, { type: 'webauthn.create' })],
      ['was made in a frame of another site', /another site/, () => signed(call, { client: { crossOrigin: true } })],
      ['was made below another site', /another site/, () => signed(call, { client: { topOrigin: dana.origin } })],
      ['is of nobody’s passkey', /no passkey of yours/, () => signed(call, {}, softAuthenticator(dana.origin))],
      [
        'names one passkey and is signed by another',
        /signature/,
        async () => {
          const made = await signed(call, {}, softAuthenticator(dana.origin))
          return { ...made, passkey: { ...made['passkey'], id: key.id, rawId: key.id } }
        },
      ],
      ['has a bit of its signature turned', /signature/, async () => turned(await signed(call), 'signature', -1)],
      [
        'has a bit of its counter turned',
        /signature|counter/,
        async () => turned(await signed(call), 'authenticatorData', -1),
      ],
      [
        'has a signature that is none',
        /signature|read/,
        async () => {
          const made = await signed(call)
          made['passkey'].response.signature = 'AAAA'
          return made
        },
      ],
      // Libraries differ in what they read; what one of them does not read would make a ledger that does not verify.
      ...SPELLINGS.map(([what, spelt]): (typeof attacks)[number] => [
        `has a good signature ${what}`,
        /signature/,
        async () => {
          const made = await signed(call)
          const { response } = made['passkey']
          response.signature = spelt(Buffer.from(response.signature, 'base64url')).toString('base64url')
          return made
        },
      ]),
      [
        'says other client data than were signed',
        /signature/,
        async () => {
          const [made, said] = [await signed(call), await signed(call, { client: { more: 1 } })]
          made['passkey'].response.clientDataJSON = said['passkey'].response.clientDataJSON
          return made
        },
      ],
      ['names another owner', /somebody else/, () => signed(call, { handle: Buffer.alloc(32).toString('base64url') })],
      [
        'holds client data that are no JSON',
        /cannot be read/,
        async () => {
          const made = await signed(call)
          made['passkey'].response.clientDataJSON = Buffer.from('[1').toString('base64url')
          return made
        },
      ],
      [
        'holds half of the authenticator’s data',
        /cannot be read/,
        async () => {
          const made = await signed(call)
          made['passkey'].response.authenticatorData = made['passkey'].response.authenticatorData.slice(0, 20)
          return made
        },
      ],
      [
        'holds authenticator’s data with a tail',
        /cannot be read|signature/,
        async () => {
          const made = await signed(call)
          made['passkey'].response.authenticatorData += 'AAAA'
          return made
        },
      ],
    ]
    for (const [what, why, body] of attacks) {
      it(`where it ${what}`, async () => {
        const before = refusals().length
        const answer = await send(call, await body())
        assert.deepEqual([answer.status, answer.body['code']], [403, 'passkey_required'], JSON.stringify(answer.body))
        assert.match(answer.body['detail'], why)
        const [entry, ...more] = refusals().slice(before)
        assert.deepEqual(
          [more.length, entry?.['person'], entry?.['code'], entry?.['call']],
          [0, 'demo:dana', 'passkey_required', call],
        )
        assert.match(String(entry?.['why']), why)
        assert.equal(await statusOf(call), 'held')
      })
    }

    const garbage: readonly (readonly [string, (made: Json) => unknown])[] = [
      ['null', () => null],
      ['a text', () => 'yes'],
      ['a list', () => []],
      ['an empty object', () => ({})],
      ['a member that no browser sends', (made) => ({ ...made, verified: true })],
      ['one within the response', (made) => ({ ...made, response: { ...made['response'], publicKey: 'AAAA' } })],
      ['another raw id', (made) => ({ ...made, rawId: 'AAAA' })],
      ['no raw id', (made) => ({ ...made, rawId: undefined })],
      ['another type', (made) => ({ ...made, type: 'password' })],
      [
        'an id of 2,000 bytes',
        (made) => {
          const id = Buffer.alloc(2000).toString('base64url')
          return { ...made, id, rawId: id }
        },
      ],
      [
        'numbers for texts',
        (made) => ({ ...made, response: { clientDataJSON: 1, authenticatorData: 2, signature: 3 } }),
      ],
      ['base64 with padding', (made) => ({ ...made, response: { ...made['response'], signature: 'AAAAAA==' } })],
      [
        'a second spelling of the same bytes',
        (made) => ({ ...made, response: { ...made['response'], signature: 'AB' } }),
      ],
      [
        'a signature of 30,000 characters',
        (made) => ({ ...made, response: { ...made['response'], signature: 'A'.repeat(30_000) } }),
      ],
      [
        'an owner of 30,000 characters',
        (made) => ({ ...made, response: { ...made['response'], userHandle: 'A'.repeat(30_000) } }),
      ],
      ['a prototype', (made) => JSON.parse(`{"__proto__":{"id":"x"},"id":"${made['id']}"}`)],
    ]
    it('and where it is no answer of a browser at all', async () => {
      const made = await signed(call)
      for (const [what, change] of garbage) {
        const { status, body } = await send(call, { card: made['card'], passkey: change(made['passkey']) })
        assert.deepEqual([what, status, body['code']], [what, 422, 'input_invalid'])
        assert.deepEqual(
          body['errors'].map(({ path }: Json) => path),
          ['passkey'],
        )
      }
      const huge = await send(call, {
        ...made,
        passkey: { ...made['passkey'], clientExtensionResults: { a: 'x'.repeat(70_000) } },
      })
      assert.deepEqual([huge.status, huge.body['code']], [413, 'too_large'])
      assert.equal((await send(call, { ...made, word: 1 })).status, 422)
      assert.equal(await statusOf(call), 'held')
    })

    it('while the true one is good, once', async () => {
      const yes = await signed(call)
      assert.equal((await send(call, yes)).body['status'], 'done')
      assert.deepEqual((await send(call, yes)).body['code'], 'already_decided')
      assert.equal(pay.effects.filter(({ body }) => body['charge'] === 'ch_p4').length, 1)
    })
  })

  it('of one person is not another’s, whoever sends it', async () => {
    const call = await hold()
    const yes = await signed(call)
    const stolen = await send(call, yes, omar)
    assert.deepEqual([stolen.status, stolen.body['code']], [403, 'passkey_required'])
    assert.match(stolen.body['detail'], /no passkey of yours/)
    assert.equal((await send(call, yes)).body['status'], 'done')
  })

  it('is counted by people where two are needed, each with a passkey of their own', async () => {
    const call = await hold(9500)
    const first = await dana.approve(call, key)
    assert.deepEqual([first.status, first.body['status'], first.body['need'][0].have], [200, 'held', 1])
    const second = await dana.post(`/admin/v1/calls/${call}/approve`, await signed(call))
    assert.equal(second.body['code'], 'already_decided')
    const plain = await gate.approve('omar', call)
    assert.deepEqual([plain.status, plain.body.code], [403, 'passkey_required'])
    assert.equal((await omar.approve(call, await omar.passkey())).body['status'], 'done')
  })

  it('of an authenticator that counts must go on from the last one', async () => {
    const counting = await dana.passkey(true)
    const call = await hold()
    const before = await signed(call, {}, counting)
    assert.equal((await dana.approve(await hold(), counting)).body['status'], 'done')
    for (const yes of [before, await signed(call, { counter: 0 }, counting)]) {
      const answer = await send(call, yes)
      assert.deepEqual([answer.body['code'], /counter/.test(answer.body['detail'])], ['passkey_required', true])
    }
    assert.equal((await dana.approve(call, counting)).body['status'], 'done')
  })

  it('is no more than the one card: what is held afresh needs another', async () => {
    const call = await hold()
    const yes = await signed(call)
    const file = join(where.policies, 'roles/agent.yaml')
    const text = await readFile(file, 'utf8')
    const digest = gate.running.policyDigest
    await writeFile(file, text.replace('by: 1 of finance', 'by: 2 of finance'))
    while (gate.running.policyDigest === digest) await sleep(20)
    try {
      const afresh = await send(call, yes)
      assert.deepEqual([afresh.status, afresh.body['code']], [409, 'card_changed'])
      const { card } = await dana.optionsFor(call)
      assert.notEqual(card, yes['card'])
      const replayed = await send(call, { ...yes, card })
      assert.deepEqual([replayed.status, replayed.body['code']], [403, 'passkey_required'])
      assert.match(replayed.body['detail'], /something else/)
      const approved = await dana.approve(call, key)
      assert.deepEqual([approved.status, approved.body['need'][0].have], [200, 1])
    } finally {
      await writeFile(file, text)
      while (gate.running.policyDigest !== digest) await sleep(20)
    }
  })

  it('counts no more once its passkey is removed, and not before it is as old as the policy asks', async () => {
    const fresh = await dana.passkey()
    const call = await hold()
    const yes = await signed(call, {}, fresh)
    const [{ id }] = (await dana.get('/admin/v1/passkeys')).body['passkeys'].slice(-1)
    assert.equal((await dana.post(`/admin/v1/passkeys/${id}/remove`)).status, 200)
    const removed = await send(call, yes)
    assert.deepEqual([removed.status, removed.body['code']], [403, 'passkey_required'])

    const file = join(where.policies, 'identity.yaml')
    const text = await readFile(file, 'utf8')
    const digest = gate.running.policyDigest
    await writeFile(file, text.replace('people: {', 'people: { passkeys: { registered_for: 1h },'))
    while (gate.running.policyDigest === digest) await sleep(20)
    const young = await dana.approve(call, key)
    assert.deepEqual([young.status, young.body['code']], [403, 'passkey_required'])
    assert.match(young.body['detail'], /registered lately/)
    aged(where.dir, 'passkeys', 'added_at', 3_600_000)
    assert.equal((await dana.approve(call, key)).body['status'], 'done')
    await writeFile(file, text)
    while (gate.running.policyDigest !== digest) await sleep(20)
  })

  it('needs a sign-in that stands', async () => {
    const call = await hold()
    const other = await visiting(gate, 'dana')
    const { card, options } = await other.optionsFor(call)
    await other.signOut()
    const late = await other.post(`/admin/v1/calls/${call}/approve`, { card, passkey: key.get(options) })
    assert.deepEqual([late.status, late.body['code'], await statusOf(call)], [401, 'token_invalid', 'held'])
  })

  it('is not needed for a no', async () => {
    const call = await hold()
    assert.equal((await dana.post(`/admin/v1/calls/${call}/reject`, { reason: 'No.' })).body['status'], 'rejected')
    const late = await dana.post(`/admin/v1/calls/${call}/passkey`)
    assert.deepEqual([late.status, late.body['code']], [409, 'already_decided'])
  })
})

function turned(body: Json, member: string, at: number): Json {
  const { response } = body['passkey']
  const bytes = Buffer.from(response[member], 'base64url')
  bytes[bytes.length + at] = (bytes.at(at) ?? 0) ^ 1
  response[member] = bytes.toString('base64url')
  return body
}
