import { hash } from 'node:crypto'

/**
 * The Merkle tree of RFC 6962, section 2.1, over SHA-256: leaf and node hashes, the compact range that lets a tree grow
 * without its leaves, and proofs with their verification (RFC 9162, sections 2.1.3.2 and 2.1.4.2).
 */

export type Hash = Uint8Array

/** A tree as the roots of its perfect subtrees, largest first: enough to append to it and to know its root. */
export interface Frontier {
  readonly size: number
  readonly hashes: readonly Hash[]
}

export const EMPTY: Frontier = { size: 0, hashes: [] }

/** SHA-256(0x00 || bytes). Text is hashed as UTF-8. */
export function leafHash(bytes: string | Uint8Array): Hash {
  return sha256(typeof bytes === 'string' ? `\0${bytes}` : Buffer.concat([LEAF, bytes]))
}

/** SHA-256(0x01 || left || right). */
export function nodeHash(left: Hash, right: Hash): Hash {
  return sha256(Buffer.concat([NODE, left, right]))
}

/** In one go: a hash object for each would cost more than the hashing. */
function sha256(bytes: string | Uint8Array): Hash {
  return hash('sha256', bytes, 'buffer')
}

/** The tree with these leaves behind its last one. */
export function append(frontier: Frontier, leaves: readonly Hash[]): Frontier {
  const hashes = [...frontier.hashes]
  let { size } = frontier
  for (const leaf of leaves) {
    let hash = leaf
    // A new leaf closes one perfect subtree for every trailing 1 of the size, as a carry does in binary addition.
    for (let left = size; left % 2 === 1; left = Math.floor(left / 2)) hash = nodeHash(hashes.pop() as Hash, hash)
    hashes.push(hash)
    size++
  }
  return { size, hashes }
}

/**
 * The roots of the subtrees of this size, a power of two, that these leaves close behind the tree: they never change again.
 *
 * @returns each with its first leaf, the eldest first.
 */
export function subtreesClosed(
  frontier: Frontier,
  leaves: readonly Hash[],
  size: number,
): { readonly start: number; readonly root: Hash }[] {
  const closed: { start: number; root: Hash }[] = []
  const open = frontier.size % size
  // The last of the frontier's hashes are those of the subtree that is open.
  let part: Frontier = { size: open, hashes: frontier.hashes.slice(frontier.hashes.length - frontierLength(open)) }
  for (let at = 0; leaves.length - at >= size - part.size; part = EMPTY) {
    const more = size - part.size
    const start = frontier.size + at - part.size
    closed.push({ start, root: rootOf(append(part, leaves.slice(at, at + more))) })
    at += more
  }
  return closed
}

/** The root; that of the empty tree is SHA-256 of nothing. */
export function rootOf(frontier: Frontier): Hash {
  const last = frontier.hashes.at(-1)
  if (last === undefined) return sha256('')
  return frontier.hashes.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last)
}

/** How many hashes the frontier of a tree of this size has: the ones of the size in binary. */
export function frontierLength(size: number): number {
  let ones = 0
  for (let left = size; left > 0; left = Math.floor(left / 2)) ones += left % 2
  return ones
}

/** The hashes, lowest first, that lead from one leaf to the root of all of them. @throws RangeError outside the tree. */
export function inclusionProof(leaves: readonly Hash[], index: number): Hash[] {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length) {
    throw new RangeError(`no leaf ${index} in a tree of ${leaves.length}`)
  }
  if (leaves.length === 1) return []
  const split = splitOf(leaves.length)
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)]
  return index < split
    ? [...inclusionProof(left, index), treeRoot(right)]
    : [...inclusionProof(right, index - split), treeRoot(left)]
}

/** RFC 9162, section 2.1.3.2. False for whatever does not fit; never throws. */
export function verifyInclusion(leaf: Hash, index: number, size: number, proof: readonly Hash[], root: Hash): boolean {
  if (!isSize(index) || !isSize(size) || index >= size) return false
  let [node, last, hash] = [index, size - 1, leaf]
  for (const step of proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(step, hash)
      for (; node % 2 === 0 && node !== 0; last = half(last)) node = half(node)
    } else {
      hash = nodeHash(hash, step)
    }
    node = half(node)
    last = half(last)
  }
  return last === 0 && equal(hash, root)
}

/** The hashes that show that the tree of the first `first` leaves is the beginning of this one. @throws RangeError */
export function consistencyProof(leaves: readonly Hash[], first: number): Hash[] {
  if (!Number.isInteger(first) || first < 1 || first > leaves.length) {
    throw new RangeError(`no tree of ${first} in a tree of ${leaves.length}`)
  }
  return subproof(leaves, first, true)
}

/** RFC 9162, section 2.1.4.2; the empty tree is the beginning of every tree. False for whatever does not fit. */
export function verifyConsistency(
  first: number,
  second: number,
  proof: readonly Hash[],
  firstRoot: Hash,
  secondRoot: Hash,
): boolean {
  if (!isSize(first) || !isSize(second) || first > second) return false
  if (first === second) return proof.length === 0 && equal(firstRoot, secondRoot)
  if (first === 0) return proof.length === 0 && equal(firstRoot, rootOf(EMPTY))
  let [node, last] = [first - 1, second - 1]
  for (; node % 2 === 1; last = half(last)) node = half(node)
  // A first tree that is perfect is its own beginning of the proof.
  const [start, ...steps] = node === 0 ? [firstRoot, ...proof] : proof
  if (start === undefined) return false
  let [before, after] = [start, start]
  for (const step of steps) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      before = nodeHash(step, before)
      after = nodeHash(step, after)
      for (; node % 2 === 0 && node !== 0; last = half(last)) node = half(node)
    } else {
      after = nodeHash(after, step)
    }
    node = half(node)
    last = half(last)
  }
  return last === 0 && equal(before, firstRoot) && equal(after, secondRoot)
}

export function treeRoot(leaves: readonly Hash[]): Hash {
  return rootOf(append(EMPTY, leaves))
}

function equal(one: Hash, other: Hash): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index])
}

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

function subproof(leaves: readonly Hash[], first: number, whole: boolean): Hash[] {
  if (first === leaves.length) return whole ? [] : [treeRoot(leaves)]
  const split = splitOf(leaves.length)
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)]
  return first <= split
    ? [...subproof(left, first, whole), treeRoot(right)]
    : [...subproof(right, first - split, false), treeRoot(left)]
}

/** The largest power of two below the size. */
function splitOf(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function half(value: number): number {
  return Math.floor(value / 2)
}
