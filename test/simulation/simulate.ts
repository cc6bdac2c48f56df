import { parseArgs } from 'node:util'
import { BROKEN } from './broken.ts'
import { LATER, STATES } from './cells.ts'
import { FAULTS, MORE_FAULTS } from './faults.ts'
import type { Fault } from './faults.ts'
import { simulate } from './total.ts'
import type { Total } from './total.ts'

/** `npm run simulate -- --seeds N --from S [--jobs J] [--trace] [--break RULE] [--broken]` */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '1' },
    break: { type: 'string' },
    broken: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
})
const count = Number(values.seeds)
const from = Number(values.from)
const jobs = Number(values.jobs)

if (values.broken) process.exitCode = (await tableOfBroken()) ? 0 : 1
else if (values.trace) process.exitCode = await story()
else process.exitCode = await runs()

async function runs(): Promise<number> {
  const broken = values.break
  if (broken !== undefined && BROKEN[broken] === undefined) {
    console.error(`there is no ${broken}; there are: ${Object.keys(BROKEN).join(', ')}`)
    return 2
  }
  const began = Date.now()
  let said = began
  let told = 0
  const total = await simulate(
    { from, count, jobs, ...(broken === undefined ? {} : { broken, stopAtFirst: true }) },
    (sofar) => {
      for (const { seed, invariant, what } of sofar.failed.slice(told))
        console.error(`seed ${seed}: ${invariant}: ${what}`)
      told = sofar.failed.length
      if (Date.now() - said < 60_000) return
      said = Date.now()
      console.error(`${sofar.runs} runs, ${sofar.failed.length} failed, ${perSecond(sofar, began)} runs/s`)
    },
  )
  console.log(
    `${total.runs} runs from seed ${from}: ${total.failed.length} failed; ${perSecond(total, began)} runs/s with ${jobs} ${jobs === 1 ? 'thread' : 'threads'}`,
  )
  console.log(
    `${total.calls} calls, ${total.effects} effects, ${total.entries} entries, ${Math.round(total.lasted_ms / 3_600_000)} hours of virtual time`,
  )
  console.log(`\n${tableOf(total)}`)
  console.log(`\nstates: ${counts(total.states)}`)
  console.log(`answers: ${counts(total.answers)}`)
  for (const { seed, invariant, what } of total.failed.slice(0, 20)) {
    console.log(`\nseed ${seed}: ${invariant}: ${what}\n  ${again(seed)}`)
  }
  return total.failed.length === 0 ? 0 : 1
}

async function story(): Promise<number> {
  const total = await simulate({
    from,
    count: 1,
    trace: true,
    ...(values.break === undefined ? {} : { broken: values.break }),
  })
  console.log(total.story.join('\n'))
  const [failed] = total.failed
  console.log(
    failed === undefined ? `seed ${from}: nothing failed` : `seed ${from}: ${failed.invariant}: ${failed.what}`,
  )
  return failed === undefined ? 0 : 1
}

/** Each rule broken alone: the smallest seed that sees it. */
async function tableOfBroken(): Promise<boolean> {
  console.log('| broken | what | seed | caught by |\n| --- | --- | --- | --- |')
  let isWhole = true
  for (const [rule, { what }] of Object.entries(BROKEN)) {
    const { failed } = await simulate({ from, count, broken: rule, stopAtFirst: true })
    const [first] = failed
    isWhole &&= first !== undefined
    console.log(
      `| ${rule} | ${what} | ${first?.seed ?? '**none**'} | ${first === undefined ? `none of ${count} seeds` : `${first.invariant}: ${first.what.split('\n')[0]}`} |`,
    )
  }
  return isWhole
}

function again(seed: number): string {
  const broken = values.break === undefined ? '' : ` --break '${values.break}'`
  return `npm run simulate -- --from ${seed} --seeds 1 --trace${broken}`
}

function perSecond({ runs: done }: Total, began: number): string {
  return (done / ((Date.now() - began) / 1000)).toFixed(1)
}

function counts(map: ReadonlyMap<string, number>): string {
  return [...map]
    .sort(([, a], [, b]) => b - a)
    .map(([name, number]) => `${name} ${number}`)
    .join(', ')
}

/** How often each fault struck while a call was in each state. */
function tableOf({ cells }: Pick<Total, 'cells'>): string {
  return [columns(cells, STATES, FAULTS), columns(cells, Object.keys(LATER), [...FAULTS, ...MORE_FAULTS])].join('\n\n')
}

function columns(cells: Total['cells'], states: readonly string[], faults: readonly Fault[]): string {
  const rows = faults.map((fault) => [fault, ...states.map((state) => String(cells.get(`${state} × ${fault}`) ?? 0))])
  const lines = [['fault', ...states], ...rows]
  return lines
    .map((line) => line.map((cell, place) => (place === 0 ? cell.padEnd(20) : cell.padStart(16))).join(''))
    .join('\n')
}
