/** What a run is about: the later worlds have seeds of their own, so that every other seed draws what it always drew. */
export type World = 'calls' | 'joins' | 'leases'

/** Two seeds of five: `joins` asks without keys, `leases` lends logins; in both people are told by notices. */
export function worldOf(seed: number): World {
  const of = seed % 5
  return of === 2 ? 'joins' : of === 3 ? 'leases' : 'calls'
}
