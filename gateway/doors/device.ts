import type { Request, Router } from 'express'
import type { Consent } from '../core/visit.ts'
import type { Visitor } from '../identity/visits.ts'
import { away, pages, queryOf, searchOf } from './browser.ts'
import type { PageParts } from './browser.ts'
import { sourceOf } from './frame.ts'
import { markup, page } from './page.ts'
import type { Html } from './page.ts'
import type { Answer } from './send.ts'
import { mustBeOurPage, visitorAt } from './who.ts'

/**
 * `/device`: where a person types what a program showed them, sees what it asks for, and says yes or no (RFC 8628, section
 * 3.3). Whoever has the code can decide about it, as themselves: the page says what they would let hold a role in their name.
 */
export function deviceRoutes(parts: PageParts): Router {
  const { gateway, signIn } = parts
  const { consents } = signIn
  const { get, post, done } = pages(parts)

  get('/device', async (request) => {
    const visitor = await visitorAt(request, parts)
    if (visitor === null)
      return away(`/login?${new URLSearchParams({ next: `/device${searchOf(request)}` }).toString()}`)
    const typed = queryOf(request)?.get('user_code')
    if (!typed) return page('Let a program act as you', ask())
    const found = await consents.look(visitor, typed)
    return typeof found === 'string' ? notFound(found, request) : card(visitor, found, typed)
  })

  post('/device', async (request, _cookies, form) => {
    const visitor = await visitorAt(request, parts)
    if (visitor === null) return away('/login?next=/device')
    mustBeOurPage(request, visitor, form.get('csrf') ?? '', parts)
    const found = await consents.look(visitor, form.get('user_code') ?? '')
    if (typeof found === 'string') return notFound(found, request)
    // Another word than these two is no yes.
    const yes = form.get('decision') === 'approve'
    const decided = await consents.decide(visitor, found, yes)
    if (decided === 'over') return notFound('none', request)
    if (decided === 'not_eligible') return page('Not yours to give', notEligible(found.role), { status: 403 })
    return yes
      ? page('Approved', markup`<p>The program goes on by itself. You can close this page.</p>`)
      : page('Refused', markup`<p>The program has been told no. You can close this page.</p>`)
  })

  function notFound(why: 'none' | 'too_many', request: Request): Answer {
    gateway.refused(why === 'none' ? 'input_invalid' : 'rate_limited', sourceOf(request))
    return why === 'none'
      ? page(
          'No such code',
          markup`<p>Nothing asks under this code (any more). A code lives ten minutes.</p>
            ${ask()}`,
          { status: 404 },
        )
      : page('Too many wrong codes', markup`<p>Wait a minute, then ask the program for a new code.</p>`, {
          status: 429,
        })
  }

  function card(visitor: Visitor, { client, role, source }: Consent, typed: string): Answer {
    const may = consents.mayHold(visitor, role)
    return page(
      'Let this program act as you?',
      markup`<p class="code">${typed.toUpperCase()}</p>
        <p>
          <strong>Go on only if you started the program yourself and it shows this code now.</strong> Somebody who sent
          you the code would get a session in your name.
        </p>
        <dl>
          <dt>Program, by its own name</dt>
          <dd>${client}</dd>
          <dt>Asked from</dt>
          <dd>${source ?? 'here'}</dd>
          <dt>Role</dt>
          <dd>${role}</dd>
          ${
            may === null
              ? markup``
              : markup`<dt>Which may</dt>
                  <dd>${may.describe}</dd>`
          }
          <dt>As</dt>
          <dd>${visitor.person.name} (${visitor.person.id})</dd>
        </dl>
        ${may === null ? notEligible(role) : markup``}
        ${may === null ? markup`` : button(visitor, typed, 'approve', 'Approve')}
        ${button(visitor, typed, 'refuse', 'Refuse')}`,
    )
  }
  return done()
}

function button({ csrf }: Visitor, typed: string, decision: string, label: string): Html {
  return markup`<form method="post" action="/device">
    <input type="hidden" name="csrf" value="${csrf}" /><input type="hidden" name="user_code" value="${typed}" /><input
      type="hidden"
      name="decision"
      value="${decision}"
    /><button>${label}</button>
  </form>`
}

/** The same words for a role that does not exist. */
export function notEligible(role: string): Html {
  return markup`<p>You can have no session of the role ${role}.</p>`
}

function ask(): Html {
  return markup`<form method="get" action="/device">
    <label
      >The code that the program shows<br /><input
        name="user_code"
        required
        autocomplete="off"
        autocapitalize="characters"
        spellcheck="false"
    /></label>
    <button>Go on</button>
  </form>`
}
