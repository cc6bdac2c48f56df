import { styleText } from 'node:util'
import { columns, visible, visibleJson } from './visible.ts'

/** Where a verb prints; tests give their own. */
export interface Screen {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Is standard output a terminal? Tables and colours only then. */
  readonly terminal: boolean
}

export const screen: Screen = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  terminal: process.stdout.isTTY,
}

/** One JSON value on a line. */
export function printJson(value: unknown): void {
  screen.out(`${visibleJson(value)}\n`)
}

/** A table on a terminal, its cells short; elsewhere plain lines, cells parted by tabs, without a head. Cells are made visible. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  if (!screen.terminal) return screen.out(rows.map((row) => `${row.map(visible).join('\t')}\n`).join(''))
  const shown = rows.map((row) => row.map((cell) => short(visible(cell))))
  const widths = head.map((title, at) => Math.max(columns(title), ...shown.map((row) => columns(row[at] ?? ''))))
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => cell + ' '.repeat((widths[at] ?? 0) - columns(cell)))
      .join('  ')
      .trimEnd()
  screen.out(`${bold(line(head))}\n${shown.map((row) => `${line(row)}\n`).join('')}`)
}

/** One text of a megabyte would push all others off the screen; what is cut ends so. */
function short(cell: string): string {
  return cell.length > CELL_MAX ? `${cell.slice(0, CELL_MAX - 1)}…` : cell
}

const CELL_MAX = 120

/** styleText keeps to NO_COLOR and FORCE_COLOR, and adds nothing where standard output is no terminal. */
export function bold(text: string): string {
  return styleText('bold', text)
}

/** 16:02 in local time today, else 2026-11-23 16:02. */
export function clock(at: string, now = new Date()): string {
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return visible(at)
  const two = (value: number) => String(value).padStart(2, '0')
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`
  return date.toDateString() === now.toDateString()
    ? time
    : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`
}

/** 41 s, 12 min, 3 h 20 min. */
export function duration(seconds: number): string {
  if (seconds < 100) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  const hours = Math.floor(minutes / 60)
  if (!hours) return `${minutes} min`
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`
}
