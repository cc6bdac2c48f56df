import assert from 'node:assert/strict'
import { passkeyPlace } from '../../gateway/identity/webauthn.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { entriesOf } from '../house/entries.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { softAuthenticator } from './authenticator.ts'
import type { Json, Lies } from './authenticator.ts'
import { aged } from './company.ts'
import { visiting } from './person.ts'
import type { Visiting } from './person.ts'

describe('where passkeys can be used', () => {
  const PLACES: readonly (readonly [string, boolean, string | null])[] = [
    ['https://keystay.example', false, 'https://keystay.example keystay.example'],
    ['https://keystay.example:8443/', false, 'https://keystay.example:8443 keystay.example'],
    ['http://localhost:8788', false, 'http://localhost:8788 localhost'],
    ['http://127.0.0.1:8788', true, 'http://localhost:8788 localhost'],
    ['http://[::1]:8788', true, 'http://localhost:8788 localhost'],
    ['http://127.0.0.1:8788', false, null],
    ['https://127.0.0.1:8788', true, null],
    ['https://192.0.2.1', false, null],
    ['https://[2001:db8::1]', false, null],
    ['http://192.0.2.1:8788', true, null],
    ['http://keystay.example', true, null],
    ['', true, null],
  ]
  for (const [adminUrl, dev, place] of PLACES)
    it(`${place ?? 'nowhere'}, of ${adminUrl || 'no address'}${dev ? ' under --dev' : ''}`, () => {
      const at = passkeyPlace(adminUrl, dev)
      assert.equal(at === null ? null : `${at.url} ${at.rp}`, place)
    })
})

const FIVE_MINUTES = 5 * 60_000

