import {
  CelScalar,
  type CelFunc,
  type CelValue,
  celEnv,
  celFunc,
  celMethod,
  isCelError,
  isCelList,
  isCelMap,
  listType,
} from '@bufbuild/cel'
import { RE2JS } from 're2js'
import { KNOWN } from './expression-order.ts'

/**
 * The environment every expression is planned in: CEL's own functions, with those replaced whose cost grows with their
 * data (so that one evaluation has a budget and cannot stall the process), and those whose reading of text is lax
 * (`int("")` is 0 in JavaScript's BigInt).
 */
const { BOOL, DOUBLE, DYN, INT, STRING } = CelScalar
const LIST = listType(DYN)
const standard = celEnv().funcs

/** About a tenth of a second of comparing on an ordinary machine. */
const WORK_MAX = 1_000_000
let work = 0

/** Called before each evaluation. Evaluations never nest: nothing in an expression calls back into one. */
export function resetWork(): void {
  work = 0
}

function spend(amount: number): void {
  work += amount
  if (work > WORK_MAX) throw new Error('the expression takes too much work on data of this size')
}

/** Spends one unit per scalar and per 64 characters of text, before they are looked at. */
function spendOn(value: CelValue): void {
  if (typeof value === 'string') spend(1 + value.length / 64)
  else if (isCelList(value)) for (const item of value) spendOn(item)
  else if (isCelMap(value)) for (const [, member] of value) spendOn(member)
  else spend(1)
}

/** CEL's own implementation, after the work is paid for. */
function paid(name: string, target: CelValue | undefined, args: CelValue[]): CelValue {
  if (target !== undefined) spendOn(target)
  for (const arg of args) spendOn(arg)
  const result = standard.find(name)?.call(0, target, args)
  if (result === undefined) throw new Error(`no such operation: ${name}`)
  if (isCelError(result)) throw result
  return result
}
const paidBool = (name: string, target: CelValue | undefined, args: CelValue[]): boolean =>
  paid(name, target, args) === true

const functions: CelFunc[] = [
  celFunc('_==_', [DYN, DYN], BOOL, (left, right) => paidBool('_==_', undefined, [left, right])),
  celFunc('_!=_', [DYN, DYN], BOOL, (left, right) => paidBool('_!=_', undefined, [left, right])),
  celFunc('@in', [DYN, LIST], BOOL, (value, list) => paidBool('@in', undefined, [value, list])),
  celFunc('_+_', [STRING, STRING], STRING, (left, right) => {
    spendOn(left)
    spendOn(right)
    return left + right
  }),
  celMethod('contains', STRING, [STRING], BOOL, function (part) {
    return paidBool('contains', String(this), [part])
  }),
  celMethod('startsWith', STRING, [STRING], BOOL, function (part) {
    return paidBool('startsWith', String(this), [part])
  }),
  celMethod('endsWith', STRING, [STRING], BOOL, function (part) {
    return paidBool('endsWith', String(this), [part])
  }),
  celMethod('matches', STRING, [STRING], BOOL, function (pattern) {
    const regex = compileRegex(pattern)
    // RE2 takes time in proportion to text times program, never more
    spend(1 + (this.length * regex.programSize()) / 64)
    return regex.test(String(this))
  }),
  celMethod('lowerAscii', STRING, [], STRING, function () {
    spendOn(String(this))
    return this.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())
  }),
  celMethod('upperAscii', STRING, [], STRING, function () {
    spendOn(String(this))
    return this.replaceAll(/[a-z]+/g, (letters) => letters.toUpperCase())
  }),
  celFunc('size', [STRING], INT, (text) => sizeOf(text)),
  celMethod('size', STRING, [], INT, function () {
    return sizeOf(String(this))
  }),
  celFunc('int', [STRING], INT, (text) => {
    if (!/^-?(0|[1-9][0-9]{0,18})$/.test(text) || text === '-0') throw new Error('int() wants digits')
    return inRange(BigInt(text))
  }),
  celFunc('double', [STRING], DOUBLE, (text) => {
    if (!/^-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?$/.test(text)) throw new Error('double() wants a decimal such as 12.5')
    return Number(text)
  }),
  celFunc(KNOWN, [DYN], DYN, (value) => {
    if (value === null) throw new Error('a fact is null: ask `== null` before comparing it')
    return value
  }),
]

// Said in full: the package's types are emitted.
export const environment: ReturnType<typeof celEnv> = celEnv({ funcs: functions })

const PATTERN_MAX = 500
const PROGRAM_MAX = 5000
const compiled = new Map<string, RE2JS>()

/** Linear-time engine; throws for what it does not accept. Patterns are literals of policies, so few. */
export function compileRegex(pattern: string): RE2JS {
  const known = compiled.get(pattern)
  if (known !== undefined) return known
  if (pattern.length > PATTERN_MAX) throw new Error(`a pattern has at most ${PATTERN_MAX} characters`)
  const regex = RE2JS.compile(pattern)
  if (regex.programSize() > PROGRAM_MAX) throw new Error('the pattern repeats too much')
  if (compiled.size >= 1000) compiled.clear()
  compiled.set(pattern, regex)
  return regex
}

function sizeOf(text: string): bigint {
  spend(1 + text.length / 8)
  let size = 0n
  for (const _ of text) size += 1n
  return size
}

function inRange(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new Error('int() wants a 64-bit integer')
  return value
}
