/** Where a store is: `sqlite:FILE` or `postgres://…`. */
export type StoreAddress =
  | { readonly kind: 'sqlite'; readonly file: string }
  | { readonly kind: 'postgres'; readonly url: string }

/** @returns null for what is neither. */
export function storeAddress(text: string): StoreAddress | null {
  if (/^sqlite:./.test(text)) return { kind: 'sqlite', file: text.slice('sqlite:'.length) }
  if (/^postgres(ql)?:\/\//.test(text) && URL.canParse(text)) return { kind: 'postgres', url: text }
  return null
}
