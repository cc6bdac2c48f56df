import type { Action, Endpoint, Grant } from './types.ts'

/** The shapes of another API that a door speaks here. */
export const SHAPES: readonly string[] = ['stripe']

/** As deep as parameters of a request may be nested. */
export const PARAMETER_DEPTH = 5

/** `POST /v1/refunds`, as the policy writes it. */
export function textOf({ method, path }: Pick<Endpoint, 'method' | 'path'>): string {
  return `${method} ${path}`
}

/** Two endpoints that differ in the names of their parameters alone are one. */
export function anonymous(endpoint: Pick<Endpoint, 'method' | 'path'>): string {
  return textOf(endpoint).replaceAll(/\{[^}]*\}/g, '{}')
}

/** `{charge}` → `charge`, in their order. */
export function pathParameters({ path }: Pick<Endpoint, 'path'>): string[] {
  return [...path.matchAll(/\{([^}]*)\}/g)].map(([, name]) => name ?? '')
}

export interface Served {
  readonly action: Action
  readonly endpoint: Endpoint
}

/** The endpoints of one shape that a role's grants open, in the order of the grants. */
export function endpointsOf(
  shape: string,
  grants: ReadonlyMap<string, Pick<Grant, 'action'>>,
  actions: ReadonlyMap<string, Action>,
): Served[] {
  return [...grants.keys()].flatMap((name) => {
    const action = actions.get(name)
    if (action === undefined) return []
    return (action.compat?.[shape] ?? []).map((endpoint) => ({ action, endpoint }))
  })
}

/**
 * The endpoint that a request means, with the values of its path. Of two that fit, the one that says more: a literal
 * segment goes before a parameter, from the left.
 *
 * @param path of the request, encoded as it came, without its query.
 */
export function served(
  all: readonly Served[],
  method: string,
  path: string,
): (Served & { readonly values: ReadonlyMap<string, string> }) | null {
  const segments = path.split('/')
  const fitting = all.flatMap((one) => {
    const values = one.endpoint.method === method ? valuesIn(one.endpoint, segments) : null
    return values === null ? [] : [{ ...one, values }]
  })
  return fitting.sort((a, b) => (rank(a.endpoint) < rank(b.endpoint) ? -1 : 1))[0] ?? null
}

function valuesIn({ path }: Endpoint, segments: readonly string[]): Map<string, string> | null {
  const pattern = path.split('/')
  if (pattern.length !== segments.length) return null
  const values = new Map<string, string>()
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index] ?? ''
    const [, name] = /^\{(.+)\}$/.exec(part) ?? []
    if (name === undefined ? part !== segment : segment === '') return null
    // The edge lets no other encoding through.
    if (name !== undefined) values.set(name, segment.replaceAll('%3A', ':'))
  }
  return values
}

/** Sorts literals before parameters, segment by segment. */
function rank({ path }: Endpoint): string {
  return path
    .split('/')
    .map((part) => (part.startsWith('{') ? '1' : '0'))
    .join('')
}
