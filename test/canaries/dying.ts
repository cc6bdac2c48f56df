import { openLog } from '../../gateway/log.ts'
import { lastWords } from '../../gateway/last-words.ts'
import { createScrubber } from '../../gateway/secrets/scrub.ts'

/** A process that knows a value and ends in a bad way that holds it: `node dying.ts WAY`, the value on standard input. */
const value = await new Promise<string>((resolve) => {
  process.stdin.once('data', (chunk: Buffer) => resolve(chunk.toString()))
})
process.stdin.destroy()
const scrubber = createScrubber()
scrubber.add(value)
const log = openLog({ level: 'debug', scrub: scrubber.text })
if (process.argv[3] !== 'without') lastWords(log)

const WAYS: { readonly [way: string]: () => unknown } = {
  throws: () => {
    throw new Error(`no such key: ${value}`)
  },
  'throws a text': () => {
    // oxlint-disable-next-line typescript/only-throw-error
    throw value
  },
  'throws an object': () => {
    // oxlint-disable-next-line typescript/only-throw-error
    throw { headers: { authorization: `Bearer ${value}` }, bytes: Buffer.from(value) }
  },
  'throws with members': () => {
    throw Object.assign(new Error('it broke'), { options: { key: value }, bytes: Buffer.from(value) })
  },
  'throws with causes': () => {
    const cause = new Error(`at ${Buffer.from(value).toString('base64')}`, { cause: `then ${value}` })
    throw new Error('it broke', { cause })
  },
  'throws several': () => {
    throw new AggregateError([new Error(value), new Error(encodeURIComponent(value))], 'all broke')
  },
  'throws what cannot be read': () => {
    throw Object.defineProperty(new Error('x'), 'stack', {
      get() {
        throw new Error(value)
      },
    })
  },
  'throws a circle': () => {
    const error = new Error(value)
    error.cause = error
    throw error
  },
  rejects: () => Promise.reject(new Error(`no such key: ${value}`)),
  'rejects a text': () => Promise.reject(value as unknown as Error),
  'emits an error that nobody hears': () => process.stdin.emit('error', new Error(value)),
  'is asked for a debugger': () => {
    process.kill(process.pid, 'SIGUSR1')
    setTimeout(() => process.exit(1), 200)
  },
  warns: () => {
    process.emitWarning(value, { code: 'X', detail: `more of ${value}` })
    process.emitWarning(`it is ${value}`, 'DeprecationWarning')
    setTimeout(() => process.exit(1), 50)
  },
}
setTimeout(() => void WAYS[process.argv[2] ?? '']?.(), 5)
setTimeout(() => process.exit(0), 2000)
