import { Problem } from '../../core/problem.ts'
import { PARAMETER_DEPTH } from '../../core/endpoint.ts'
import type { Json, JsonObject } from '../../core/types.ts'

const PAIRS_MAX = 512
const NAME_MAX = 200

/**
 * Form parameters with nested names, as Stripe's SDKs and many others write them: `metadata[ticket]=T-1`, `expand[]=x`,
 * `items[0][price]=p`. Values are texts. A name that stands twice, or is once a value and once a parent, is refused.
 *
 * @param text `application/x-www-form-urlencoded`: a body, or a query without its question mark.
 * @throws Problem malformed.
 */
export function readParameters(text: string): JsonObject {
  const pairs = text === '' ? [] : text.split('&')
  if (pairs.length > PAIRS_MAX) throw malformed(`There are more than ${PAIRS_MAX} parameters.`)
  const root: Branch = new Map()
  for (const pair of pairs) {
    const equals = pair.includes('=') ? pair.indexOf('=') : pair.length
    place(root, stepsOf(decoded(pair.slice(0, equals))), decoded(pair.slice(equals + 1)))
  }
  return objectOf(root)
}

type Branch = Map<string, string | Branch>

/** `a[b][]` → a, b and an empty step, which is the next item of a list. */
function stepsOf(name: string): string[] {
  const [whole, first = '', rest = ''] = /^([^[\]]+)((?:\[[^[\]]*\])*)$/.exec(name) ?? []
  if (whole === undefined || name.length > NAME_MAX) throw malformed('A parameter has a name that cannot be read.')
  const steps = [first, ...[...rest.matchAll(/\[([^\]]*)\]/g)].map(([, step]) => step ?? '')]
  if (steps.length > PARAMETER_DEPTH) throw malformed(`Parameters are nested at most ${PARAMETER_DEPTH} deep.`)
  if (steps.slice(0, -1).includes(''))
    throw malformed('An item of a list that has members needs its number: items[0][price].')
  return steps
}

function place(root: Branch, steps: readonly string[], value: string): void {
  let branch = root
  for (const step of steps.slice(0, -1)) {
    const below = branch.get(step) ?? new Map()
    if (typeof below === 'string') throw malformed('A parameter is once a value and once has members.')
    branch.set(step, below)
    branch = below
  }
  const last = steps.at(-1) ?? ''
  const name = last === '' ? String(branch.size) : last
  if (branch.has(name)) throw malformed('A parameter stands there twice.')
  branch.set(name, value)
}

/** Names that are 0, 1, 2 … and nothing else make a list. */
function jsonOf(branch: string | Branch): Json {
  if (typeof branch === 'string') return branch
  const items = Array.from({ length: branch.size }, (_, index) => branch.get(String(index)))
  const list = items.filter((item) => item !== undefined)
  return list.length === branch.size ? list.map(jsonOf) : objectOf(branch)
}

/** Not by assignment: a member named __proto__ stays a member. */
function objectOf(branch: Branch): JsonObject {
  return Object.fromEntries([...branch].map(([name, below]) => [name, jsonOf(below)]))
}

function decoded(text: string): string {
  try {
    if (/^[\x21-\x7E]*$/.test(text)) return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    // no UTF-8, or a broken escape
  }
  throw malformed('The parameters cannot be read as a form in UTF-8.')
}

function malformed(detail: string): Problem {
  return new Problem('malformed', detail)
}
