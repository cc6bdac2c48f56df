import { idFrom } from '../core/id.ts'
import type { House } from './house.ts'

/** @returns a fresh `prefix_` + 26 characters of Crockford base 32, in order of time. */
export function newId(house: Pick<House, 'clock' | 'random'>, prefix: string): string {
  return idFrom(prefix, house.clock.now(), house.random(10))
}
