/**
 * Seeds that once found something, and why: they are run every time. A seed belongs to the code that ran it, so whoever
 * changes what the simulation draws finds it anew, with the cause put back, or drops it.
 */
export const PINNED: readonly { readonly seed: number; readonly why: string }[] = [
  { seed: 1114, why: 'what a process still asks for in the moment of its death kept the database from the others' },
  { seed: 400451, why: 'a commit is read back over a line that is lost once more: it waits, and asks again' },
  { seed: 453060, why: 'a repeat that was begun in time stood still until the backend had forgotten its key' },
  { seed: 453606, why: 'people were asked about a call that its former owner could still begin' },
  { seed: 1493, why: 'a login was given by a process that had lost the call to one that revokes it' },
  { seed: 3748, why: 'a notice that may have come was given up before it was known how its wait ended' },
  { seed: 8568, why: 'whoever was told by a process that died, and in vain after that, was not told the end' },
]
