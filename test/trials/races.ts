import { parseArgs } from 'node:util'
import { race } from './races/run.ts'

/**
 * `node test/trials/races.ts [--races 10000] [--store sqlite|postgres] [--seed 7] [--only stop]`: people who decide about
 * one held call at the same time as each other, its agent, its session, the clock, a freeze, a new policy or a stop of the
 * gateway. Ends with 1 where a call ended twice, ran without its quorum, or a combination was always won by the same side.
 */
const { values } = parseArgs({
  options: {
    races: { type: 'string', default: '10000' },
    store: { type: 'string', default: 'sqlite' },
    seed: { type: 'string', default: '7' },
    only: { type: 'string', multiple: true },
  },
})
const began = performance.now()
const { judged, wrong, won } = await race({
  store: values.store === 'postgres' ? 'postgres' : 'sqlite',
  processes: true,
  races: Number(values.races),
  seed: Number(values.seed),
  ...(values.only === undefined ? {} : { only: values.only }),
  said: (line) => console.log(line),
})
const races = [...won.values()].flatMap((outcomes) => [...outcomes.values()]).reduce((sum, times) => sum + times, 0)
console.log(
  `${values.store}: ${races} races, ${judged.calls} calls, ${judged.effects} effects, ${judged.refused} refused clicks with their ` +
    `entries, ${judged.entries} entries; ${wrong.length} wrong (${Math.round((performance.now() - began) / 1000)} s)`,
)
for (const line of wrong.slice(0, 30)) console.log(`  ${line}`)
process.exitCode = wrong.length > 0 ? 1 : 0
