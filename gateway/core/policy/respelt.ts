import { nearest } from '../spelling.ts'
import { visible } from '../visible.ts'
import type { Member } from './member.ts'

/** The member that a name was meant to be; null where none is near, or the name is too long for a slip. */
export function meant(name: string, member: Member): string | null {
  const names = member.kind === 'object' ? member.members.map((known) => known.name) : []
  return name.length > 64 ? null : nearest(name, names)
}

export interface Respelt {
  readonly value: unknown
  /** Paths of the members that have the value of a misspelt one. */
  readonly paths: readonly string[]
}

/**
 * The input as it was meant: misspelt members under the names that they are near to, where those are missing. So that
 * whoever mends the name hears in the same answer what is wrong with the value.
 */
export function respelt(member: Member, value: unknown, path = 'input'): Respelt {
  if (Array.isArray(value) && member.kind === 'array') {
    const items = Array.from(value, (item, index) => respelt(member.items, item, `${path}[${index}]`))
    return { value: items.map((item) => item.value), paths: items.flatMap(({ paths }) => paths) }
  }
  const plain = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!plain || member.kind !== 'object') return { value, paths: [] }
  const parts = new Map(member.members.map(({ name, member: part }) => [name, part]))
  const paths: string[] = []
  const taken = new Set(Object.keys(value))
  const entries = Object.entries(value).map(([given, inside]): [string, unknown] => {
    const near = parts.has(given) ? null : meant(given, member)
    const name = near === null || taken.has(near) ? given : near
    const part = parts.get(name)
    if (part === undefined) return [given, inside]
    const below = `${path}.${visible(name)}`
    if (name !== given) {
      taken.add(name)
      paths.push(below)
    }
    const { value: known, paths: more } = respelt(part, inside, below)
    paths.push(...more)
    return [name, known]
  })
  return { value: Object.fromEntries(entries), paths }
}
