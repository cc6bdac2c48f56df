/** Everything that is left to chance in one run comes from here, so that a seed is a run. */
export interface Random {
  /** 0 ≤ x < 1. */
  next(): number
  /** An integer, 0 ≤ x < n. */
  below(n: number): number
  /** An integer, least ≤ x ≤ most. */
  between(least: number, most: number): number
  chance(probability: number): boolean
  pick<T>(list: readonly T[]): T
  bytes(count: number): Uint8Array
}

/** sfc32 (Chris Doty-Humphrey, PractRand), seeded by splitmix32. */
export function randomFrom(seed: number): Random {
  let mix = (seed ^ 0x9e3779b9) >>> 0
  const word = (): number => {
    mix = (mix + 0x9e3779b9) >>> 0
    let z = mix
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return (z ^ (z >>> 16)) >>> 0
  }
  let [a, b, c, counter] = [word(), word(), word(), 1]
  const draw = (): number => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    c |= 0
    return sum >>> 0
  }
  for (let warm = 0; warm < 12; warm++) draw()
  const next = (): number => draw() / 2 ** 32
  const below = (n: number): number => Math.floor(next() * n)
  return {
    next,
    below,
    between: (least, most) => least + below(most - least + 1),
    chance: (probability) => next() < probability,
    pick<T>(list: readonly T[]): T {
      if (list.length === 0) throw new RangeError('there is nothing to pick from')
      return list[below(list.length)] as T
    },
    bytes(count) {
      const bytes = new Uint8Array(count)
      for (let at = 0; at < count; at += 4) {
        const four = draw()
        for (let byte = 0; byte < 4 && at + byte < count; byte++) bytes[at + byte] = (four >>> (8 * byte)) & 0xff
      }
      return bytes
    },
  }
}
