export type Form = { readonly [member: string]: string | readonly string[] | Form }

/**
 * Reads application/x-www-form-urlencoded with nested keys, as Stripe's clients write it: `metadata[call]=x`,
 * `created[gte]=1`, `expand[]=charge`. @returns a sentence where the keys do not make a tree.
 */
export function parseForm(text: string): Form | string {
  const root: Record<string, unknown> = Object.create(null)
  for (const [key, value] of new URLSearchParams(text)) {
    const match = /^([^[\]]+)((?:\[[^[\]]*\])*)$/.exec(key)
    if (!match) return `Invalid parameter name: ${key}`
    const path = [match[1] ?? '', ...[...(match[2] ?? '').matchAll(/\[([^[\]]*)\]/g)].map((part) => part[1] ?? '')]
    if (path.length > 5) return `Invalid parameter name: ${key}`
    const problem = place(root, path, value)
    if (problem) return `${problem}: ${key}`
  }
  return root as Form
}

function place(root: Record<string, unknown>, path: readonly string[], value: string): string | null {
  let at = root
  for (const [index, name] of path.entries()) {
    const last = index === path.length - 1
    const there = at[name]
    if (!last && path[index + 1] === '' && index === path.length - 2) {
      if (there !== undefined && !Array.isArray(there)) return 'Conflicting parameters'
      at[name] = [...(there ?? []), value]
      return null
    }
    if (last) {
      if (there !== undefined) return 'Received a parameter twice'
      at[name] = value
      return null
    }
    if (there === undefined) at[name] = Object.create(null) as object
    else if (typeof there !== 'object' || Array.isArray(there)) return 'Conflicting parameters'
    at = at[name] as Record<string, unknown>
  }
  return null
}
