import { readFileSync } from 'node:fs'

/** One thing that happened at a backend, as a line of its own file: the truth that agents and ledger are held against. */
export interface Effect {
  readonly backend: string
  /** ms since the epoch, when it happened, and when its request was read whole. */
  readonly at: number
  readonly asked_at: number
  /** The client's own name of what it wants once, from the body. */
  readonly ref: string
  readonly pot: string
  readonly amount: number
  /** The gateway's call and session, from body and headers. */
  readonly call: string
  readonly session: string
}

/** @returns every whole line. */
export function readEffects(file: string): Effect[] {
  const text = readFileSync(file, 'utf8')
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Effect)
}
