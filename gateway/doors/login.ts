import type { Request, Router } from 'express'
import { SignInFailed } from '../identity/relying-party.ts'
import type { Kept } from '../identity/relying-party.ts'
import { away, pages, queryOf, searchOf } from './browser.ts'
import type { PageParts } from './browser.ts'
import type { Cookies } from './cookies.ts'
import { pathValue, sourceOf } from './frame.ts'
import { markup, page } from './page.ts'
import type { Html } from './page.ts'
import type { Answer } from './send.ts'
import { mustBeOurPage, visitorAt } from './who.ts'

/**
 * The sign-in of people with a browser: `/login` sends them to their own issuer, `/login/callback` takes them back, `/me`
 * tells who they are, `/logout` ends it. Under --dev also `/in/CODE`, once each.
 */
export function loginRoutes(parts: PageParts): Router {
  const { gateway, signIn } = parts
  const { party, visits, links } = signIn
  const { get, post, done } = pages(parts)

  get('/login', async (request, cookies) => {
    const query = queryOf(request)
    const next = onward(query?.get('next'))
    const again = query?.get('again') === 'true'
    if (!again && (await visitorAt(request, parts)) !== null) return away(next)
    const known = party.issuers()
    const issuer = known.length === 1 ? known[0] : known.find(({ name }) => name === query?.get('issuer'))
    if (issuer === undefined)
      return choice(
        known.map(({ name }) => name),
        next,
        again,
        links !== null,
      )
    const before = visits.idOf(cookies.read(request, 'person'))
    try {
      const { url, kept } = await party.begin(issuer, { next, again, replaces: before })
      return away(url, [cookies.set('login', written(kept), LOGIN_LIFE_S)])
    } catch (error) {
      return failed(error, request, cookies)
    }
  })

  get('/login/callback', async (request, cookies) => {
    const kept = readKept(cookies.read(request, 'login'))
    if (kept === null) {
      gateway.refused('token_invalid', sourceOf(request))
      const text = markup`<p>This browser has not begun a sign-in here, or it took too long.</p>
        ${anew('/me')}`
      return page('Not signed in', text, { status: 400 })
    }
    try {
      const proven = await party.finish(searchOf(request), kept)
      const cookie = await visits.open(proven, 'issuer', kept.replaces ?? visits.idOf(cookies.read(request, 'person')))
      if (cookie === null) throw new SignInFailed('refused', 'Its token names no person.')
      return welcome(cookie, onward(kept.next), cookies)
    } catch (error) {
      return failed(error, request, cookies)
    }
  })

  get('/me', async (request) => {
    const visitor = await visitorAt(request, parts)
    if (visitor === null) return away('/login?next=/me')
    const { person, csrf } = visitor
    const groups = person.groups.join(', ') || 'none: here you may only look at this page'
    return page(
      'You are signed in',
      markup`<dl>
          <dt>You</dt>
          <dd>${person.name}</dd>
          <dt>In the ledger</dt>
          <dd>${person.id}</dd>
          <dt>Groups</dt>
          <dd>${groups}</dd>
        </dl>
        <form method="post" action="/logout">
          <input type="hidden" name="csrf" value="${csrf}" /><button>Sign out</button>
        </form>`,
    )
  })

  post('/logout', async (request, cookies, form) => {
    const visitor = await visitorAt(request, parts)
    if (visitor !== null) {
      mustBeOurPage(request, visitor, form.get('csrf') ?? '', parts)
      await visits.end(cookies.read(request, 'person') ?? '')
    }
    return page(
      'Signed out',
      markup`<p>Of Keystay. Your issuer may still know you.</p>
        ${anew('/me')}`,
      {
        cookies: [cookies.clear('person')],
      },
    )
  })

  if (links !== null) {
    get('/in/:code', async (request, cookies) => {
      const taken = links.take(pathValue(request, 'code'))
      const before = visits.idOf(cookies.read(request, 'person'))
      const cookie = taken === null ? null : await visits.open(taken.proven, 'link', before, taken.auth_at)
      if (taken !== null && cookie !== null) return welcome(cookie, onward(taken.next), cookies)
      gateway.refused('token_invalid', sourceOf(request))
      const text = markup`<p>A link opens once. npm start prints new ones.</p>`
      return page('This link is used up', text, { status: 403 })
    })
  }

  function failed(error: unknown, request: Request, cookies: Cookies): Answer {
    if (!(error instanceof SignInFailed)) throw error
    gateway.refused(error.why === 'away' ? 'backend_unavailable' : 'token_invalid', sourceOf(request))
    return page(
      'Not signed in',
      markup`<p>The issuer: ${error.message}</p>
        ${anew('/me')}`,
      {
        status: error.why === 'away' ? 503 : 403,
        cookies: [cookies.clear('login')],
      },
    )
  }
  return done()
}

/** The browser is on its way back from another site: what it is to go on with is a page of ours, which then goes on. */
function welcome(cookie: string, next: string, cookies: Cookies): Answer {
  return page('Signed in', markup``, { next, cookies: [cookies.set('person', cookie), cookies.clear('login')] })
}

function choice(names: readonly string[], next: string, again: boolean, dev: boolean): Answer {
  if (names.length === 0) {
    const how = dev
      ? markup`<p>Open one of the links that npm start printed; each works once.</p>`
      : markup`<p>No issuer of people in identity.yaml has <code>oidc</code> and <code>client_id</code>.</p>`
    return page('Nobody signs in here with a browser', how, { status: 404 })
  }
  const links = names.map((name) => {
    const query = new URLSearchParams({ issuer: name, next, ...(again ? { again: 'true' } : {}) })
    return markup`<li><a href="/login?${query.toString()}">${name}</a></li>`
  })
  return page(
    'Sign in',
    markup`<p>Where do you have an account?</p>
      <ul>
        ${links}
      </ul>`,
  )
}

function anew(next: string): Html {
  return markup`<p><a href="/login?next=${next}">Sign in</a></p>`
}

const LOGIN_LIFE_S = 600
/** With the rest of what it keeps, as much as a cookie holds. */
const NEXT_MAX = 2_400

/** Where to after a sign-in: one of our own pages, by its spelling, and nowhere else. */
function onward(next: string | undefined): string {
  const ours = /^\/(?:me|device|oauth\/authorize|console\/[A-Za-z0-9/_-]*)(?:\?[A-Za-z0-9\-._~!$'()*+,;:@%/?=&]*)?$/
  return next !== undefined && next.length <= NEXT_MAX && ours.test(next) ? next : '/me'
}

function written(kept: Kept): string {
  return Buffer.from(JSON.stringify(kept)).toString('base64url')
}

/** The browser's owner may have changed it: it can only spoil their own sign-in. */
function readKept(cookie: string | null): Kept | null {
  if (cookie === null || cookie.length > 4096) return null
  try {
    const { issuer, secret, at, next, again, replaces } = JSON.parse(Buffer.from(cookie, 'base64url').toString()) as {
      [member: string]: unknown
    }
    if (typeof issuer !== 'string' || typeof secret !== 'string' || secret.length !== 43) return null
    if (typeof at !== 'number' || typeof next !== 'string' || typeof again !== 'boolean') return null
    if (replaces !== null && (typeof replaces !== 'string' || !/^[0-9a-f]{64}$/.test(replaces))) return null
    return { issuer, secret, at, next, again, replaces }
  } catch {
    return null
  }
}
