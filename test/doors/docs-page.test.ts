import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { proxyHouse } from './proxy-house.ts'
import type { ProxyHouse } from './proxy-house.ts'

describe('the page of what a role can do', () => {
  let h: ProxyHouse
  before(async () => {
    h = await proxyHouse()
  })
  after(() => h.close())
  const get = (path: string, headers = {}) => fetch(`${h.home.running.agentUrl}${path}`, { headers })

  it('is whole for whoever asks, and tells nothing of any role', async () => {
    for (const path of ['/docs/', '/docs']) {
      const answer = await get(path)
      const text = await answer.text()
      assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'text/html; charset=utf-8'])
      assert.ok(!/llm|streamer|files\.put/.test(text))
    }
    assert.equal((await get('/openapi.json')).status, 401)
  })

  it('asks nobody but this gateway: its policy allows no other origin, and nothing that stands in the page', async () => {
    const answer = await get('/docs/')
    const policy = answer.headers.get('content-security-policy') ?? ''
    assert.ok(!/unsafe|https?:|\*|blob:|nonce|strict-dynamic/.test(policy), policy)
    const said = Object.fromEntries(
      policy.split('; ').map((line) => [line.split(' ')[0], line.split(' ').slice(1).join(' ')]),
    )
    assert.deepEqual(said, {
      'default-src': "'none'",
      'script-src': "'self'",
      'style-src': "'self'",
      'img-src': "'self' data:",
      'connect-src': "'self'",
      'form-action': "'none'",
      'base-uri': "'none'",
      'frame-ancestors': "'none'",
    })
    const text = await answer.text()
    const asked = [...text.matchAll(/(?:src|href|action|poster|data|srcset|content)="([^"]*)"/g)].map(
      ([, address]) => address,
    )
    const addresses = asked.filter((one) => /[/:]/.test(one ?? ''))
    assert.deepEqual(addresses, [
      '/docs/swagger-ui.css',
      '/docs/page.css',
      '/docs/swagger-ui-bundle.js',
      '/docs/page.js',
    ])
    // No script, style or handler in the page itself, no tag that goes elsewhere.
    assert.ok(
      !/<style|<script>|<script [^>]*>[^<]|\son\w+=|\sstyle=|<(?:iframe|object|embed|base|img|form [^>]*action)|http-equiv/i.test(
        text,
      ),
    )
    for (const address of addresses) {
      const file = await get(address ?? '')
      assert.deepEqual([file.status, file.headers.get('x-content-type-options')], [200, 'nosniff'], address)
      assert.match(file.headers.get('content-type') ?? '', /^text\/(?:css|javascript); charset=utf-8$/)
      const body = await file.text()
      if (address !== undefined && address.endsWith('.css')) {
        assert.ok(!/@import|url\((?!["']?data:)/.test(body), address)
        assert.ok(!/sourceMappingURL=http/.test(body))
      }
    }
  })

  it('uses the token for one question, and keeps it nowhere', async () => {
    const script = await (await get('/docs/page.js')).text()
    assert.ok(!/localStorage|sessionStorage|cookie|indexedDB|innerHTML|location|eval|http/.test(script))
    assert.deepEqual(
      [...script.matchAll(/fetch\('([^']*)'/g)].map(([, to]) => to),
      ['/openapi.json'],
    )
    assert.match(script, /supportedSubmitMethods: \[\]/)
    assert.match(script, /validatorUrl: null/)
  })

  it('shows the files of the package as they are, and no others', async () => {
    const packaged = readFileSync(new URL('../../node_modules/swagger-ui-dist/swagger-ui-bundle.js', import.meta.url))
    const served = Buffer.from(await (await get('/docs/swagger-ui-bundle.js')).arrayBuffer())
    assert.ok(served.equals(packaged))
    for (const path of [
      'package.json',
      'index.html',
      'swagger-ui.js',
      '../../package.json',
      '%2e%2e/page.js',
      'page.js/',
      'constructor',
    ]) {
      assert.equal((await get(`/docs/${path}`)).status, 404, path)
    }
  })

  it('is told of the routes of the role, too', async () => {
    const answer = await get('/openapi.json', { authorization: `Bearer ${h.token}` })
    const { paths } = (await answer.json()) as { paths: { [path: string]: { [method: string]: { tags: string[] } } } }
    const listed = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { tags }]) => (tags[0] === 'routes' ? [`${method} ${path}`] : [])),
    )
    assert.deepEqual(
      listed.filter((line) => line.includes('llm')),
      [
        'post /proxy/llm.chat/v1/chat/completions',
        'get /proxy/llm.chat/v1/models',
        'get /proxy/llm.chat/v1/models/{segment_1}',
        'get /proxy/llm.chat/v1/next',
      ],
    )
  })
})
