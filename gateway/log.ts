import { pino } from 'pino'
import type { DestinationStream } from 'pino'
import { LEVELS } from './config.ts'
import type { Level } from './config.ts'
import type { Json } from './core/types.ts'
import { visible, visibleIn } from './core/visible.ts'

type Fields = { readonly [name: string]: Json }

/** One line for the operator. `fields` are plain data; what could be a secret in them does not come out. */
export type Log = (level: Level, line: string, fields?: Fields) => void

export interface LogOptions {
  /** Lines below it are left out; `info` unless said. */
  readonly level?: Level
  /** Takes the values of secrets in memory out of a whole line. */
  readonly scrub: (text: string) => string
  /** Plain lines go here instead of JSON to stderr. */
  readonly line?: (line: string) => void
  /** In place of stderr. */
  readonly destination?: DestinationStream
}

/** Members that hold a credential wherever they come from. The scrubber knows only values that were fetched. */
const NEVER = [
  'authorization',
  'cookie',
  'password',
  'token',
  'access_token',
  'subject_token',
  'actor_token',
  'secret',
  'private_key',
] as const

/**
 * JSON lines on stderr, written before the call returns, so that the last words of a process are not lost; on a terminal
 * plain lines. Every line passes the scrubber as a whole, after it was made.
 */
export function openLog({ level = 'info', scrub, line, destination }: LogOptions): Log {
  const plain = line ?? (destination === undefined && process.stderr.isTTY ? toTerminal : null)
  if (plain !== null) {
    const from = LEVELS.indexOf(level)
    return (at, text, fields) => {
      if (LEVELS.indexOf(at) < from) return
      const whole = scrub(fields === undefined ? text : `${text} ${JSON.stringify(redacted(fields))}`)
      plain(whole.split('\n').map(visible).join('\n'))
    }
  }
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: NEVER.flatMap((name) => [name, `*.${name}`]), censor: REDACTED },
      // Whoever reads the log reads it on a terminal sooner or later.
      hooks: { streamWrite: (line) => visibleIn(scrub(line)) },
    },
    destination ?? pino.destination({ dest: 2, sync: true }),
  )
  return (at, text, fields) => logger[at](fields ?? {}, text)
}

const REDACTED = '[redacted]'

/** As pino does to its lines: members of this name, and of the members below. */
function redacted(fields: Fields, deeper = true): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      if ((NEVER as readonly string[]).includes(name)) return [name, REDACTED]
      return [name, deeper && isObject(value) ? redacted(value, false) : value]
    }),
  )
}

function isObject(value: Json): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function toTerminal(line: string): void {
  process.stderr.write(`${line}\n`)
}
