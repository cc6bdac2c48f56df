/** Seeded randomness: what is done, when, and how it is lied about follows from the seed; what the processes make of it does not. */
export interface Random {
  /** In [0, 1). */
  next(): number
  chance(probability: number): boolean
  /** An integer from low to high, both included. */
  integer(low: number, high: number): number
  /** A number from low to high; small ones are as likely as large ones are on a logarithmic scale. */
  spread(low: number, high: number): number
  pick<T>(from: readonly T[]): T
  /** One of the names, as often as its weight says. */
  weighed<Name extends string>(weights: { readonly [name in Name]: number }): Name
}

/** mulberry32, https://gist.github.com/tommyettinger/46a874533244883189143505d203312c (public domain). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const integer = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1))
  return {
    next,
    chance: (probability) => next() < probability,
    integer,
    spread: (low, high) => low * (high / low) ** next(),
    pick: (from) => from[integer(0, from.length - 1)] as (typeof from)[number],
    weighed(weights) {
      const all = Object.entries<number>(weights)
      let left = next() * all.reduce((sum, [, weight]) => sum + weight, 0)
      for (const [name, weight] of all) if ((left -= weight) < 0) return name as keyof typeof weights
      return (all.at(-1)?.[0] ?? '') as keyof typeof weights
    },
  }
}
