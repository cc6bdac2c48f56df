import { Problem } from '../core/problem.ts'
import type { Person } from '../core/types.ts'
import type { House } from './house.ts'

export type Right = 'view' | 'freeze' | 'settle' | 'export'

/** Each right, and whether this person has it now. */
export function rightsOf(house: House, person: Person): { readonly [right in Right]: boolean } {
  const { people } = house.policy()
  const has = (right: Right): boolean => people[right].some((group) => person.groups.includes(group))
  return { view: has('view'), freeze: has('freeze'), settle: has('settle'), export: has('export') }
}

/** What a person may do comes from `people:` in identity.yaml. @throws Problem not_eligible; the refused click is an entry. */
export async function mayOrRefuse(house: House, person: Person, right: Right, what: string): Promise<void> {
  const groups = house.policy().people[right]
  if (groups.some((group) => person.groups.includes(group))) return
  await refusedClick(house, person, what, 'not_eligible')
  const who = groups.length === 0 ? 'nobody' : groups.join(', ')
  throw new Problem('not_eligible', `To ${what} one must be of: ${who}.`)
}

/** Every refused click is an entry. */
export async function refusedClick(
  house: House,
  person: Person,
  what: string,
  code: string,
  call?: string,
  /** Where the code does not say it all. */
  why?: string,
): Promise<void> {
  const about = { ...(call === undefined ? {} : { call }), ...(why === undefined ? {} : { why }) }
  const fields = { person: person.id, what, code, ...about }
  await house.store.write({ op: 'note', kind: 'approval.refused', fields })
}
