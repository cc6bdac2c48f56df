import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from '../demo/demo.ts'

/** Width and height in pixels, as test/console/pictures.ts makes them. */
const PICTURES: { readonly [path: string]: readonly [width: number, height: number] } = {
  'docs/console-card.png': [1280, 1250],
  'docs/console-calls.png': [1280, 660],
  'docs/console-roles-dark.png': [1280, 880],
}

describe('the pictures of the console', () => {
  it('are there, of the size that they are made in, each said in words, and shown', async () => {
    const shown = new Map<string, string>()
    for (const [page, from] of [
      ['README.md', ''],
      ['docs/console.md', 'docs/'],
    ] as const) {
      const text = await readFile(join(ROOT, page), 'utf8')
      for (const [, words = '', path = ''] of text.matchAll(/!\[([^\]]*)\]\(([^)]+\.png)\)/g))
        shown.set(`${from}${path}`, words)
    }
    assert.deepEqual([...shown.keys()].sort(), Object.keys(PICTURES).sort())
    for (const [path, size] of Object.entries(PICTURES)) {
      const bytes = await readFile(join(ROOT, path))
      assert.equal(bytes.subarray(1, 4).toString('latin1'), 'PNG', path)
      // The IHDR chunk comes first (PNG, section 11.2.1).
      assert.deepEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], size, path)
      assert.ok((shown.get(path) ?? '').length > 20, `${path} has no words for who cannot see it`)
    }
  })
})
