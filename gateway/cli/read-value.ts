import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { EXIT, Failure } from './exit.ts'
import { screen } from './print.ts'

/** More is no credential. */
const VALUE_MAX = 64 * 1024

/**
 * A secret value: from standard input, without its last line end; at a terminal asked for twice, and nothing is shown.
 * Never from an argument: those stay in the shell's history and stand in the list of processes.
 */
export async function readValue(name: string): Promise<string> {
  const value = process.stdin.isTTY ? await askTwice(name) : (await readAll()).replace(/\r?\n$/, '')
  if (value === '') throw new Failure(EXIT.usage, `No value for ${name} came on standard input.`)
  if (value.includes('\0')) throw new Failure(EXIT.usage, `The value for ${name} is not text: it holds a NUL.`)
  return value
}

async function readAll(): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of process.stdin) {
    size += (chunk as Buffer).length
    if (size > VALUE_MAX) throw new Failure(EXIT.usage, `The value is longer than ${VALUE_MAX} bytes.`)
    chunks.push(chunk as Buffer)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks))
  } catch {
    throw new Failure(EXIT.usage, 'The value is not text in UTF-8.')
  }
}

async function askTwice(name: string): Promise<string> {
  const value = await askHidden(`Value of ${name} (not shown): `)
  if ((await askHidden('The same again: ')) !== value)
    throw new Failure(EXIT.usage, 'The two differ; nothing was changed.')
  return value
}

/** Readline echoes to its output; this one goes nowhere. */
function askHidden(prompt: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 })
  screen.err(prompt)
  return new Promise((resolve, reject) => {
    let answered = false
    lines.once('SIGINT', () => lines.close())
    lines.once('close', () => {
      screen.err('\n')
      if (!answered) reject(new Failure(EXIT.usage, 'Nothing was changed.'))
    })
    lines.once('line', (line) => {
      answered = true
      resolve(line)
      lines.close()
    })
  })
}
