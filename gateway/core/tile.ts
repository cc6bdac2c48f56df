/**
 * A tile of the tree by its name below `/ledger/tile/` (C2SP tlog-tiles): at most 256 hashes side by side, each the root of
 * 256^level entries, or the entries themselves.
 */
export interface Tile {
  readonly of: number | 'entries'
  readonly index: number
  /** How many; 256 in a tile that is full. */
  readonly width: number
}

/** Hashes or entries in a tile that is full. */
export const TILE = 256

/** `0/x001/x234/067` or, while it is not full, `0/x001/x234/067.p/12`. @returns null for whatever is spelt otherwise. */
export function parseTile(path: string): Tile | null {
  const [, of = '', places = '', part] = NAME.exec(path) ?? []
  // Each tile has one name: no place too many.
  if (of === '' || places.startsWith('x000/')) return null
  const index = Number(places.replaceAll(/[x/]/g, ''))
  const width = part === undefined ? TILE : Number(part)
  const level = of === 'entries' ? of : Number(of)
  if (!Number.isSafeInteger(index) || (part !== undefined && width >= TILE)) return null
  return level === 'entries' || level < LEVELS ? { of: level, index, width } : null
}

const NAME = /^(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/
/** Above it no tree of ours can reach, and none of the specification does. */
const LEVELS = 64
