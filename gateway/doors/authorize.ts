import type { Router } from 'express'
import { readAuthorize } from '../identity/authorize-request.ts'
import type { AuthorizeRequest, ReadAuthorize } from '../identity/authorize-request.ts'
import { withAnswer } from '../identity/redirect-uri.ts'
import type { Visitor } from '../identity/visits.ts'
import { away, pages, queryOf, searchOf } from './browser.ts'
import type { PageParts } from './browser.ts'
import { notEligible } from './device.ts'
import { sourceOf } from './frame.ts'
import { markup, page } from './page.ts'
import type { Html } from './page.ts'
import type { Answer } from './send.ts'
import { mustBeOurPage, visitorAt } from './who.ts'

/**
 * `/oauth/authorize` (RFC 6749, section 4.1; PKCE always): a program on the person's machine sends their browser here, and
 * they say whether it may hold a role as them. It stands on the listener for people: only there is somebody signed in. They
 * are asked each time: any program can listen on loopback and take any name (RFC 8252, section 8.6).
 */
export function authorizeRoutes(parts: PageParts & { readonly agentUrl: () => string }): Router {
  const { gateway, signIn, agentUrl } = parts
  const { consents } = signIn
  const { get, post, done } = pages(parts)
  const issuer = (): string => agentUrl().replace(/\/+$/, '')
  const answer = ({ redirect_uri, state }: Pick<AuthorizeRequest, 'redirect_uri' | 'state'>, members: object): Answer =>
    // `iss` tells a program that knows several servers which one answers (RFC 9207).
    away(withAnswer(redirect_uri, { ...members, state, iss: issuer() }))

  const refused = (read: Exclude<ReadAuthorize, { kind: 'ask' }>, source: string): Answer => {
    gateway.refused('invalid_request', source)
    if (read.kind === 'page') return page('This program cannot be let in', markup`<p>${read.text}</p>`, { status: 400 })
    const { error, error_description } = read
    return answer(read, { error, error_description })
  }

  get('/oauth/authorize', async (request) => {
    const read = readAuthorize(queryOf(request), agentUrl())
    if (read.kind !== 'ask') return refused(read, sourceOf(request))
    const visitor = await visitorAt(request, parts)
    if (visitor !== null) return card(visitor, read.request)
    const next = `/oauth/authorize${searchOf(request)}`
    return away(`/login?${new URLSearchParams({ next }).toString()}`)
  })

  post('/oauth/authorize', async (request, _cookies, form) => {
    const read = readAuthorize(form, agentUrl())
    if (read.kind !== 'ask') return refused(read, sourceOf(request))
    const visitor = await visitorAt(request, parts)
    if (visitor === null) return page('Not signed in', markup`<p>Begin again from the program.</p>`, { status: 403 })
    mustBeOurPage(request, visitor, form.get('csrf') ?? '', parts)
    if (form.get('decision') !== 'approve') {
      await consents.refuse(visitor, read.request)
      return answer(read.request, { error: 'access_denied', error_description: 'The person said no.' })
    }
    const code = await consents.give(visitor, read.request)
    if (code !== null) return answer(read.request, { code })
    const text = 'This person can have no session of that role.'
    return answer(read.request, { error: 'access_denied', error_description: text })
  })

  function card(visitor: Visitor, asked: AuthorizeRequest): Answer {
    const may = consents.mayHold(visitor, asked.role)
    const { host } = new URL(asked.redirect_uri)
    return page(
      'Let this program act as you?',
      markup`<p>
          <strong>Go on only if you started the program yourself just now.</strong> It gets a session in your name.
        </p>
        <dl>
          <dt>Program, by its own name</dt>
          <dd>${asked.client}</dd>
          <dt>Answer goes to</dt>
          <dd>${host}, on this machine</dd>
          <dt>Role</dt>
          <dd>${asked.role}</dd>
          ${
            may === null
              ? markup``
              : markup`<dt>Which may</dt>
                  <dd>${may.describe}</dd>`
          }
          <dt>As</dt>
          <dd>${visitor.person.name} (${visitor.person.id})</dd>
        </dl>
        ${may === null ? notEligible(asked.role) : markup``}
        ${may === null ? markup`` : button(visitor, asked, 'approve', 'Approve')}
        ${button(visitor, asked, 'refuse', 'Refuse')}`,
      { formTo: formTarget(asked.redirect_uri) },
    )
  }
  return done()
}

function button({ csrf }: Visitor, asked: AuthorizeRequest, decision: string, label: string): Html {
  const { client, role, redirect_uri, state, challenge } = asked
  const fields = {
    csrf,
    decision,
    response_type: 'code',
    client_id: client,
    redirect_uri,
    scope: `role:${role}`,
    ...(state === null ? {} : { state }),
    code_challenge: challenge,
    code_challenge_method: 'S256',
  }
  const hidden = Object.entries(fields).map(
    ([name, value]) => markup`<input type="hidden" name="${name}" value="${raw(value)}" />`,
  )
  return markup`<form method="post" action="/oauth/authorize">${hidden}<button>${label}</button></form>`
}

/** As it came, since it goes back: escaped, but not made visible. */
function raw(value: string): Html {
  return { html: value.replaceAll(/[^A-Za-z0-9]/gu, (character) => `&#${character.codePointAt(0)};`) }
}

/** CSP has no word for an IPv6 address; then any plain http: address, of which the redirect is one. */
function formTarget(redirect_uri: string): string {
  const { origin, hostname } = new URL(redirect_uri)
  return hostname.startsWith('[') ? 'http:' : origin
}
