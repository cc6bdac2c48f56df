/**
 * Seeds that once found something, and why: they are run every time. A seed belongs to the code that ran it, so whoever
 * changes what the simulation draws finds it anew, with the cause put back, or drops it.
 */
export const PINNED: readonly { readonly seed: number; readonly why: string }[] = [
  { seed: 1114, why: 'what a process still asks for in the moment of its death kept the database from the others' },
  { seed: 400451, why: 'a commit is read back over a line that is lost once more: it waits, and asks again' },
  { seed: 453060, why: 'a repeat that was begun in time stood still until the backend had forgotten its key' },
  { seed: 453606, why: 'people were asked about a call that its former owner could still begin' },
]
