import { Problem } from '../core/problem.ts'
import type { Person } from '../core/types.ts'
import type { House } from './house.ts'

export type Right = 'view' | 'freeze' | 'settle' | 'export'

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
): Promise<void> {
  const fields = { person: person.id, what, code, ...(call === undefined ? {} : { call }) }
  await house.store.write({ op: 'note', kind: 'approval.refused', fields })
}
