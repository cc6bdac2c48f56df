import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import {
  append,
  consistencyProof,
  EMPTY,
  frontierLength,
  inclusionProof,
  leafHash,
  nodeHash,
  rootOf,
  subtreesClosed,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from '../../gateway/core/merkle.ts'
import type { Hash } from '../../gateway/core/merkle.ts'

const hex = (hash: Hash) => Buffer.from(hash).toString('hex')

/** The inputs and roots of the reference implementation of RFC 6962 (certificate-transparency, merkletree tests). */
const INPUTS = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]
const LEAVES = INPUTS.map((input) => leafHash(Buffer.from(input, 'hex')))

/** Definition of RFC 6962, section 2.1, word for word: what the frontier must agree with. */
function rootByDefinition(leaves: readonly Hash[]): Hash {
  if (leaves.length === 0) return rootOf(EMPTY)
  if (leaves.length === 1) return leaves[0] as Hash
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return nodeHash(rootByDefinition(leaves.slice(0, split)), rootByDefinition(leaves.slice(split)))
}

const leaves = fc.integer({ min: 1, max: 70 }).map((size) => {
  return Array.from({ length: size }, (_, index) => leafHash(`entry ${index}`))
})

function flip(hash: Hash, bit: number): Hash {
  return hash.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
}

describe('the Merkle tree', () => {
  it('has the roots of the published vectors', () => {
    assert.deepEqual(
      ROOTS.map((_, size) => hex(treeRoot(LEAVES.slice(0, size)))),
      ROOTS,
    )
  })

  it('knows the roots of the subtrees that leaves close, however many come at a time', () => {
    const batches = fc.array(fc.integer({ min: 0, max: 23 }), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(batches, fc.constantFrom(1, 2, 4, 8), (counts, size) => {
        const all: Hash[] = []
        const closed: { start: number; root: Hash }[] = []
        let frontier = EMPTY
        for (const count of counts) {
          const more = Array.from({ length: count }, (_, at) => leafHash(`entry ${all.length + at}`))
          closed.push(...subtreesClosed(frontier, more, size))
          frontier = append(frontier, more)
          all.push(...more)
        }
        const whole = Array.from({ length: Math.floor(all.length / size) }, (_, at) => at * size)
        assert.deepEqual(
          closed.map(({ start, root }) => [start, hex(root)]),
          whole.map((start) => [start, hex(rootByDefinition(all.slice(start, start + size)))]),
        )
      }),
    )
  })

  it('has the proofs of the published vectors', () => {
    assert.deepEqual(inclusionProof(LEAVES, 0).map(hex), [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ])
    assert.deepEqual(consistencyProof(LEAVES, 6).map(hex), [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ])
  })

  it('grows by its frontier to the root that the definition gives, in any portions', () => {
    fc.assert(
      fc.property(leaves, fc.integer({ min: 0, max: 70 }), (all, cut) => {
        const frontier = append(append(EMPTY, all.slice(0, cut)), all.slice(cut))
        assert.equal(hex(rootOf(frontier)), hex(rootByDefinition(all)))
        assert.deepEqual([frontier.size, frontier.hashes.length], [all.length, frontierLength(all.length)])
      }),
    )
  })

  it('proves that every leaf is in it, and no proof holds once anything in it is changed', () => {
    fc.assert(
      fc.property(leaves, fc.nat(), fc.nat(255), fc.nat(), (all, pick, bit, at) => {
        const index = pick % all.length
        const [leaf, root, proof] = [all[index] as Hash, treeRoot(all), inclusionProof(all, index)]
        assert.equal(verifyInclusion(leaf, index, all.length, proof, root), true)
        assert.equal(verifyInclusion(flip(leaf, bit), index, all.length, proof, root), false)
        assert.equal(verifyInclusion(leaf, index, all.length, proof, flip(root, bit)), false)
        assert.equal(verifyInclusion(leaf, index, all.length, [...proof, root], root), false)
        assert.equal(verifyInclusion(leaf, all.length, all.length, proof, root), false)
        if (all.length > 1) {
          assert.equal(verifyInclusion(leaf, (index + 1) % all.length, all.length, proof, root), false)
          assert.equal(verifyInclusion(leaf, index, all.length, proof.slice(1), root), false)
          const broken = proof.map((hash, place) => (place === at % proof.length ? flip(hash, bit) : hash))
          assert.equal(verifyInclusion(leaf, index, all.length, broken, root), false)
        }
      }),
    )
  })

  it('proves that it continues every earlier one, and no proof holds once anything in it is changed', () => {
    fc.assert(
      fc.property(leaves, fc.nat(), fc.nat(255), fc.nat(), (all, pick, bit, at) => {
        const first = 1 + (pick % all.length)
        const [before, after, proof] = [treeRoot(all.slice(0, first)), treeRoot(all), consistencyProof(all, first)]
        const check = (steps: readonly Hash[], one = before, two = after, size = first) =>
          verifyConsistency(size, all.length, steps, one, two)
        assert.equal(check(proof), true)
        assert.equal(check(proof, flip(before, bit)), false)
        assert.equal(check(proof, before, flip(after, bit)), false)
        assert.equal(check([...proof, after]), false)
        assert.equal(check(proof, before, after, all.length + 1), false)
        if (proof.length > 0) {
          assert.equal(check(proof.slice(0, -1)), false)
          assert.equal(check(proof.map((hash, place) => (place === at % proof.length ? flip(hash, bit) : hash))), false)
        }
      }),
    )
  })

  it('continues the empty tree, and nothing else does so without a proof', () => {
    const root = treeRoot(LEAVES)
    assert.equal(verifyConsistency(0, 8, [], rootOf(EMPTY), root), true)
    assert.equal(verifyConsistency(0, 8, [root], rootOf(EMPTY), root), false)
    assert.equal(verifyConsistency(4, 8, [], treeRoot(LEAVES.slice(0, 4)), root), false)
  })

  it('does not confuse a node with a leaf', () => {
    const [one, two] = [leafHash('a'), leafHash('b')]
    assert.notEqual(hex(leafHash(Buffer.concat([one, two]))), hex(nodeHash(one, two)))
  })
})