describe('people register passkeys', function () {
  this.timeout(60_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let dana: Visiting

  before(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    gate = await house(where)
  })
  after(async () => {
    await gate?.stop()
    await pay?.close()
    await where?.remove()
  })
  beforeEach(async () => {
    dana = await visiting(gate, 'dana')
  })

  const entries = (kind: string) => entriesOf(where.dir).filter((one) => one.kind === kind)
  const listed = async (person: Visiting): Promise<Json[]> => (await person.get('/admin/v1/passkeys')).body['passkeys']
  const options = async (person: Visiting): Promise<Json & { challenge: string }> =>
    (await person.post('/admin/v1/passkeys/options')).body['options']
  const add = (person: Visiting, response: unknown, name = 'Laptop') =>
    person.post('/admin/v1/passkeys', { name, response })
  const grow = () => aged(where.dir, 'visits', 'auth_at', FIVE_MINUTES)

  it('in the browser that they signed in with just now; the ledger has digests of it', async () => {
    const asked = await options(dana)
    assert.deepEqual(
      [asked['rp'], asked['attestation'], asked['authenticatorSelection'].userVerification, asked['user'].name],
      [{ name: 'Keystay', id: 'localhost' }, 'none', 'required', 'demo:dana'],
    )
    // Opaque, and the same each time.
    assert.match(asked['user'].id, /^[\w-]{43}$/)
    assert.equal((await options(dana))['user'].id, asked['user'].id)
    const key = await dana.passkey()
    const [view] = await listed(dana)
    assert.deepEqual(
      { ...view, id: '', added_at: '' },
      {
        id: '',
        person: 'demo:dana',
        name: 'Key of the test',
        added_at: '',
        used_at: null,
        synced: false,
        aaguid: '00000000-0000-0000-0000-000000000000',
        rp: 'localhost',
      },
    )
    const [{ id: _, at: __, ...entry } = assert.fail('no entry')] = entries('person.passkey_added')
    const { key: digest, proof, ...rest } = entry
    assert.match(String(digest), /^sha256:[0-9a-f]{64}$/)
    assert.equal(proof, entries('person.signed_in').at(-1)?.['proof'])
    assert.deepEqual(rest, {
      kind: 'person.passkey_added',
      person: 'demo:dana',
      credential: `sha256:${view?.['id']}`,
      aaguid: view?.['aaguid'],
      synced: false,
      rp: 'localhost',
      confirmed: 'sign_in',
    })
    const again = await options(dana)
    assert.deepEqual(
      again['excludeCredentials'].map((one: Json) => one['id']),
      [key.id],
    )
  })

  it('but no script does, whatever its token', async () => {
    for (const [path, body] of [
      ['/admin/v1/passkeys/options', {}],
      ['/admin/v1/passkeys', { name: 'x', response: softAuthenticator(dana.origin).create({ challenge: 'AAAA' }) }],
      ['/admin/v1/passkeys/confirm/options', {}],
      ['/admin/v1/passkeys/go', { next: '/console/' }],
    ] as const) {
      const { status, body: said } = await gate.admin('dana', 'POST', path, body)
      assert.deepEqual([path, status, said.code], [path, 403, 'not_eligible'])
    }
    // Not with a cookie beside its token either: with one, nobody has asked where the request comes from.
    const cookie = (await fetch(gate.running.signInLink('dana') ?? '')).headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const both = await fetch(`${gate.running.adminUrl}/admin/v1/passkeys/options`, {
      method: 'POST',
      headers: { cookie, authorization: `Bearer ${await gate.person('dana')}`, 'content-type': 'application/json' },
      body: '{}',
    })
    assert.equal(both.status, 403)
    const seen = await gate.admin('dana', 'GET', '/admin/v1/passkeys')
    assert.deepEqual([seen.status, seen.body.fresh_until], [200, null])
  })

  it('nor whoever has nothing but their cookie: the sign-in must be of the last five minutes', async () => {
    const made = softAuthenticator(dana.origin).create(await options(dana))
    grow()
    const before = entries('approval.refused').length
    for (const answer of [await dana.post('/admin/v1/passkeys/options'), await add(dana, made)]) {
      assert.deepEqual([answer.status, answer.body['code']], [403, 'not_eligible'])
      assert.match(answer.body['detail'], /last five minutes: sign in again \(\/login\?again=true\)/)
    }
    assert.equal((await dana.get('/admin/v1/passkeys')).body['fresh_until'], null)
    const refused = entries('approval.refused').slice(before)
    assert.deepEqual(
      refused.map(({ person, what }) => `${String(person)} ${String(what)}`),
      ['demo:dana register a passkey', 'demo:dana register a passkey'],
    )
  })

  it('nor a page that does not say that it is ours', async () => {
    const cookie = (await fetch(gate.running.signInLink('dana') ?? '')).headers.getSetCookie()[0]?.split(';')[0] ?? ''
    for (const origin of [undefined, gate.running.adminUrl, 'https://evil.example']) {
      const { status } = await fetch(`${gate.running.adminUrl}/admin/v1/passkeys/options`, {
        method: 'POST',
        headers: { cookie, 'content-type': 'application/json', ...(origin === undefined ? {} : { origin }) },
        body: '{}',
      })
      assert.equal(status, 403, String(origin))
    }
  })

  it('also when they confirm with a passkey that they have, once for each challenge', async () => {
    const key = await dana.passkey()
    grow()
    const asked = (await dana.post('/admin/v1/passkeys/confirm/options')).body['options']
    assert.ok(asked.allowCredentials.some(({ id }: Json) => id === key.id))
    const stranger = softAuthenticator(dana.origin)
    for (const wrong of [
      stranger.get(asked),
      { ...stranger.get(asked), id: key.id, rawId: key.id },
      key.get(asked, { flags: 1 }),
      key.get(asked, { origin: gate.running.adminUrl }),
      key.get({ challenge: 'AAAA' }),
    ]) {
      const { status, body } = await dana.post('/admin/v1/passkeys/confirm', { response: wrong })
      assert.deepEqual([status, body['code']], [403, 'not_eligible'])
    }
    assert.equal((await dana.get('/admin/v1/passkeys')).body['fresh_until'], null)
    const right = key.get(asked)
    const done = await dana.post('/admin/v1/passkeys/confirm', { response: right })
    assert.equal(done.status, 200, JSON.stringify(done.body))
    assert.ok(Date.parse(done.body['fresh_until']) > Date.now())
    assert.equal((await dana.post('/admin/v1/passkeys/confirm', { response: right })).status, 403)
    await dana.passkey()
    assert.equal(entries('person.passkey_added').at(-1)?.['confirmed'], 'passkey')
    aged(where.dir, 'visits', 'confirmed_at', FIVE_MINUTES)
    assert.equal((await dana.post('/admin/v1/passkeys/options')).status, 403)
  })

  const attacks: readonly (readonly [string, RegExp, Lies])[] = [
    ['another challenge', /something else/, { challenge: 'AAAA' }],
    ['the page at the address', /another page/, { origin: 'http://127.0.0.1:8788' }],
    ['another site', /another site/, { rp: 'evil.example' }],
    ['nobody verified', /not verified/, { flags: 0b1000001 }],
    ['nobody present', /not verified/, { flags: 0b1000100 }],
    ['no key in it', /read/, { flags: 0b101 }],
    ['an assertion', /another kind/, { type: 'webauthn.get' }],
    ['a frame of another site', /another site/, { client: { crossOrigin: true } }],
  ]
  it('and none that is not made here and now', async () => {
    const count = (await listed(dana)).length
    for (const [what, why, lies] of attacks) {
      const answer = await add(dana, softAuthenticator(dana.origin).create(await options(dana), lies))
      assert.deepEqual([what, answer.status, answer.body['code']], [what, 403, 'not_eligible'])
      assert.match(answer.body['detail'], why, what)
    }
    // A challenge is good once, for what it was given, in the browser that it was given to, for five minutes.
    const [one, other] = [softAuthenticator(dana.origin), await visiting(gate, 'dana')]
    assert.equal((await add(dana, one.create(await options(other)))).status, 403)
    const made = one.create(await options(dana))
    await dana.post('/admin/v1/passkeys/confirm/options')
    assert.equal((await add(dana, made)).status, 403, 'another was given since')
    const confirming = (await dana.post('/admin/v1/passkeys/confirm/options')).body['options']
    assert.equal((await add(dana, one.create(confirming))).status, 403, 'it was for something else')
    const named = one.create(await options(dana))
    assert.equal((await add(dana, { ...named, id: 'AAAA', rawId: 'AAAA' })).status, 403, 'another id')
    const late = one.create(await options(dana))
    aged(where.dir, 'visits', 'challenge.expires_at', FIVE_MINUTES)
    assert.match((await add(dana, late)).body['detail'], /too long ago/)
    const asked = await options(dana)
    const good = one.create(asked)
    assert.equal((await add(dana, good)).status, 200)
    assert.equal((await add(dana, good)).status, 403)
    assert.equal((await add(dana, softAuthenticator(dana.origin).create(asked))).status, 403, 'a second one by it')
    assert.match((await add(dana, one.create(await options(dana)))).body['detail'], /registered already/)
    const omar = await visiting(gate, 'omar')
    assert.match((await add(omar, one.create(await options(omar)))).body['detail'], /registered already/)
    assert.equal((await listed(dana)).length, count + 1)
    assert.deepEqual(await listed(omar), [])
  })

  it('and none that cannot be read, without a fault of ours', async () => {
    const good = softAuthenticator(dana.origin).create(await options(dana))
    const object = Buffer.from(good['response'].attestationObject, 'base64url')
    const garbage: unknown[] = [null, [], 'x', {}, { ...good, more: 1 }, { ...good, id: '' }, { ...good, type: 'x' }]
    for (const response of garbage) assert.equal((await add(dana, response)).status, 422, JSON.stringify(response))
    for (const name of ['', ' ', 'x'.repeat(61), 7, null])
      assert.equal((await add(dana, good, name as string)).status, 422)
    const objects = [
      ...[1, 10, 40, 100].map((length) => object.subarray(0, length)),
      ...[3, 30, 60, 100, 150].map((at) => Buffer.concat([object.subarray(0, at), Buffer.alloc(400, 0xff)])),
      Buffer.from('bf', 'hex'),
      Buffer.alloc(12_000, 0x81),
      Buffer.alloc(12_000, 0x5f),
    ]
    for (const bytes of objects) {
      const response = { ...good['response'], attestationObject: bytes.toString('base64url') }
      const { status, body } = await add(dana, { ...good, response })
      assert.deepEqual([status, body['code']], [403, 'not_eligible'], bytes.toString('hex').slice(0, 80))
    }
    assert.equal((await add(dana, good)).status, 200)
  })

  it('twenty at most', async () => {
    const omar = await visiting(gate, 'omar')
    for (let made = 0; made < 20; made++) await omar.passkey()
    const [{ id }] = (await listed(omar)) as [Json]
    const more = await add(omar, softAuthenticator(omar.origin).create(await options(omar)))
    assert.match(more.body['detail'], /20 passkeys/)
    assert.equal((await omar.post(`/admin/v1/passkeys/${id}/remove`)).status, 200)
    await omar.passkey()
  })

  it('and remove their own, lately signed in; those of others are for who may freeze, with a reason', async () => {
    await dana.passkey()
    const id = (await listed(dana)).at(-1)?.['id']
    const path = `/admin/v1/passkeys/${id}/remove`
    const omar = await visiting(gate, 'omar')
    assert.deepEqual([(await omar.post(path, { reason: 'mine' })).body['code']], ['not_eligible'])
    assert.equal((await gate.admin('omar', 'GET', '/admin/v1/passkeys?person=demo:dana')).body.code, 'not_eligible')
    grow()
    assert.match((await dana.post(path)).body['detail'], /last five minutes/)
    assert.match((await gate.admin('dana', 'POST', path, {})).body.detail, /in the browser/)
    assert.equal((await gate.admin('sam', 'POST', path, {})).status, 400)
    const seen = (await gate.admin('sam', 'GET', '/admin/v1/passkeys?person=demo:dana')).body.passkeys
    assert.ok(seen.some((one: Json) => one['id'] === id))
    assert.equal((await gate.admin('sam', 'POST', path, { reason: 'The laptop was stolen.' })).status, 200)
    const { person, credential, by, reason } = entries('person.passkey_removed').at(-1) ?? assert.fail('no entry')
    assert.deepEqual(
      { person, credential, by, reason },
      { person: 'demo:dana', credential: `sha256:${id}`, by: 'demo:sam', reason: 'The laptop was stolen.' },
    )
    assert.equal((await gate.admin('sam', 'POST', path, { reason: 'Again.' })).status, 404)
    for (const none of ['x', 'A'.repeat(64), `${'a'.repeat(63)}g`])
      assert.equal((await gate.admin('sam', 'POST', `/admin/v1/passkeys/${none}/remove`, { reason: 'x' })).status, 404)
  })

  it('of the demo with a new link whenever a program of this machine asks for one, and no page', async () => {
    const ask = (account: unknown, headers: { [name: string]: string } = {}) =>
      fetch(`${gate.running.adminUrl}/dev/link`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ account }),
      })
    const { url } = (await (await ask('dana')).json()) as { url: string }
    assert.ok(url.startsWith(`${gate.running.adminUrl}/in/`))
    assert.deepEqual([(await fetch(url)).status, (await fetch(url)).status], [200, 403])
    assert.deepEqual([(await ask('nobody')).status, (await ask(7)).status], [422, 422])
    assert.equal((await ask('dana', { origin: gate.running.adminUrl })).status, 403)
  })

  it('of the demo at localhost, where a link carries their sign-in and no new proof of it', async () => {
    grow()
    const { body } = await dana.post('/admin/v1/passkeys/go', { next: '/console/?call=call_1' })
    assert.ok(body['url'].startsWith(`${dana.origin}/in/`))
    const opened = await fetch(body['url'], { redirect: 'manual' })
    assert.equal(opened.status, 200)
    assert.match(await opened.text(), /url=\/console\/\?call=call_1"/)
    const cookie = opened.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const there = (await (await fetch(`${dana.origin}/admin/v1/passkeys`, { headers: { cookie } })).json()) as Json
    assert.deepEqual([there['fresh_until'], there['at'].url], [null, dana.origin])
    assert.equal((await fetch(`${dana.origin}/me`, { headers: { cookie }, redirect: 'manual' })).status, 200)
    assert.equal((await fetch(body['url'], { redirect: 'manual' })).status, 403)
  })
})
