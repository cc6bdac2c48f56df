import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { entriesOf } from '../house/entries.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { browser } from '../identity/browser.ts'
import type { Browser } from '../identity/browser.ts'
import { CONFIDENTIAL, realIssuer, secretOf } from '../identity/real-issuer.ts'
import type { RealIssuer } from '../identity/real-issuer.ts'

const PEOPLE = {
  dana: { name: 'Dana <b>&"\u202e', groups: ['finance'] },
  sam: { name: 'Sam', groups: ['security'] },
  guest: { name: 'Guest' },
}

const identity = (url: string): string => `issuers:
  staff: { oidc: "${url}", client_id: keystay-console, scope: openid profile, person: claims.sub, name: claims.name, groups: claims.groups }
  bots: { oidc: "${url}", audience: keystay }
groups:
  finance: { issuer: staff, where: '"finance" in groups' }
  security: { issuer: staff, where: '"security" in groups' }
people: { view: [finance, security], freeze: [security] }
`

const ROLES = {
  'roles/agent.yaml': `role: agent
describe: Refunds.
issue_to: [{ issuer: bots, where: 'claims.sub == "bot"' }]
grants: { pay.look: }
`,
}

describe('people sign in with a browser', function () {
  this.timeout(30_000)
  let issuer: RealIssuer
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let admin: string

  before(async () => {
    issuer = await realIssuer({ people: PEOPLE, workloads: { bot: {} } })
    pay = await startLying()
    const files = { 'identity.yaml': identity(issuer.url), ...ROLES }
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, files)
    gate = await house(where, { dev: false, publicUrl: 'https://keystay.example' })
    admin = gate.running.adminUrl
  })
  after(async () => {
    await gate?.stop()
    await issuer?.stop()
    await pay?.close()
    await where?.remove()
  })

  const signedIn = async (account: string): Promise<Browser> => {
    const person = browser()
    issuer.as(account)
    await person.open(`${admin}/login`)
    return person
  }
  const me = async (person: Browser) => (await person.once(`${admin}/admin/v1/me`)).text
  const freeze = (person: Browser, headers: { [name: string]: string }) =>
    person.once(`${admin}/admin/v1/switches/action:pay.look`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ on: true, reason: 'a test' }),
    })
  const csrfOf = async (person: Browser): Promise<string> => JSON.parse(await me(person)).csrf
  const signedInEntries = () => entriesOf(where.dir).filter(({ kind }) => kind === 'person.signed_in')

  it('at their own issuer, by authorization code, PKCE, state and nonce, and are who it says', async () => {
    const person = browser()
    issuer.as('dana')
    const began = await person.once(`${admin}/login`)
    const asked = new URL(began.next ?? '')
    assert.deepEqual(
      [began.status, asked.origin, asked.searchParams.get('response_type'), asked.searchParams.get('scope')],
      [303, issuer.url, 'code', 'openid profile'],
    )
    assert.equal(asked.searchParams.get('redirect_uri'), `${admin}/login/callback`)
    assert.equal(asked.searchParams.get('code_challenge_method'), 'S256')
    for (const name of ['state', 'nonce', 'code_challenge'])
      assert.match(asked.searchParams.get(name) ?? '', /^[\w-]{43}$/, name)

    const back = await person.open(began.next ?? '', `${admin}/login/callback`)
    const landed = await person.once(back.next ?? '')
    // A page of ours, not a redirect: the next request is our own site's, and has the cookie.
    assert.deepEqual([landed.status, landed.next], [200, `${admin}/me`])
    assert.match(
      landed.headers.getSetCookie().find((line) => line.startsWith('keystay-person=')) ?? '',
      /^keystay-person=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/,
    )
    assert.deepEqual(
      [...person.cookies.keys()].filter((name) => name.startsWith('keystay-')),
      ['keystay-person'],
    )

    const page = await person.once(landed.next ?? '')
    assert.equal(page.status, 200)
    assert.ok(page.text.includes('Dana &#60;b&#62;&#38;&#34;\\u{202e}'), page.text)
    assert.ok(page.text.includes('staff:dana') && page.text.includes('finance'))
    const entry = signedInEntries().at(-1)
    assert.deepEqual(
      { ...entry, id: '', at: '', proof: '' },
      {
        id: '',
        at: '',
        kind: 'person.signed_in',
        person: 'staff:dana',
        issuer: 'staff',
        proof: '',
        by: 'issuer',
      },
    )
    assert.match(String(entry?.['proof']), /^sha256:[0-9a-f]{64}$/)
  })

  it('to pages without script, whose one style is named by its hash', async () => {
    const person = await signedIn('dana')
    const page = await person.once(`${admin}/me`)
    const style = /<style>(.*?)<\/style>/s.exec(page.text)?.[1] ?? ''
    const hash = createHash('sha256').update(style).digest('base64')
    assert.equal(
      page.headers.get('content-security-policy'),
      `default-src 'none'; style-src 'sha256-${hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
    )
    // With no-referrer a browser sends "Origin: null" from a form of our own.
    assert.equal(page.headers.get('referrer-policy'), 'same-origin')
    assert.equal(page.headers.get('cache-control'), 'no-store')
    assert.ok(!/<script|\son\w+=|https?:/i.test(page.text), page.text)
  })

  it('and the store has the hash of their cookie only', async () => {
    const person = await signedIn('dana')
    const cookie = person.cookies.get('keystay-person') ?? ''
    const db = new DatabaseSync(join(where.dir, 'keystay.db'), { readOnly: true })
    const rows = db.prepare('SELECT id, data FROM visits').all() as { id: string; data: string }[]
    db.close()
    assert.ok(rows.some(({ id }) => id === createHash('sha256').update(cookie).digest('hex')))
    assert.ok(!JSON.stringify(rows).includes(cookie))
    assert.ok(!JSON.stringify(entriesOf(where.dir)).includes(cookie))
    assert.ok(!gate.log.join().includes(cookie))
  })

  it('and use the people’s API with the cookie: reads as they are, changes with the token of the page', async () => {
    const sam = await signedIn('sam')
    assert.equal((await sam.once(`${admin}/admin/v1/calls`)).status, 200)
    assert.equal((await sam.once(`${admin}/admin/v1/calls.csv`)).status, 403)
    const csrf = await csrfOf(sam)
    const done = await freeze(sam, { origin: admin, 'keystay-csrf': csrf })
    assert.equal(done.status, 200, done.text)
    const set = entriesOf(where.dir).findLast(({ kind }) => kind === 'switch.set')
    assert.equal(set?.['person'], 'staff:sam')
  })

  let boths: [Browser, Browser] | undefined
  const CSRF: [string, (csrf: string, other: string) => { [name: string]: string }][] = [
    ['no token', () => ({ origin: '' })],
    ['the token of somebody else', (_csrf, other) => ({ origin: '', 'keystay-csrf': other })],
    ['a token that is too short', (csrf) => ({ origin: '', 'keystay-csrf': csrf.slice(1) })],
    ['the token, and no Origin', (csrf) => ({ 'keystay-csrf': csrf })],
    ['the token, from a page of another origin', (csrf) => ({ origin: 'https://evil.example', 'keystay-csrf': csrf })],
    [
      'the token, from another port of this machine',
      (csrf) => ({ origin: 'http://127.0.0.1:1', 'keystay-csrf': csrf }),
    ],
    ['the token, from a page without an origin', (csrf) => ({ origin: 'null', 'keystay-csrf': csrf })],
  ]
  for (const [what, headers] of CSRF) {
    it(`but change nothing by a request with ${what}`, async () => {
      const [sam, dana] = [(boths ??= [await signedIn('sam'), await signedIn('dana')])[0], boths[1]]
      const before = entriesOf(where.dir).filter(({ kind }) => kind === 'switch.set').length
      const sent = headers(await csrfOf(sam), await csrfOf(dana))
      const { status, text } = await freeze(sam, { ...sent, ...(sent['origin'] === '' ? { origin: admin } : {}) })
      assert.deepEqual([status, JSON.parse(text).code], [403, 'not_eligible'])
      assert.equal(entriesOf(where.dir).filter(({ kind }) => kind === 'switch.set').length, before)
    })
  }

  it('sign out with the form of the page, and the cookie is worth nothing from then on', async () => {
    const person = await signedIn('dana')
    const page = await person.once(`${admin}/me`)
    const cookie = `keystay-person=${person.cookies.get('keystay-person')}`
    const forged = await person.once(`${admin}/logout`, {
      method: 'POST',
      headers: { origin: admin, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'csrf=0',
    })
    assert.equal(forged.status, 403)
    const out = await person.submit(page)
    assert.deepEqual([out.status, person.cookies.has('keystay-person')], [200, false])
    const { status, text } = await browser().once(`${admin}/admin/v1/calls`, { headers: { cookie } })
    assert.deepEqual([status, JSON.parse(text).code], [401, 'token_invalid'])
    assert.equal((await browser().once(`${admin}/me`, { headers: { cookie } })).next, `${admin}/login?next=/me`)
  })

  it('get a new cookie with each sign-in, and the one that was there before is dead', async () => {
    const person = await signedIn('dana')
    const before = person.cookies.get('keystay-person') ?? ''
    await person.open(`${admin}/login?again=true`)
    const after = person.cookies.get('keystay-person') ?? ''
    assert.notEqual(after, before)
    const old = browser()
    old.cookies.set('keystay-person', before)
    assert.equal(JSON.parse(await me(old)).code, 'token_invalid')
    assert.equal(JSON.parse(await me(person)).person.id, 'staff:dana')
  })

  const TIMES: [string, string, number, number][] = [
    ['half an hour without a request', 'seen_at', 30 * 60_000 + 1_000, 401],
    ['almost half an hour', 'seen_at', 29 * 60_000, 200],
    ['eight hours, however busy', 'expires_at', 8 * 3_600_000 + 1_000, 401],
    ['almost eight hours', 'expires_at', 8 * 3_600_000 - 60_000, 200],
  ]
  for (const [what, member, ms, status] of TIMES) {
    it(`${status === 200 ? 'are still signed in' : 'have to sign in again'} after ${what}`, async () => {
      const dana = await signedIn('dana')
      const id = createHash('sha256')
        .update(dana.cookies.get('keystay-person') ?? '')
        .digest('hex')
      const visit = (): { seen_at: number } => {
        const db = new DatabaseSync(join(where.dir, 'keystay.db'), { timeout: 5000 })
        const row = db.prepare('SELECT data FROM visits WHERE id = ?').get(id) as { data: string }
        db.close()
        return JSON.parse(row.data)
      }
      const db = new DatabaseSync(join(where.dir, 'keystay.db'), { timeout: 5000 })
      const path = `$.${member}`
      db.prepare('UPDATE visits SET data = json_set(data, ?, json_extract(data, ?) - ?) WHERE id = ?').run(
        path,
        path,
        ms,
        id,
      )
      db.close()
      const before = visit().seen_at
      assert.equal((await dana.once(`${admin}/admin/v1/calls`)).status, status)
      // Who is still there is seen again.
      assert.equal(visit().seen_at > before, member === 'seen_at' && status === 200)
    })
  }

  it('are asked for their credentials anew where that is wanted', async () => {
    const person = await signedIn('dana')
    const began = await person.once(`${admin}/login?again=true`)
    const { searchParams } = new URL(began.next ?? '')
    assert.deepEqual([searchParams.get('prompt'), searchParams.get('max_age')], ['login', '0'])
  })

  it('and only then count as having proved just now who they are', async () => {
    const person = await signedIn('dana')
    const passkeys = async () => JSON.parse((await person.once(`${admin}/admin/v1/passkeys`)).text)
    const register = async () =>
      person.once(`${admin}/admin/v1/passkeys/options`, {
        method: 'POST',
        headers: { origin: admin, 'keystay-csrf': await csrfOf(person), 'content-type': 'application/json' },
        body: '{}',
      })
    assert.equal((await passkeys()).fresh_until, null)
    assert.match((await register()).text, /last five minutes/)
    await person.open(`${admin}/login?again=true&next=/me`)
    assert.ok(Date.parse((await passkeys()).fresh_until) > Date.now())
    // The name of a listener at an address is for its operator to say.
    assert.equal((await passkeys()).at, null)
    const { status, text } = await register()
    assert.deepEqual([status, /--admin-url/.test(text)], [403, true])
  })

  it('and who is of no group sees that, and nothing else', async () => {
    const guest = await signedIn('guest')
    assert.ok((await guest.once(`${admin}/me`)).text.includes('none: here you may only look'))
    const { status, text } = await guest.once(`${admin}/admin/v1/calls`)
    assert.deepEqual([status, JSON.parse(text).code], [403, 'not_eligible'])
  })

  // What comes back is spoilt on its way.
  type Spoilt = { url: URL; person: Browser }
  const BACK: [string, (spoilt: Spoilt) => void | Promise<void>][] = [
    ['without a state', ({ url }) => url.searchParams.delete('state')],
    ['with another state', ({ url }) => url.searchParams.set('state', 'x'.repeat(43))],
    ['with two states', ({ url }) => url.searchParams.append('state', url.searchParams.get('state') ?? '')],
    ['without a code', ({ url }) => url.searchParams.delete('code')],
    ['with another code', ({ url }) => url.searchParams.set('code', 'x'.repeat(43))],
    ['as the answer of another issuer', ({ url }) => url.searchParams.set('iss', 'https://evil.example')],
    ['in a browser that began nothing', ({ person }) => person.cookies.clear()],
    ['in a browser that began another one', ({ person }) => spoilKept(person, { secret: 'A'.repeat(43) })],
    ['long after it began', ({ person }) => spoilKept(person, { at: 1 })],
    ['to a browser that says it went to an issuer of workloads', ({ person }) => spoilKept(person, { issuer: 'bots' })],
    ['to a browser that says it went nowhere', ({ person }) => spoilKept(person, { issuer: 'constructor' })],
    [
      'where it must have asked anew, and did not',
      ({ person }) => spoilKept(person, { again: true, at: Date.now() + 60_000 }),
    ],
    [
      'a second time',
      async ({ url, person }) => {
        const kept = person.cookies.get('keystay-login') ?? ''
        assert.equal((await person.once(url.href)).status, 200)
        person.cookies.clear()
        person.cookies.set('keystay-login', kept)
      },
    ],
    [
      'as a refusal',
      ({ url }) => {
        url.searchParams.delete('code')
        url.searchParams.set('error', 'access_denied')
        url.searchParams.set('error_description', '<script>alert(1)</script>')
      },
    ],
  ]
  for (const [what, spoil] of BACK) {
    it(`are nobody when the issuer’s answer comes ${what}`, async () => {
      const person = browser()
      issuer.as('dana')
      const back = await person.open(`${admin}/login`, `${admin}/login/callback`)
      const url = new URL(back.next ?? '')
      await spoil({ url, person })
      const before = signedInEntries().length
      const { status, text } = await person.once(url.href)
      assert.ok(status === 400 || status === 403, `${status} ${text}`)
      assert.ok(!text.includes('alert'), text)
      assert.equal(signedInEntries().length, before)
      assert.equal(person.cookies.has('keystay-person'), false)
    })
  }

  const THERE: [string, string, string | null][] = [
    ['another nonce', 'nonce', 'x'.repeat(43)],
    ['no nonce', 'nonce', null],
    ['another challenge', 'code_challenge', 'x'.repeat(43)],
  ]
  for (const [what, name, value] of THERE) {
    it(`are nobody when they came to the issuer with ${what}`, async () => {
      const person = browser()
      issuer.as('dana')
      const url = new URL((await person.once(`${admin}/login`)).next ?? '')
      if (value === null) url.searchParams.delete(name)
      else url.searchParams.set(name, value)
      const back = await person.open(url.href, `${admin}/login/callback`)
      const before = signedInEntries().length
      assert.equal((await person.once(back.next ?? '')).status, 403)
      assert.equal(signedInEntries().length, before)
    })
  }

  it('are counted where they are refused', async () => {
    const counted = () => entriesOf(where.dir).filter(({ kind }) => kind === 'requests.refused')
    for (let tries = 0; tries < 60 && !counted().some(({ code }) => code === 'token_invalid'); tries++) await sleep(50)
    assert.ok(counted().some(({ code }) => code === 'token_invalid'))
  })

  const NEXT = [
    '//evil.example/',
    'https://evil.example/',
    '/\\evil.example',
    '/me/../../evil',
    '/login/callback?code=x',
    'javascript:alert(1)',
    '/device"><script>',
    '/console/%0d%0aSet-Cookie:x',
    `/device?${'x'.repeat(3000)}`,
  ]
  for (const next of NEXT) {
    it(`are sent nowhere else afterwards: ${JSON.stringify(next).slice(0, 60)}`, async () => {
      const person = browser()
      issuer.as('dana')
      const query = new URLSearchParams({ next }).toString()
      const back = await person.open(`${admin}/login?${query}`, `${admin}/login/callback`)
      assert.equal((await person.once(back.next ?? '')).next, `${admin}/me`)
      // And where they are signed in already.
      assert.equal((await person.once(`${admin}/login?${query}`)).next, `${admin}/me`)
    })
  }

  it('go on where they were going', async () => {
    const person = browser()
    issuer.as('dana')
    const page = await person.open(`${admin}/device?user_code=BCDF-GHJK`)
    assert.deepEqual([page.url, page.status], [`${admin}/device?user_code=BCDF-GHJK`, 404])
  })

  it('by 127.0.0.1 also when they came by localhost, where the cookie would be another’s', async () => {
    const { status, headers } = await fetch(`${admin.replace('127.0.0.1', 'localhost')}/login`, { redirect: 'manual' })
    assert.deepEqual([status, headers.get('location')], [303, `${admin}/login`])
  })

  it('hear that the issuer is away, and that no one-time link is here', async () => {
    let asked = 0
    const gone = createServer((incoming) => {
      asked += incoming.url?.includes('openid-configuration') ? 1 : 0
      incoming.socket.destroy()
    })
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
    const { port } = gone.address() as AddressInfo
    const files = { 'identity.yaml': identity(`http://127.0.0.1:${port}`), ...ROLES }
    const other = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, files)
    const away = await house(other, { dev: false })
    try {
      const page = await browser().once(`${away.running.adminUrl}/login`)
      assert.deepEqual([page.status, page.headers.get('location')], [503, null])
      // Anybody can open the page: the issuer is not asked by each of them.
      const before = asked
      const many = Array.from({ length: 50 }, () => browser().once(`${away.running.adminUrl}/login`))
      assert.deepEqual([...new Set((await Promise.all(many)).map(({ status }) => status))], [503])
      assert.ok(asked - before <= 2, `${asked - before} times`)
      assert.equal((await browser().once(`${away.running.adminUrl}/in/7QK2-M9`)).status, 404)
      assert.equal(away.running.signInLink('dana'), null)
    } finally {
      await away.stop()
      await other.remove()
      gone.close()
    }
  })

  it('behind https with __Host- cookies and a secret of the client; a cookie without that prefix is nobody’s', async () => {
    process.env['KEYSTAY_TEST_CLIENT'] = secretOf(CONFIDENTIAL)
    const confidential = identity(issuer.url).replace(
      'client_id: keystay-console',
      `client_id: ${CONFIDENTIAL}, client_secret: "env://KEYSTAY_TEST_CLIENT"`,
    )
    const files = { 'identity.yaml': confidential, ...ROLES }
    const other = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, files)
    const secure = await house(other, { dev: false, adminUrl: 'https://people.keystay.example' })
    const url = secure.running.adminUrl
    try {
      const person = browser()
      const began = await person.once(`${url}/login`)
      const asked = new URL(began.next ?? '')
      assert.equal(asked.searchParams.get('redirect_uri'), 'https://people.keystay.example/login/callback')
      assert.match(
        began.headers.getSetCookie()[0] ?? '',
        /^__Host-keystay-login=[\w-]+; Path=\/; HttpOnly; SameSite=Lax; Secure; Max-Age=600$/,
      )
      // The issuer of the test knows loopback addresses only; where the browser would come back to is this listener.
      const plain = await house(other, { dev: false, store: `sqlite:${join(other.dir, 'plain.db')}` })
      const home = plain.running.adminUrl
      try {
        const dana = browser()
        issuer.as('dana')
        await dana.open(`${home}/login`)
        const cookie = dana.cookies.get('keystay-person') ?? ''
        assert.equal(JSON.parse((await dana.once(`${home}/admin/v1/me`)).text).person.id, 'staff:dana')
        const { status } = await browser().once(`${home}/admin/v1/me`, {
          headers: { cookie: `__Host-keystay-person=${cookie}` },
        })
        assert.equal(status, 401)
        const twice = { headers: { cookie: `keystay-person=${cookie}; keystay-person=${cookie}` } }
        assert.equal((await browser().once(`${home}/admin/v1/me`, twice)).status, 401)
      } finally {
        await plain.stop()
      }
    } finally {
      await secure.stop()
      await other.remove()
    }
  })

  it('not at all over plain http from another machine', async () => {
    const files = { 'identity.yaml': identity(issuer.url), ...ROLES }
    const other = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, files)
    const open = await house(other, { dev: false, adminUrl: 'http://keystay.example' })
    try {
      const page = await browser().once(`${open.running.adminUrl}/login`)
      assert.deepEqual([page.status, page.headers.getSetCookie(), page.next], [403, [], null])
    } finally {
      await open.stop()
      await other.remove()
    }
  })
})

function spoilKept(person: Browser, more: object): void {
  const kept = JSON.parse(Buffer.from(person.cookies.get('keystay-login') ?? '', 'base64url').toString())
  person.cookies.set('keystay-login', Buffer.from(JSON.stringify({ ...kept, ...more })).toString('base64url'))
}
