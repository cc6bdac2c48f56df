import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { errorsPage } from '../../docs/generate-errors.ts'
import { PROBLEMS } from '../../gateway/core/problem.ts'

const ROOT = new URL('../..', import.meta.url).pathname

interface Source {
  readonly path: string
  readonly text: string
  /** Without comments and the text of strings. */
  readonly code: string
  readonly imports: readonly { readonly from: string; readonly what: string }[]
}

function sources(...folders: string[]): Source[] {
  const paths = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(folder, name)),
  )
  return paths.map((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8')
    const found = [...text.matchAll(/^(?:import|export)\s+([^'"]*?)\s*from\s+['"]([^'"]+)['"]/gms)]
    const bare = [...text.matchAll(/(?:^import\s+|\bimport\()['"]([^'"]+)['"]/gm)].map(([, from = '']) => ({
      from,
      what: '',
    }))
    const imports = [...found.map(([, what = '', from = '']) => ({ from, what })), ...bare].map(({ from, what }) => {
      return { what, from: from.startsWith('.') ? normalize(join(dirname(path), from)) : from }
    })
    return { path, text, code: uncommented(text), imports }
  })
}

function uncommented(text: string): string {
  return text
    .replaceAll(/\/\*.*?\*\//gs, '')
    .replaceAll(/(^|\s)\/\/.*$/gm, '')
    .replaceAll(/'(?:[^'\\\n]|\\.)*'/g, "''")
}

describe('the walls of the house', () => {
  describe('core is pure', () => {
    const core = sources('gateway/core')
    const PACKAGES = [
      'yaml',
      'ajv',
      'ajv-formats',
      '@bufbuild/cel',
      're2js',
      'canonicalize',
      'big.js',
      'lossless-json',
      '@bufbuild/cel-spec',
      'ipaddr.js',
    ]

    it('is there', () => assert.ok(core.length > 20))

    it('imports nothing of ours from outside, and no package that does I/O', () => {
      const bad = core.flatMap(({ path, imports }) =>
        imports
          .filter(({ from }) => !from.startsWith('gateway/core/') && from !== 'node:crypto')
          .filter(({ from }) => !PACKAGES.some((name) => from === name || from.startsWith(`${name}/`)))
          .map(({ from }) => `${path} imports ${from}`),
      )
      assert.deepEqual(bad, [])
    })

    it('takes only hashes and signatures from node:crypto', () => {
      const allowed = [
        'hash',
        'createHash',
        'createHmac',
        'timingSafeEqual',
        'sign',
        'verify',
        'createPublicKey',
        'KeyObject',
      ]
      const bad = core.flatMap(({ path, imports }) =>
        imports
          .filter(({ from }) => from === 'node:crypto')
          .flatMap(({ what }) => [...what.matchAll(/[A-Za-z]+/g)].map(([name]) => name))
          .filter((name) => name !== 'type' && !allowed.includes(name))
          .map((name) => `${path} takes ${name}`),
      )
      assert.deepEqual(bad, [])
    })

    const IMPURE: [string, RegExp][] = [
      ['a clock', /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\b|\bprocess\.hrtime\b|\bTemporal\.Now\b/],
      ['randomness', /\bMath\.random\b|\brandomBytes\b|\brandomUUID\b|\bgetRandomValues\b/],
      ['a timer', /\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b|\bnextTick\b|\bqueueMicrotask\b/],
      ['the process or the network', /\bprocess\.|\bfetch\(|\bconsole\.|\brequire\(/],
    ]
    for (const [what, pattern] of IMPURE) {
      it(`has no ${what}`, () => {
        assert.deepEqual(
          core.filter(({ code }) => pattern.test(code)).map(({ path }) => path),
          [],
        )
      })
    }

    it('would be caught: the patterns find what they forbid', () => {
      const impure = ['Date.now()', 'new Date()', 'Math.random()', 'setTimeout(f)', 'process.env', 'performance.now()']
      for (const code of impure)
        assert.ok(
          IMPURE.some(([, pattern]) => pattern.test(code)),
          code,
        )
      assert.ok(!IMPURE.some(([, pattern]) => pattern.test('new Date(question.at)')))
    })
  })

  /** Folder → folders of ours that it may import from. */
  const MAY: { readonly [folder: string]: readonly string[] } = {
    'gateway/core': ['gateway/core'],
    'gateway/store': ['gateway/store', 'gateway/core'],
    'gateway/identity': ['gateway/identity', 'gateway/core'],
    'gateway/secrets': ['gateway/secrets', 'gateway/core', 'adapters/adapter.ts'],
    'gateway/pipeline': ['gateway/pipeline', 'gateway/core', 'gateway/store/store.ts', 'adapters/adapter.ts'],
    'gateway/doors': ['gateway/doors', 'gateway/core', 'gateway/identity', 'gateway/pipeline'],
    adapters: ['adapters', 'gateway/core'],
  }
  for (const [folder, allowed] of Object.entries(MAY)) {
    it(`${folder} imports from ${allowed.join(', ')} only`, () => {
      const bad = sources(folder).flatMap(({ path, imports }) =>
        imports
          .filter(({ from }) => /^(gateway|adapters|deploy|test|docs)\//.test(from))
          .filter(({ from }) => !allowed.some((room) => from === room || from.startsWith(`${room}/`)))
          .map(({ from }) => `${path} imports ${from}`),
      )
      assert.deepEqual(bad, [])
    })
  }

  it('the client imports types of ours only, nothing of Node before it is needed, and `ai` where that is asked for', () => {
    const bad = sources('client').flatMap(({ path, text, imports }) =>
      imports
        .filter(({ from }) => !from.startsWith('client/') && !(path === 'client/ai.ts' && from === 'ai'))
        .filter(({ from }) => !new RegExp(`import type \\{[^}]*\\} from '[./]*${from}'`).test(text))
        .filter(({ from }) => !text.includes(`await import('${from}')`))
        .map(({ from }) => `${path} imports ${from}`),
    )
    assert.deepEqual(bad, [])
    const ours = sources('gateway', 'adapters').filter(({ imports }) =>
      imports.some(({ from }) => from.startsWith('client/')),
    )
    assert.deepEqual(
      ours.map(({ path }) => path),
      [],
    )
  })

  it('only doors know express', () => {
    const bad = sources('gateway', 'adapters').filter(({ imports }) => imports.some(({ from }) => from === 'express'))
    assert.deepEqual(
      bad.filter(({ path }) => !path.startsWith('gateway/doors/')).map(({ path }) => path),
      [],
    )
    assert.ok(bad.length > 0)
  })

  it('a secret is opened under adapters/ only', () => {
    const opens = sources('gateway', 'adapters', 'deploy').filter(({ code, imports }) => {
      return /\.open\(\)/.test(code) && imports.some(({ from }) => from.startsWith('adapters/'))
    })
    assert.deepEqual(
      opens.map(({ path }) => path).filter((path) => !path.startsWith('adapters/')),
      [],
    )
    assert.ok(opens.length > 0)
  })

  it('every head that a door writes has the security headers', () => {
    const heads = sources('gateway/doors').filter(({ code }) => /\.(?:writeHead|json|redirect|sendFile)\(/.test(code))
    assert.deepEqual(
      heads.filter(({ code }) => !/\.\.\.(?:SECURITY_HEADERS|pageHeaders\()/.test(code)).map(({ path }) => path),
      [],
    )
    assert.ok(heads.length > 0)
  })

  it('the page of errors has every code, and the code is on no page that is not there', () => {
    assert.equal(readFileSync(join(ROOT, 'docs/errors.md'), 'utf8'), errorsPage())
    const said = [...errorsPage().matchAll(/^## (\w+)$/gm)].map(([, code]) => code)
    assert.deepEqual(said, Object.keys(PROBLEMS))
  })
})
