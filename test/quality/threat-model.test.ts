import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'

const ROOT = new URL('../..', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8')
const exists = (path: string): boolean => existsSync(new URL(path, ROOT))
const page = read('docs/threat-model.md')

interface Row {
  readonly attack: string
  readonly defence: string
  readonly tests: readonly { readonly file: string; readonly name: string }[]
  readonly open: string
}

/** Of every table with the four columns; the text of a test may hold no bar and no second file. */
const rows: readonly Row[] = page
  .split('\n')
  .filter((line) => line.startsWith('|') && !/^\|[\s|-]+$/.test(line))
  .map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  )
  .filter((cells) => cells.length === 4 && cells[0] !== 'attack' && cells[0] !== 'who' && !isActor(cells))
  .map(([attack = '', defence = '', tests = '', open = '']) => {
    const named = tests === '' ? [] : tests.split(/;\s+(?=`)/).map((one) => /^`([^`]+)` › (.+)$/.exec(one))
    return { attack, defence, open, tests: named.map((match) => ({ file: match?.[1] ?? '', name: match?.[2] ?? '' })) }
  })

function isActor(cells: readonly string[]): boolean {
  return page.slice(0, page.indexOf('\n## ')).includes(`| ${cells[0]} `)
}

describe('the threat model', () => {
  it('is a page of many attacks', () => assert.ok(rows.length > 60, String(rows.length)))

  it('names tests that are there', () => {
    const bad = rows.flatMap(({ attack, tests }) =>
      tests
        .filter(
          ({ file, name }) => name === '' || !file.startsWith('test/') || !exists(file) || !read(file).includes(name),
        )
        .map(({ file, name }) => `${attack}: ${file} › ${name}`),
    )
    assert.deepEqual(bad, [])
  })

  it('names files of the defence that are there', () => {
    const paths = rows.flatMap(({ defence }) =>
      [...defence.matchAll(/`([\w./-]+\/[\w./-]+\.\w+)`/g)].map(([, path = '']) => path),
    )
    assert.ok(paths.length > 60)
    assert.deepEqual(
      paths.filter((path) => !exists(path)),
      [],
    )
  })

  it('shows each defence by a test, and says plainly where there is none', () => {
    const silent = rows.filter(({ defence, tests, open }) => {
      if (defence.startsWith('not in this version') || open.startsWith('not in this version')) return false
      // Nothing stops it: then that is said.
      return defence === '' ? open === '' : tests.length === 0
    })
    assert.deepEqual(
      silent.map(({ attack }) => attack),
      [],
    )
  })

  it('is found from where one looks', () => {
    assert.ok(read('SECURITY.md').includes('docs/threat-model.md'))
    assert.ok(page.includes('../SECURITY.md'))
  })
})
