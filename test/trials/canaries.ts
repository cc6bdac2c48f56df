import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PLACES } from '../backends/echoing.ts'
import { FORMS, searcher } from '../canaries/canaries.ts'
import { startTown } from '../canaries/town.ts'
import { visit } from '../canaries/visit.ts'
import type { Heard } from '../canaries/visit.ts'
import { keystay } from '../cli/keystay.ts'

/**
 * `node test/trials/canaries.ts`: two hundred secrets, each shown back in every place of an answer, in every form by
 * turns; then every verb of the command line that reads, an export, a crash by a rejection and every byte on the disk.
 * Ends with 1 where one is found. About two minutes.
 */
const began = performance.now()
const town = await startTown('reject')
try {
  const { heard, calls } = await visit(town, Object.keys(PLACES).length)
  const store = town.env['KEYSTAY_STORE'] ?? ''
  const call = /call_\w+/.exec(heard.find(({ where }) => where.startsWith('do.'))?.bytes.toString() ?? '')?.[0] ?? ''
  const person = ['--as', 'dana']
  const verbs: readonly (readonly string[])[] = [
    ['actions', 'tail', ...person],
    ['actions', 'export', ...person],
    ['calls', 'list', ...person],
    ['calls', 'show', call, ...person],
    ['session', 'list', '--all', ...person],
    ['approvals', 'list', ...person],
    ['freeze', 'action', 'use.b0', '--reason', 'try', '--as', 'sam'],
    ['thaw', 'action', 'use.b0', '--reason', 'try', '--as', 'sam'],
    ['call', 'use.b1', '--role', 'user', '--as', 'bot', '--input', '{"place":0,"form":0}'],
    ['policy', 'check', '--policies', join(town.dir, 'policies')],
    ['ledger', 'verify', '--store', store],
    ['ledger', 'export', '--store', store],
    ['ledger', 'export', '--store', store, '--out', join(town.dir, 'export')],
    ['secrets', 'list', '--secrets', `age:${town.dir}/secrets.age`],
    ['doctor', '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--store', `sqlite:${town.dir}/none.db`],
  ]
  const said: Heard[] = []
  for (const args of verbs) {
    for (const more of [[], ['--json']]) {
      const { exit, out, err } = await keystay([...args, ...more], { env: town.env })
      const where = [...args, ...more].join(' ')
      said.push({ where, bytes: Buffer.from(`${out}\n${err}`) })
      if (exit !== 0 && !/^(doctor|ledger export --store \S+ --out)/.test(where))
        console.log(`${where}: exit ${exit} ${err.slice(0, 200)}`)
    }
  }
  const status = await readFile(`/proc/${town.gateway.pid}/status`, 'utf8').catch(() => '')
  const end = await town.crash()
  const written = await town.written()
  const search = searcher(town.canaries)
  const all = [...heard, ...said, ...written]
  const found = all.flatMap(({ where, bytes }) => search(where, bytes))
  const bytes = all.reduce((sum, one) => sum + one.bytes.length, 0)
  console.log(
    `${town.canaries.length} secrets, ${calls} calls over ${town.backends.length} backends, ${Object.keys(PLACES).length} places of an answer, ` +
      `${Object.keys(FORMS).length} forms; ${verbs.length * 2} verbs; the crash ended it with ${end}; peak ${/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? '?'} kB`,
  )
  console.log(
    `${all.length} answers, outputs and files, ${(bytes / 1e6).toFixed(1)} MB: ${found.length} parts of a secret ` +
      `(${Math.round((performance.now() - began) / 1000)} s)`,
  )
  for (const one of found.slice(0, 20)) console.log(`  ${one.where}: ${one.canary}, ${one.form}: ${one.around}`)
  process.exitCode = found.length > 0 || end !== 1 ? 1 : 0
} finally {
  await town.close()
}
