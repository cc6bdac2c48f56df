import type { Log } from './log.ts'

/** What of a process speaks without being asked; a test brings its own. */
type Speaker = Pick<NodeJS.Process, 'on' | 'off' | 'listeners'>

/**
 * For a process that is the gateway's alone. What nobody caught ends it with 1, whatever was under way: recovery is the
 * normal path, and a process in an unknown state shall decide nothing more. Its last words, and warnings of Node or of a
 * package, are lines of the log, so they pass the scrubber; Node itself would write a thrown value, its causes, members
 * and the line of source as they are. SIGUSR1 does nothing: it would open Node's debugger on loopback, where every
 * process of the machine may read all that is in memory.
 *
 * @returns what takes it back
 */
export function lastWords(log: Log, end: (code: number) => void = process.exit, from: Speaker = process): () => void {
  const die = (what: string) => (error: unknown) => {
    try {
      log('error', `${what}; the gateway ends, and its next start goes on from the ledger`, { error: wordsOf(error) })
    } finally {
      end(1)
    }
  }
  const warned = (warning: Error): void => log('warn', 'a warning of the runtime', { warning: wordsOf(warning) })
  const threw = die('an error that nobody caught')
  const rejected = die('a rejection that nobody handled')
  const quiet = (): void => {}
  const before = from.listeners('warning')
  for (const listener of before) from.off('warning', listener as () => void)
  from.on('warning', warned)
  from.on('uncaughtException', threw)
  from.on('unhandledRejection', rejected)
  from.on('SIGUSR1', quiet)
  return () => {
    from.off('warning', warned)
    from.off('uncaughtException', threw)
    from.off('unhandledRejection', rejected)
    from.off('SIGUSR1', quiet)
    for (const listener of before) from.on('warning', listener as () => void)
  }
}

/** How many causes and parts of an error are told. */
const PARTS_MAX = 8

/**
 * Texts alone, each whole, so that the scrubber sees every value as it was written: what prints objects would show bytes
 * as numbers, and cut and fold long texts.
 */
function wordsOf(error: unknown): string {
  const words: string[] = []
  const seen = new Set<unknown>()
  const tell = (one: unknown): void => {
    if (seen.has(one) || seen.size === PARTS_MAX) return
    seen.add(one)
    if (typeof one === 'string') words.push(one)
    else if (!(one instanceof Error)) words.push(`${one === null ? 'null' : typeof one} that is no Error`)
    else {
      words.push(typeof one.stack === 'string' ? one.stack : String(one.message))
      if (one instanceof AggregateError) for (const part of one.errors) tell(part)
      if (one.cause !== undefined) tell(one.cause)
    }
  }
  try {
    tell(error)
  } catch {
    words.push('an error that cannot be read')
  }
  return words.join('\n caused by ')
}
