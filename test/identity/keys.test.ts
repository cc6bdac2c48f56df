import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { keyRing } from '../../gateway/identity/key-set.ts'
import type { KeyRing } from '../../gateway/identity/key-set.ts'
import { KEY_TIMES } from '../../gateway/identity/remote-keys.ts'
import { verifyToken } from '../../gateway/identity/verify.ts'
import type { Issuer, JsonObject } from '../../gateway/core/types.ts'
import { certificateFor } from '../backends/certificate.ts'
import { byEc, byEd, ec, ed, issuerNamed, jwk, jws, NOW, SECONDS } from './company.ts'

const EC = jwk(ec.publicKey, { kid: 'ec-1', use: 'sig', alg: 'ES256' })
const ED = jwk(ed.publicKey, { kid: 'ed-1' })
const MINUTE = 60_000

describe('keys that are fetched', () => {
  let server: Server
  let base = ''
  let asked: string[] = []
  let keys: JsonObject[] = []
  /** Answers instead of the issuer; false leaves it to the issuer. */
  let instead: (path: string, response: ServerResponse) => boolean
  let now = 0
  let ring: KeyRing

  before(async () => {
    server = createServer((request, response) => {
      const path = request.url ?? ''
      asked.push(path)
      if (instead(path, response)) return
      const document = { issuer: base, jwks_uri: `${base}/keys` }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(path === '/keys' ? { keys } : document))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  beforeEach(() => {
    asked = []
    keys = [EC]
    instead = () => false
    now = 1_000_000
    ring = keyRing({ dev: null, monotonic: () => now })
  })

  const remote = (kind: 'oidc' | 'jwks_uri', at = base): Issuer => ({
    ...issuerNamed('ci'),
    issuer: at,
    keys: kind === 'oidc' ? { kind, issuer: at } : { kind, uri: `${at}/keys` },
  })
  const token = (kid: string, iss = base): string => {
    const claims = { iss, aud: 'keystay', sub: 'agents:support', exp: SECONDS + 600 }
    return kid === 'ed-1' ? jws({ alg: 'EdDSA', kid }, claims, byEd) : jws({ alg: 'ES256', kid }, claims, byEc)
  }
  const check = async (issuer = remote('jwks_uri'), kid = 'ec-1') => {
    const verified = await verifyToken(token(kid, issuer.issuer), new Map([['ci', issuer]]), { now: NOW, keys: ring })
    return verified.ok ? 'accepted' : verified.reason
  }
  const down = () => (instead = (_path, response) => Boolean(response.writeHead(503).end()))
  const settled = () => sleep(30)

  it('are discovered once and kept, over an edit of the policy too', async () => {
    assert.deepEqual([await check(remote('oidc')), await check(remote('oidc'))], ['accepted', 'accepted'])
    assert.deepEqual(asked, ['/.well-known/openid-configuration', '/keys'])
  })

  it('are discovered below the path of an issuer that has one, with or without a slash at its end', async () => {
    for (const path of ['/realms/acme', '/tenant/']) {
      const issuer = remote('oidc', `${base}${path}`)
      instead = (url, response) =>
        url !== '/keys' && Boolean(response.end(JSON.stringify({ issuer: `${base}${path}`, jwks_uri: `${base}/keys` })))
      assert.equal(await check(issuer), 'accepted')
    }
    assert.deepEqual(
      asked.filter((url) => url !== '/keys'),
      ['/realms/acme/.well-known/openid-configuration', '/tenant/.well-known/openid-configuration'],
    )
  })

  it('are taken from SPIFFE, whose use is jwt-svid; its X.509 keys sign no token', async () => {
    keys = [jwk(ec.publicKey, { kid: 'ec-1', use: 'jwt-svid' }), jwk(ed.publicKey, { kid: 'ed-1', use: 'x509-svid' })]
    assert.deepEqual([await check(), await check(remote('jwks_uri'), 'ed-1')], ['accepted', 'key'])
  })

  it('are asked for once by a hundred tokens at the same time', async () => {
    const all = await Promise.all(Array.from({ length: 100 }, () => check(remote('oidc'))))
    assert.deepEqual([new Set(all), asked.length], [new Set(['accepted']), 2])
  })

  it('are fetched without credentials, and say what they want', async () => {
    let headers: object = {}
    server.once('request', (request) => (headers = request.headers))
    await check()
    const { accept, authorization, cookie } = headers as { [name: string]: string }
    assert.deepEqual([accept, authorization, cookie], ['application/json', undefined, undefined])
  })

  describe('when the issuer rotates', () => {
    it('are fetched anew for a key id that is not among them', async () => {
      assert.equal(await check(), 'accepted')
      keys = [EC, ED]
      assert.deepEqual([await check(remote('jwks_uri'), 'ed-1'), asked.length], ['accepted', 2])
    })

    it('are fetched at most every ten seconds, whatever ids strangers invent', async () => {
      await check()
      const reasons = []
      for (let at = 0; at < 50; at++) reasons.push(await check(remote('jwks_uri'), `invented-${at}`))
      assert.deepEqual([new Set(reasons), asked.length], [new Set(['key']), 2])
      keys = [ED]
      assert.equal(await check(remote('jwks_uri'), 'ed-1'), 'key')
      now += KEY_TIMES.unknown_ms
      assert.deepEqual([await check(remote('jwks_uri'), 'ed-1'), asked.length], ['accepted', 3])
    })

    it('are not fetched twice for the first token of all, when its key id is unknown', async () => {
      assert.deepEqual([await check(remote('jwks_uri'), 'invented'), asked.length], ['key', 1])
    })

    it('verify nothing with a withdrawn key once they are ten minutes old', async () => {
      await check()
      keys = [ED]
      now += KEY_TIMES.life_ms
      assert.equal(await check(), 'key')
    })

    it('are renewed beside a token from the fifth minute on: nobody waits', async () => {
      await check()
      keys = [ED]
      now += KEY_TIMES.renew_ms
      assert.equal(await check(), 'accepted')
      await settled()
      assert.deepEqual([await check(), await check(remote('jwks_uri'), 'ed-1')], ['key', 'accepted'])
    })

    it('follow the issuer to another address of its keys', async () => {
      await check(remote('oidc'))
      instead = (path, response) => {
        if (path === '/moved') return Boolean(response.end(JSON.stringify({ keys: [ED] })))
        return Boolean(response.end(JSON.stringify({ issuer: base, jwks_uri: `${base}/moved` })))
      }
      assert.equal(await check(remote('oidc'), 'ed-1'), 'accepted')
    })
  })

  describe('when the issuer is down', () => {
    it('go on verifying for an hour after their ten minutes, and not a moment longer', async () => {
      await check()
      down()
      for (const age of [KEY_TIMES.renew_ms, KEY_TIMES.life_ms, 30 * MINUTE, 70 * MINUTE - 1]) {
        now = 1_000_000 + age
        assert.equal(await check(), 'accepted', `${age} ms`)
      }
      now = 1_000_000 + 70 * MINUTE
      assert.equal(await check(), 'keys_unavailable')
      instead = () => false
      now += KEY_TIMES.retry_ms
      assert.equal(await check(), 'accepted')
    })

    it('say so for a key id that they do not have: it may be a new key', async () => {
      await check()
      down()
      assert.equal(await check(remote('jwks_uri'), 'ed-1'), 'keys_unavailable')
      assert.equal(await check(remote('jwks_uri'), 'ed-1'), 'keys_unavailable')
      assert.deepEqual([await check(), asked.length], ['accepted', 2])
    })

    it('are asked for every two seconds at most', async () => {
      down()
      for (let at = 0; at < 20; at++) assert.equal(await check(), 'keys_unavailable')
      assert.equal(asked.length, 1)
      now += KEY_TIMES.retry_ms
      await check()
      assert.equal(asked.length, 2)
    })

    it('keep nobody waiting for an issuer that hangs, once that is known', async () => {
      await check()
      down()
      now += KEY_TIMES.life_ms
      assert.equal(await check(), 'accepted')
      let hanging = 0
      instead = () => Boolean(++hanging)
      now += KEY_TIMES.retry_ms
      const began = performance.now()
      assert.equal(await check(), 'accepted')
      assert.ok(performance.now() - began < 500)
      await settled()
      assert.equal(hanging, 1)
      server.closeAllConnections()
    })

    it('are not trusted blindly after a pause: an outage of long ago is asked about again', async () => {
      await check()
      down()
      now += KEY_TIMES.renew_ms
      await check()
      await settled()
      instead = () => false
      keys = [ED]
      now += 20 * MINUTE
      assert.equal(await check(), 'key')
    })
  })

  const document = (more: JsonObject) => (path: string, response: ServerResponse) =>
    path !== '/keys' && Boolean(response.end(JSON.stringify({ issuer: base, jwks_uri: `${base}/keys`, ...more })))
  const bytes =
    (body: string | Buffer, headers: { [name: string]: string } = {}, status = 200) =>
    (path: string, response: ServerResponse) =>
      path === '/keys' && Boolean(response.writeHead(status, headers).end(body))
  const moved = (from: string, good: () => JsonObject) => (path: string, response: ServerResponse) => {
    if (path === '/moved') return Boolean(response.end(JSON.stringify(good())))
    return path === from && Boolean(response.writeHead(307, { location: '/moved' }).end())
  }
  const large = `{"keys":[${JSON.stringify(EC)}],"x":"${'x'.repeat(300_000)}"}`
  const failures: readonly (readonly [string, (path: string, response: ServerResponse) => boolean])[] = [
    ['a document of another issuer', document({ issuer: 'https://evil.example' })],
    [
      'a document of the issuer with a slash more',
      (path, response) => document({ issuer: `${base}/` })(path, response),
    ],
    ['a document without an issuer', document({ issuer: null })],
    ['no jwks_uri', document({ jwks_uri: null })],
    ['a jwks_uri that is a file', document({ jwks_uri: 'file:///etc/passwd' })],
    // On Linux 0.0.0.0 leads to this machine: the keys would be had.
    [
      'a jwks_uri in plain http that is not loopback by name',
      (path, response) => document({ jwks_uri: `${base.replace('127.0.0.1', '0.0.0.0')}/keys` })(path, response),
    ],
    ['a jwks_uri in plain http at a name that begins like ours', document({ jwks_uri: 'http://127.evil.example/' })],
    ['a jwks_uri with a password', document({ jwks_uri: 'http://a:b@127.0.0.1/keys' })],
    ['a jwks_uri of data', document({ jwks_uri: `data:application/json,{"keys":[]}` })],
    [
      'a redirect of the document to one that would be good',
      moved('/.well-known/openid-configuration', () => ({ issuer: base, jwks_uri: `${base}/keys` })),
    ],
    ['a redirect of the keys to good ones', moved('/keys', () => ({ keys: [EC] }))],
    ['an error page', bytes('<html>', {}, 500)],
    ['keys with another status', bytes(JSON.stringify({ keys: [EC] }), {}, 203)],
    ['keys that are no JSON', bytes('<html>')],
    ['keys that are not UTF-8', bytes(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))],
    ['keys that are no list', bytes('{"keys":{}}')],
    ['a set without keys', bytes('{}')],
    ['101 keys', bytes(JSON.stringify({ keys: Array(101).fill(EC) }))],
    ['an answer of 300 KB', bytes(large)],
    ['an answer of 300 KB in 500 bytes', bytes(gzipSync(large), { 'content-encoding': 'gzip' })],
    [
      'half an answer',
      (path, response) => {
        if (path !== '/keys') return false
        response.writeHead(200, { 'content-length': '1000' }).write('{"keys":[')
        setTimeout(() => response.destroy(), 10)
        return true
      },
    ],
  ]
  for (const [what, answer] of failures) {
    it(`verify nothing with ${what}, and are asked for again`, async () => {
      instead = answer
      assert.equal(await check(remote('oidc')), 'keys_unavailable')
      instead = () => false
      now += KEY_TIMES.retry_ms
      assert.equal(await check(remote('oidc')), 'accepted')
    })
  }

  it('are not waited for longer than three seconds, drop by drop neither', async () => {
    instead = (path, response) => {
      if (path !== '/keys') return false
      const drops = setInterval(() => response.write(' '), 100)
      response.once('close', () => clearInterval(drops))
      return true
    }
    const began = performance.now()
    assert.equal(await check(remote('oidc')), 'keys_unavailable')
    const took = performance.now() - began
    assert.ok(took > 2_500 && took < 5_000, `${took} ms`)
  })

  it('are not taken over TLS from whoever has no certificate of the name', async () => {
    const tls = createTlsServer(certificateFor(['localhost']), (_request, response) =>
      response.end(JSON.stringify({ keys: [EC] })),
    )
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve))
    const at = `https://localhost:${(tls.address() as AddressInfo).port}`
    assert.equal(await check(remote('jwks_uri', at)), 'keys_unavailable')
    tls.closeAllConnections()
    tls.close()
  })
})
