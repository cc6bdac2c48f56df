/** The gateway said no: its problem document (RFC 9457). */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, detail: string) {
    super(detail)
    this.status = status
    this.code = code
  }
}

/** What a changing request shows beside the cookie, so that no other page can make one. */
let csrf = ''

export function remember(token: string): void {
  csrf = token
}

/** Asks the people's API of this origin. @throws Refused; TypeError when the gateway cannot be reached. */
export async function ask<Answer>(
  path: string,
  send?: { readonly method: 'POST' | 'PUT'; readonly body: object },
  signal?: AbortSignal,
): Promise<Answer> {
  const changing = { 'Content-Type': 'application/json', 'Keystay-CSRF': csrf }
  const response = await fetch(path, {
    credentials: 'same-origin',
    redirect: 'error',
    ...(signal === undefined ? {} : { signal }),
    headers: { Accept: 'application/json', ...(send === undefined ? {} : changing) },
    ...(send === undefined ? {} : { method: send.method, body: JSON.stringify(send.body) }),
  })
  const body: unknown = await response.json().catch(() => null)
  if (response.ok) return body as Answer
  const problem = (body ?? {}) as { code?: string; detail?: string }
  throw new Refused(
    response.status,
    problem.code ?? 'unreadable',
    problem.detail ?? `The gateway answered ${response.status}.`,
  )
}
