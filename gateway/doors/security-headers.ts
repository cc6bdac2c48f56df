import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import helmet from 'helmet'

/** Nothing here is a page: no script, no frame, no sniffing. */
const middleware = helmet({
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
})

/** Name, value, name, value. What helmet sets is the same each time: it is asked once, by a response that takes notes. */
export const SECURITY_HEADERS: readonly string[] = noted()

/**
 * The same for a page that people read. Browsers tell the Origin of a form's own site only where the referrer may be told
 * to it (Fetch, "append a request Origin header").
 */
export function pageHeaders(policy: string): string[] {
  const own: { readonly [name: string]: string } = {
    'content-security-policy': policy,
    'referrer-policy': 'same-origin',
  }
  return SECURITY_HEADERS.map((value, index) => {
    return index % 2 === 0 ? value : (own[SECURITY_HEADERS[index - 1]?.toLowerCase() ?? ''] ?? value)
  })
}

function noted(): string[] {
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  middleware(response.req, response, () => {})
  return Object.entries(response.getHeaders() as { readonly [name: string]: string }).flat()
}
