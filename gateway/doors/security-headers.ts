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

function noted(): string[] {
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  middleware(response.req, response, () => {})
  return Object.entries(response.getHeaders() as { readonly [name: string]: string }).flat()
}
