import type { IncomingHttpHeaders } from 'node:http'

export type HeaderLine = readonly [name: string, value: string]

/**
 * What the agent sees of the head of an answer: everything but what belongs to the connection (RFC 9110, section 7.6.1,
 * with whatever `Connection` names), to somebody else's session (cookies, challenges), to a page of the gateway's own
 * origin (CORS, HSTS and their like), and whatever tells where the backend is. A redirect or a link below the backend's
 * own address points below the route instead; one to anywhere else is left out.
 *
 * @param below the address that the route stands for: origin and base path.
 * @param asked the target that was asked for, which relative references are of.
 * @param clean takes the credential out of a reference as it came: read as an address it may be another text.
 */
export function answerHeaders(
  headers: IncomingHttpHeaders,
  {
    below,
    asked,
    route,
    clean,
  }: {
    readonly below: URL
    readonly asked: string
    readonly route: string
    readonly clean: (text: string) => string
  },
): HeaderLine[] {
  const named = new Set(listOf(headers['connection']))
  const place = (reference: string): string | null => placed(reference, below, asked, route)
  const tells = hostPattern(below)
  return Object.entries(headers).flatMap(([name, value]): HeaderLine[] => {
    if (value === undefined || LEFT_OUT.test(name) || named.has(name)) return []
    const text = [value].flat().join(', ')
    if (REFERENCES.has(name)) return lineOf(name, place(clean(text)))
    if (name === 'link') return lineOf(name, linked(clean(text), place))
    return tells.test(text) ? [] : [[name, text]]
  })
}

const LEFT_OUT = new RegExp(
  `^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|http2-settings|date|cache-control|expires|pragma
    |set-cookie2?|cookie2?|authorization|www-authenticate|authentication-info|x-csrf.*
    |access-control-.*|content-security-policy.*|cross-origin-.*|origin-agent-cluster|permissions-policy|referrer-policy
    |strict-transport-security|public-key-pins.*|x-content-type-options|x-frame-options|x-xss-protection|x-dns-prefetch-control
    |clear-site-data|service-worker-allowed|refresh|sourcemap|x-sourcemap|expect-ct|reporting-endpoints|report-to|nel
    |server|x-powered-by|x-served-by|x-backend.*|x-upstream.*|alt-svc|alt-used|via|forwarded|x-forwarded-.*|x-real-ip
    |x-accel-.*|x-sendfile|x-original-.*|x-envoy-.*|keystay-.*|idempotency-replayed)$`.replaceAll(/\s+/g, ''),
)
const REFERENCES: ReadonlySet<string> = new Set(['location', 'content-location'])

function lineOf(name: string, value: string | null): HeaderLine[] {
  return value === null ? [] : [[name, value]]
}

function listOf(value: string | undefined): string[] {
  return (value ?? '').split(',').map((name) => name.trim().toLowerCase())
}

/** The reference as it stands below the route; null for one that leaves the backend's address. */
function placed(reference: string, below: URL, asked: string, route: string): string | null {
  // No reference has one (RFC 3986, section 2), and it would be read as a slash: what it was could not be told any more.
  if (reference.includes('\\')) return null
  const url = URL.parse(reference, `${below.origin}${asked}`)
  const prefix = below.pathname.replace(/\/$/, '')
  if (url === null || url.origin !== below.origin || url.username !== '' || url.password !== '') return null
  if (url.pathname !== prefix && !url.pathname.startsWith(`${prefix}/`)) return null
  const path = url.pathname.slice(prefix.length)
  return `/proxy/${route}${path === '/' ? '' : path}${url.search}${url.hash}`
}

/** RFC 8288: `<reference>; rel=next, …`. One that leads elsewhere is left out; what cannot be read, all of it. */
function linked(text: string, place: (reference: string) => string | null): string | null {
  const links = [...text.matchAll(/<([^<>]*)>((?:\s*;\s*[A-Za-z*-]+\s*=\s*(?:"[^"\\<>]*"|[^\s",;<>]+))*)/g)]
  if (links.length === 0 || text.replaceAll(/<[^<>]*>[^<>,]*(?:,\s*|$)/g, '') !== '') return null
  const kept = links.flatMap(([, reference = '', parameters = '']) => {
    const here = place(reference)
    return here === null ? [] : [`<${here}>${parameters}`]
  })
  return kept.length === 0 ? null : kept.join(', ')
}

/** The backend's name as a word of its own, wherever it stands. */
function hostPattern({ hostname }: URL): RegExp {
  return new RegExp(`(?:^|[^A-Za-z0-9.-])${RegExp.escape(hostname)}(?:$|[^A-Za-z0-9-])`, 'i')
}
