import { createPrivateKey } from 'node:crypto'
import { readFileSync, writeSync } from 'node:fs'
import { note, open } from './operations.ts'

/**
 * A process for the tests to end: `child.ts hold|write FILE KEY [WORKER]`. It says `open`, or `failed: why`. `write`: it
 * writes without end, and each answer that it got is a line before the next one is asked for.
 */
const [what, file = '', key = '', workerUrl] = process.argv.slice(2)
const say = (line: string) => writeSync(1, `${line}\n`)
const signer = { name: 'keystay.local/test', privateKey: createPrivateKey(readFileSync(key)) }

try {
  const store = await open(file, { signer, ...(workerUrl === undefined ? {} : { workerUrl: new URL(workerUrl) }) })
  say('open')
  if (what === 'write') {
    await Promise.all(
      Array.from({ length: 40 }, async (_, lane) => {
        for (let n = 0; ; n++) say((await store.write(note(`${lane} ${n}`))).entry)
      }),
    )
  }
  setInterval(() => {}, 1000)
} catch (error) {
  say(`failed: ${error instanceof Error ? error.message : String(error)}`)
  process.exit(1)
}
