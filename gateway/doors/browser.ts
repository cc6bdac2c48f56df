import type { ErrorRequestHandler, Request, RequestHandler, Router } from 'express'
import { Problem } from '../core/problem.ts'
import type { SignIn } from '../identity/sign-in.ts'
import { cookiesFor } from './cookies.ts'
import type { Cookies } from './cookies.ts'
import { newRouter, sourceOf } from './frame.ts'
import type { DoorParts } from './frame.ts'
import { markup, page } from './page.ts'
import { isRefusedAtTheDoor, toProblem } from './problem.ts'
import { BODY_LIMITS, readForm } from './read-body.ts'
import { sender } from './send.ts'
import type { Answer } from './send.ts'

/** What the routes of pages stand on. */
export interface PageParts extends DoorParts {
  readonly signIn: SignIn
  readonly adminUrl: () => string
}

/** Routes that answer people in a browser, errors too. */
export interface Pages {
  readonly router: Router
  get(path: string, answer: (request: Request, cookies: Cookies) => Promise<Answer>): void
  /** Forms of our own pages. */
  post(
    path: string,
    answer: (request: Request, cookies: Cookies, form: ReadonlyMap<string, string>) => Promise<Answer>,
  ): void
  /** After the last route. */
  done(): Router
}

export function pages({ gateway, scrub, fault, adminUrl, signIn, body: limits = BODY_LIMITS }: PageParts): Pages {
  const router = newRouter()
  const send = sender(scrub)
  const paths: string[] = []
  const route = (answer: (request: Request, cookies: Cookies) => Promise<Answer>): RequestHandler => {
    return async (request, response) => {
      const cookies = cookiesFor(adminUrl())
      // The demo is at a second name too, for passkeys; sign-ins at an issuer come back to the first.
      const second = request.path.startsWith('/login') ? null : (signIn.links?.place() ?? null)
      const isThere = second !== null && request.headers.host === new URL(second.url).host
      const to = isThere ? null : sameName(request, adminUrl())
      const answered =
        cookies === null
          ? page(
              'No sign-in over plain http',
              markup`<p>
                Whoever listens on the way would be signed in as you. Use https: (${'--tls-cert'}, or a proxy and
                ${'--admin-url https://…'}).
              </p>`,
              { status: 403 },
            )
          : to !== null && request.method === 'GET'
            ? away(to)
            : await answer(request, cookies)
      await send(request, response, answered)
    }
  }
  return {
    router,
    get(path, answer) {
      paths.push(path)
      router.get(path, route(answer))
    },
    post(path, answer) {
      paths.push(path)
      router.post(
        path,
        route(async (request, cookies) => {
          const form = await readForm(request, limits)
          if (form === null) throw new Problem('malformed', 'The form cannot be read.')
          return answer(request, cookies, form)
        }),
      )
    },
    done() {
      const last: ErrorRequestHandler = async (error, request, response, _next) => {
        const problem = toProblem(error)
        if (problem.code === 'internal') fault(error)
        if (isRefusedAtTheDoor(problem.code) && !response.destroyed) gateway.refused(problem.code, sourceOf(request))
        const { title, status } = problem.body()
        await send(request, response, page(title, markup`<p>${problem.message}</p>`, { status }))
      }
      router.use(paths, last)
      return router
    },
  }
}

/** To another address: by GET, whatever the request was (RFC 9110, section 15.4.4). */
export function away(location: string, cookies?: readonly string[]): Answer {
  return {
    status: 303,
    body: undefined,
    headers: { Location: location },
    ...(cookies === undefined ? {} : { cookies }),
  }
}

/**
 * The query as the browser sent it, each member once; null where one stands twice. Members that we do not know are ignored
 * (RFC 6749, section 3.1).
 */
export function queryOf(request: Request): ReadonlyMap<string, string> | null {
  const members = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(searchOf(request))) {
    if (members.has(name)) return null
    members.set(name, value)
  }
  return members
}

/** With its question mark; empty where there is none. */
export function searchOf(request: Request): string {
  const at = request.originalUrl.indexOf('?')
  return at === -1 ? '' : request.originalUrl.slice(at)
}

/** localhost and 127.0.0.1 are one machine and two names to cookies: people are taken to the one that the issuer sends them back to. */
function sameName(request: Request, adminUrl: string): string | null {
  const { host, protocol } = new URL(adminUrl)
  const asked = request.headers.host ?? ''
  const isOther = asked !== host && /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/.test(asked)
  return isOther && portOf(asked) === portOf(host) && isLoopbackHost(host)
    ? `${protocol}//${host}${request.originalUrl}`
    : null
}

function isLoopbackHost(host: string): boolean {
  return /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/.test(host)
}

function portOf(host: string): string {
  return /:(\d+)$/.exec(host)?.[1] ?? ''
}
