/** What the load-time lint knows about a value. `optional`: may be absent, as `input.note` may. */
export type Type =
  | 'any'
  | 'null'
  | 'int'
  | 'double'
  | 'bool'
  | 'string'
  | { readonly enum: readonly string[] }
  | { readonly list: Type }
  | { readonly object: { readonly [member: string]: Type }; readonly open?: boolean }
  | { readonly optional: Type }

export type TypeScope = { readonly [name: string]: Type }

/** The type of the value once it is known to be there. */
export function present(type: Type): Type {
  return typeof type === 'object' && 'optional' in type ? present(type.optional) : type
}

export function isOptional(type: Type): boolean {
  return typeof type === 'object' && 'optional' in type
}

/** Whether a value of one type can ever equal a value of the other. CEL's int and double do not meet here. */
export function meets(left: Type, right: Type): boolean {
  const a = present(left)
  const b = present(right)
  if (a === 'any' || b === 'any') return true
  if (isText(a) && isText(b)) {
    if (a === 'string' || b === 'string') return true
    return valuesOf(a).some((value) => valuesOf(b).includes(value))
  }
  if (typeof a === 'object' && typeof b === 'object') {
    if ('list' in a && 'list' in b) return meets(a.list, b.list)
    return 'object' in a && 'object' in b
  }
  return a === b
}

export function isText(type: Type): boolean {
  const there = present(type)
  return there === 'string' || (typeof there === 'object' && 'enum' in there)
}

export function valuesOf(type: Type): readonly string[] {
  const there = present(type)
  return typeof there === 'object' && 'enum' in there ? there.enum : []
}

export function isNumber(type: Type): boolean {
  const there = present(type)
  return there === 'int' || there === 'double'
}

/** The item type of a list; null for what is not one. */
export function itemOf(type: Type): Type | null {
  const there = present(type)
  if (there === 'any') return 'any'
  return typeof there === 'object' && 'list' in there ? there.list : null
}

/** Own members of an object type; null for what is not a (closed or open) object. */
export function membersOf(type: Type): { readonly names: readonly string[]; readonly open: boolean } | null {
  const there = present(type)
  if (there === 'any') return { names: [], open: true }
  if (typeof there !== 'object' || !('object' in there)) return null
  return { names: Object.keys(there.object), open: there.open === true }
}

export function memberOf(type: Type, name: string): Type | null {
  const there = present(type)
  if (there === 'any') return 'any'
  if (typeof there !== 'object' || !('object' in there)) return null
  if (Object.hasOwn(there.object, name)) return there.object[name] ?? null
  return there.open === true ? 'any' : null
}

/** One type for what may be either; `any` where they have nothing in common. */
export function join(left: Type, right: Type): Type {
  const a = present(left)
  const b = present(right)
  if (isText(a) && isText(b)) {
    return a === 'string' || b === 'string' ? 'string' : { enum: [...new Set([...valuesOf(a), ...valuesOf(b)])] }
  }
  return a === b ? a : 'any'
}

/** In the words of people who write policies. */
export function inWords(type: Type): string {
  const there = present(type)
  if (typeof there === 'object') {
    if ('list' in there) return 'a list'
    return 'object' in there ? 'an object' : 'text'
  }
  return {
    any: 'anything',
    null: 'null',
    int: 'a whole number',
    double: 'a number with decimals',
    bool: 'true or false',
    string: 'text',
  }[there]
}
