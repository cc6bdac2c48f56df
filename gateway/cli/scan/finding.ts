/** A place where an agent holds a key, or takes one. It never holds a value. */
export interface Finding {
  /** Below the directory that was looked at. */
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly kind: Kind
  /** Of the variable, the setting or the constructor. */
  readonly name: string
  /** What it looks like, in a few words. */
  readonly what: string
  /** Whose key it is, as far as one can tell: `stripe`, `postgres`, or the first word of the name. */
  readonly service: string
  /** The part of a value that every key of its maker has, such as `sk_live_`; null where there is none. */
  readonly prefix: string | null
}

/**
 * `env`: code reads a variable · `sdk`: code makes a client that takes a key · `header`: code puts a key into a request ·
 * `value`: the key itself stands in a file · `dotenv`: in a file of variables · `client`: in a file of an MCP client.
 */
export type Kind = 'env' | 'sdk' | 'header' | 'value' | 'dotenv' | 'client'
