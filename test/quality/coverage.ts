import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join, relative } from 'node:path'

/** `npm run coverage`, after the tests: lines of each room that a test ran, and a failure where it is too few. */
const ROOMS = ['gateway/core', 'gateway/pipeline', 'gateway/store']
const LEAST_PERCENT = 90

interface Lines {
  readonly total: number
  readonly covered: number
}
type Summary = { readonly [file: string]: { readonly lines: Lines } }

const root = join(import.meta.dirname, '../..')
const summary = JSON.parse(readFileSync(join(root, 'coverage/coverage-summary.json'), 'utf8')) as Summary
const files = Object.entries(summary)
  .filter(([file]) => file !== 'total')
  .filter(([file]) => !isTypesOnly(readFileSync(file, 'utf8')))
  .map(([file, { lines }]) => ({ file: relative(root, file), lines }))

/** Nothing of it is left when it runs, so nobody ever loads it. */
function isTypesOnly(text: string): boolean {
  const code = stripTypeScriptTypes(text).replaceAll(/\/\*.*?\*\/|\/\/[^\n]*/gs, '')
  return /^\s*(?:export\s*\{\s*\};?\s*)*$/.test(code)
}

const percent = ({ total, covered }: Lines): number => (total === 0 ? 100 : (100 * covered) / total)

console.log('| room | lines | run by a test | |\n|---|---|---|---|')
for (const room of ROOMS) {
  const mine = files.filter(({ file }) => file.startsWith(`${room}/`))
  const sum = (member: keyof Lines) => mine.reduce((so_far, { lines }) => so_far + lines[member], 0)
  const lines = { total: sum('total'), covered: sum('covered') }
  console.log(`| \`${room}\` | ${lines.total} | ${lines.covered} | ${percent(lines).toFixed(1)} % |`)
  // Nothing measured is not enough either.
  if (mine.length === 0 || percent(lines) < LEAST_PERCENT) process.exitCode = 1
}
for (const { file, lines } of files.filter(({ lines: of }) => percent(of) < LEAST_PERCENT)) {
  console.log(`${file}: ${percent(lines).toFixed(1)} %, ${lines.total - lines.covered} lines not run`)
}
if (process.exitCode === 1) console.error(`Less than ${LEAST_PERCENT} % of the lines of a room are run by a test.`)
