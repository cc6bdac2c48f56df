import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { keystay } from './keystay.ts'

describe('keystay completion', () => {
  let script: string
  before(async () => {
    script = (await keystay(['completion', 'bash'])).out
  })

  const complete = (...words: string[]) => {
    const line = ['keystay', ...words].map((word) => `'${word}'`).join(' ')
    const program = `${script}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length}; _keystay; echo "\${COMPREPLY[*]}"`
    const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', program], { encoding: 'utf8' })
    deepEqual([status, stderr], [0, ''])
    return stdout.trim()
  }
  const table: [string, readonly string[], string | RegExp][] = [
    ['verbs', ['ap'], 'approvals'],
    ['verbs of a verb', ['ledger', ''], /^verify export checkpoint help --help$|^verify export checkpoint --help$/],
    ['options of a verb of a verb', ['ledger', 'verify', '--pu'], '--public-key'],
    ['options after an option with its value', ['actions', 'export', '--as', 'dana', '--form'], '--format'],
    ['the choices of an option', ['actions', 'export', '--format', ''], 'csv jsonl'],
    ['the choices of an argument', ['completion', ''], /^bash zsh fish /],
    ['nothing for a value that is anybody’s', ['call', '--role', 'x'], ''],
    ['files for an option that takes one', ['serve', '--policies', 'package.js'], 'package.json'],
  ]
  for (const [what, words, expected] of table) {
    it(`completes ${what} in a real bash`, () => {
      if (typeof expected === 'string') equal(complete(...words), expected)
      else match(complete(...words), expected)
    })
  }

  it('has every verb for zsh and fish, and no other shell', async () => {
    const [zsh, fish, other] = await Promise.all(['zsh', 'fish', 'sh'].map((shell) => keystay(['completion', shell])))
    match(zsh?.out ?? '', /^#compdef keystay\n/)
    for (const verb of ['doctor', 'secrets', 'rekey', 'checkpoint', 'settle'])
      ok((zsh?.out ?? '').includes(verb) && (fish?.out ?? '').includes(`-a ${verb} `), verb)
    deepEqual([other?.exit, other?.out], [2, ''])
  })
})
