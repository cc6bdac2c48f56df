import type { Finding } from '../../gateway/core/types.ts'

/**
 * What somebody in a hurry does with a hint, to the letter and at the place, without a thought: a pattern of the hint,
 * and the edit of the line. A hint that leaves a choice or asks for something elsewhere is in none of them.
 */
const EDITS: readonly (readonly [
  hint: RegExp,
  edit: (line: string, from: number, said: RegExpExecArray) => string | null,
])[] = [
  [/^did you mean [`"](.+?)[`"]\?$/, (line, from, [, word = '']) => overWord(line, from, word)],
  [/^there (?:is|are): ([^,\s]+)(?:$|,)/, (line, from, [, word = '']) => overWord(line, from, word)],
  [
    /^write one of: ([^,]+)/,
    (line, from, [, word = '']) => overValue(line, from, word === 'age://NAME' ? '"age://pay/key"' : word),
  ],
  [/^write age:\/\/NAME/, (line, from) => overValue(line, from, '"age://pay/key"')],
  [/^quote (?:it|the text|the value)/, (line, from) => quoted(line, from)],
  [/^(?:take the line out|keep one of the two)$/, () => null],
  [/^indent with spaces$/, (line) => line.replaceAll('\t', '  ')],
  [/^write true or false$/, (line, from) => overValue(line, from, 'false')],
  [/^write a number in digits$/, (line, from) => overValue(line, from, '1')],
  [/^write GET$/, (line, from) => overWord(line, from, 'GET')],
  [/^write (\d+)(?: without quotes)?$/, (line, from, [, number = '']) => overValue(line, from, number)],
  [/^a currency is written in capitals: ([A-Z]{3})$/, (line, from, [, code = '']) => overWord(line, from, code)],
  [/^take it out, or write it as an escape/, (line, from) => line.slice(0, from) + line.slice(from + 1)],
  [
    /^write (\d+\.\d\d [A-Z]{3}): with a point/,
    (line, from, [, amount = '']) => within(line, from, /\d[\d.,]* [A-Z]{3}/, () => amount),
  ],
  [/^write https:, or/, (line) => line.replace('http:', 'https:')],
  [/^if that is meant, say `private: true`$/, (line, from) => beside(line, from, 'private: true')],
  [
    /^add `or … ([A-Z]{3})` to it$/,
    (line, from, [, unit = '']) =>
      within(line, from, /\d+\.\d\d [A-Z]{3}(?! or)/, (text) => `${text} or 45.00 ${unit}`),
  ],
  [
    /^write (\d+\.\d\d [A-Z]{3}): /,
    (line, from, [, amount = '']) => within(line, from, /\d[\d.]* [A-Z]{3}/, () => amount),
  ],
  [/^write (500\.00 USD per day|20 per hour)/, (line, from, [, limit = '']) => overValue(line, from, limit)],
  [
    /^write (?:day, week, month, or )?(rolling 24h)/,
    (line, from, [, window = '']) => within(line, from, /(?<=per )[^,}]*[^,} ]/, () => window),
  ],
  [/^write a number and ms, s, m, h or d: (30s)/, (line, from, [, length = '']) => overValue(line, from, length)],
  [
    /^write ([a-z]+) alone/,
    (line, _from, [, name = '']) => within(line, line.indexOf('- '), /[a-z]+ of .*$/, () => name),
  ],
  [
    /^write (\$\{.+\?\}) to leave/,
    (line, from, [, template = '']) => within(line, from, /\$\{[^}]+\}/, () => template),
  ],
  [
    /or write (".+") if that is where a part (?:ends|begins)$/,
    (line, from, [, part = '']) => within(line, from, /(?<=With\()(?:"[^"]*"|\\"[^"]*\\")/, () => part),
  ],
  [/^write the most at once: (max: 50\.00 USD)$/, (line, from, [, max = '']) => underKey(line, from, max)],
]

export function isMechanical(hint: string | undefined): boolean {
  return EDITS.some(([pattern]) => pattern.test(hint ?? ''))
}

/** Follows the hint in the text of its file. */
export function follow(all: Map<string, string>, { file, line, column, hint }: Finding): void {
  const lines = (all.get(file) ?? '').split('\n')
  const text = lines[line - 1] ?? ''
  for (const [pattern, edit] of EDITS) {
    const said = pattern.exec(hint ?? '')
    if (said === null) continue
    const edited = edit(text, column - 1, said)
    lines.splice(line - 1, 1, ...(edited === null ? [] : [edited]))
    break
  }
  all.set(file, lines.join('\n'))
}

/** The suggested name over the word at the place. */
function overWord(line: string, from: number, word: string): string {
  const at = from + (line[from] === '"' ? 1 : 0)
  const there = /^[\w./*-]+(?: [A-Z]\w+)?/.exec(line.slice(at))?.[0] ?? ''
  const old = /[./]/.test(word) ? there : (there.split(/[./ ]/)[0] ?? '')
  return line.slice(0, at) + word + line.slice(at + old.length)
}

function overValue(line: string, from: number, value: string): string {
  return line.slice(0, from) + value + line.slice(from + valueAt(line, from).length)
}

function quoted(line: string, from: number): string {
  const value = valueAt(line, from)
  return overValue(line, from, JSON.stringify(value))
}

/** The scalar that begins there: to its closing quote, to the end of its place in a flow, or to the end of the line. */
function valueAt(line: string, from: number): string {
  const rest = line.slice(from)
  const quote = /^"(?:[^"\\]|\\.)*"|^'[^']*'/.exec(rest)?.[0]
  if (quote !== undefined) return quote
  const before = line.slice(0, from)
  const open = before.split(/[{[]/).length - before.split(/[}\]]/).length
  return (open > 0 ? /^[^,}\]]*[^,}\] ]/ : /^.*[^\s]/).exec(rest)?.[0] ?? ''
}

function within(line: string, from: number, pattern: RegExp, edit: (text: string) => string): string {
  // A pattern may look behind the place.
  const found = [...line.matchAll(new RegExp(pattern, 'g'))].find((match) => match.index + match[0].length > from)
  if (found === undefined) return line
  return line.slice(0, found.index) + edit(found[0]) + line.slice(found.index + found[0].length)
}

/** One more key of the same map. */
function beside(line: string, from: number, pair: string): string {
  const flow = /\{.*\}/.test(line) && line.indexOf('{') < from
  return flow ? line.replace(/(?= auth: | \}$)/, ` ${pair},`) : `${line}\n${/^ */.exec(line)?.[0] ?? ''}${pair}`
}

/** The first key of the map below. */
function underKey(line: string, from: number, pair: string): string {
  return /\{/.test(line) ? line.replace('{', `{ ${pair},`) : `${line}\n${' '.repeat(from + 2)}${pair}`
}
