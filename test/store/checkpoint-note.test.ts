import assert from 'node:assert/strict'
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { openCheckpoint, parseVkey, signCheckpoint, vkeyOf } from '../../gateway/core/checkpoint-note.ts'

// Ed25519 is deterministic: a fixed key gives a fixed note.
const SEED = Buffer.alloc(32, 7)
const privateKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), SEED]),
  format: 'der',
  type: 'pkcs8',
})
const signer = { name: 'keystay.local/demo', privateKey }
const root = createHash('sha256').update('root').digest()
const checkpoint = { origin: 'keystay.local/demo', size: 17, root }
const note = signCheckpoint(checkpoint, signer)
const vkey = vkeyOf(signer.name, privateKey)

/** The format read by its own words, with node:crypto alone and none of our code. */
function verifyByHand(text: string, key: string): boolean {
  const [name = '', id = '', ...rest] = key.split('+')
  const bytes = Buffer.from(rest.join('+'), 'base64')
  const raw = bytes.subarray(1)
  const expected = createHash('sha256')
    .update(Buffer.concat([Buffer.from(name), Buffer.from([10, 1]), raw]))
    .digest()
  if (bytes[0] !== 1 || expected.subarray(0, 4).toString('hex') !== id) return false
  const [body = '', signatures = ''] = text.split('\n\n')
  const signature = Buffer.from(signatures.trimEnd().replace(`— ${name} `, ''), 'base64')
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw])
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  return (
    signature.subarray(0, 4).toString('hex') === id &&
    verify(null, Buffer.from(`${body}\n`), publicKey, signature.subarray(4))
  )
}

describe('the signed checkpoint', () => {
  it('is origin, size and root, an empty line, and a signature line', () => {
    const lines = note.split('\n')
    assert.deepEqual(lines.slice(0, 4), ['keystay.local/demo', '17', root.toString('base64'), ''])
    assert.match(lines[4] ?? '', /^— keystay\.local\/demo [A-Za-z0-9+/]{91}=$/)
    assert.deepEqual(lines.slice(5), [''])
  })

  it('stands under a second implementation, and so does its verifier key', () => {
    assert.equal(verifyByHand(note, vkey), true)
    assert.equal(verifyByHand(note.replace('17', '18'), vkey), false)
  })

  // The example of golang.org/x/mod/sumdb/note, which the format comes from.
  const published = {
    vkey: 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    text: "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
    signature: 'x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=',
  }
  it('reads the published verifier key, which verifies the published note', () => {
    const key = parseVkey(published.vkey)
    assert.ok(key)
    const signature = Buffer.from(published.signature, 'base64')
    assert.deepEqual(signature.subarray(0, 4), key.id)
    assert.equal(verify(null, Buffer.from(published.text), key.publicKey, signature.subarray(4)), true)
    assert.equal(vkeyOf(key.name, key.publicKey), published.vkey)
  })

  it('is opened with what was signed', () => {
    const opened = openCheckpoint(note, vkey)
    assert.equal(opened.ok, true)
    assert.deepEqual({ ...opened.checkpoint, root: Buffer.from(opened.checkpoint?.root ?? []) }, checkpoint)
  })

  it('signs the empty tree too', () => {
    const empty = signCheckpoint({ ...checkpoint, size: 0 }, signer)
    assert.equal(openCheckpoint(empty, vkey).ok, true)
  })

  it('stands beside signatures of keys that we do not know', () => {
    const witness = `— witness.example/w ${Buffer.alloc(68, 3).toString('base64')}\n`
    assert.equal(openCheckpoint(note + witness, vkey).ok, true)
  })

  it('does not stand when any one character is another', () => {
    for (let index = 0; index < note.length; index++) {
      const changed = note.slice(0, index) + String.fromCharCode(note.charCodeAt(index) ^ 1) + note.slice(index + 1)
      assert.equal(openCheckpoint(changed, vkey).ok, false, `character ${index}`)
    }
  })

  const other = generateKeyPairSync('ed25519').privateKey
  const [text = ''] = note.split('\n\n')
  const attacks: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['no signature', `${text}\n`],
    ['an empty signature block', `${text}\n\n`],
    ['the signature of another key', signCheckpoint(checkpoint, { ...signer, privateKey: other })],
    ['the signature of another name', signCheckpoint(checkpoint, { ...signer, name: 'keystay.local/other' })],
    ['a signature under our key id by another key', forged()],
    ['a second, wrong signature of ours', note + (forged().split('\n\n')[1] ?? '')],
    ['a leading zero in the size', signCheckpoint(checkpoint, signer).replace('\n17\n', '\n017\n')],
    ['a negative size', note.replace('\n17\n', '\n-17\n')],
    ['a root of 31 bytes', signCheckpoint({ ...checkpoint, root: root.subarray(1) }, signer)],
    ['a signature line with a hyphen for a dash', note.replace('— ', '- ')],
    ['CRLF', note.replaceAll('\n', '\r\n')],
    ['no last line end', note.slice(0, -1)],
  ]
  function forged(): string {
    const signed = signCheckpoint(checkpoint, { ...signer, privateKey: other })
    const [, line = ''] = signed.split('\n\n')
    const encoded = line.trim().split(' ')[2] ?? ''
    const id = Buffer.from(vkey.split('+')[1] ?? '', 'hex')
    const bytes = Buffer.concat([id, Buffer.from(encoded, 'base64').subarray(4)])
    return signed.replace(encoded, bytes.toString('base64'))
  }
  for (const [name, attack] of attacks) {
    it(`does not stand with ${name}`, () => assert.equal(openCheckpoint(attack, vkey).ok, false))
  }

  const badKeys = ['', 'name', vkey.replace('+', '+0'), vkey.slice(0, -1), `${vkey}AA`, vkey.replace('demo', 'dome')]
  for (const bad of badKeys) it(`refuses the verifier key ${bad}`, () => assert.equal(parseVkey(bad), null))

  it('refuses to sign with a name or a key that the format cannot hold', () => {
    assert.throws(() => signCheckpoint(checkpoint, { ...signer, name: 'two words' }), TypeError)
    assert.throws(() => signCheckpoint(checkpoint, { ...signer, name: 'a+b' }), TypeError)
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    assert.throws(() => vkeyOf('name', ec), TypeError)
  })
})
