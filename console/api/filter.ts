/** What the address may say of a list of calls: exactly the filter of the API, as text, and where to go on from. */
export const FILTERS = [
  ...(['status', 'action', 'role', 'person', 'session', 'because', 'evidence'] as const),
  ...(['min', 'max', 'since', 'until', 'q', 'cursor'] as const),
]
export type Filter = { readonly [name in (typeof FILTERS)[number]]?: string }
