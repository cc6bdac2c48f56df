import { Big } from 'big.js'
import type { Amount, Amounts } from './types.ts'

type Refusal = { readonly ok: false; readonly message: string; readonly hint?: string }

/**
 * Reads one amount as the policy writes it: `200.00 USD` with exactly the currency's digits, or `5 rows`, a counted
 * noun in lower case. No signs, exponents, thousands separators or leading zeros: an amount has one spelling.
 * @returns minor units for a currency, the count otherwise.
 */
export function parseMoney(text: string): { readonly ok: true; readonly amount: Amount } | Refusal {
  const [number = '', unit = '', ...more] = text.split(' ')
  if (number === '' || unit === '' || more.length > 0) return refuseForm(text)
  if (!/^(0|[1-9][0-9]*)(\.[0-9]+)?$/.test(number)) return refuseNumber(number, unit)
  if (/^[a-z][a-z0-9_]*$/.test(unit)) return parseCount(number, unit)
  const digits = digitsOf(unit)
  if (digits === null) return refuseUnit(number, unit)
  const written = (number.split('.')[1] ?? '').length
  if (written !== digits) {
    return {
      ok: false,
      message: `"${text}" does not have exactly the digits of ${unit}`,
      hint: `${spelling(number, digits, unit)}${unit} has ${DIGITS_IN_WORDS[digits]}`,
    }
  }
  const amount = minorUnits(number, digits)
  if (amount === null) return { ok: false, message: `"${text}" is more than can be counted exactly` }
  return { ok: true, amount: { unit, amount } }
}

/** Reads `1000.00 USD or 900.00 EUR`: one amount per unit. */
export function parseAmounts(text: string): { readonly ok: true; readonly amounts: Amounts } | Refusal {
  const amounts = new Map<string, number>()
  for (const part of text.split(' or ')) {
    const parsed = parseMoney(part)
    if (!parsed.ok) return parsed
    const { unit, amount } = parsed.amount
    if (amounts.has(unit)) {
      return { ok: false, message: `"${text}" names ${unit} twice`, hint: 'write one amount per currency' }
    }
    amounts.set(unit, amount)
  }
  return { ok: true, amounts: Object.fromEntries(amounts) }
}

/**
 * Reads a decimal that a backend wrote (`"1234.50"`) into minor units, exactly. Fewer digits than the currency has are
 * fine, more are refused even when they are zeros: rounding money is nobody's job here.
 */
export function parseDecimal(
  text: string,
  currency: string,
): { readonly ok: true; readonly amount: number } | { readonly ok: false; readonly message: string } {
  const digits = digitsOf(currency)
  if (digits === null) return { ok: false, message: 'the currency is not an ISO 4217 code in capitals' }
  const match = /^(?:0|[1-9][0-9]*)(?:\.([0-9]+))?$/.exec(text)
  if (match === null) return { ok: false, message: 'a decimal is digits, a point and digits, such as 1234.50' }
  if ((match[1] ?? '').length > digits) {
    return { ok: false, message: `the decimal has more digits than ${currency}, which has ${DIGITS_IN_WORDS[digits]}` }
  }
  const amount = minorUnits(text, digits)
  if (amount === null) return { ok: false, message: 'the decimal is more than can be counted exactly' }
  return { ok: true, amount }
}

/** `120.00 USD`, `5 rows`: what parseMoney reads. */
export function formatAmount(amount: Amount): string {
  const digits = digitsOf(amount.unit)
  if (digits === null) return `${amount.amount} ${amount.unit}`
  return `${new Big(amount.amount).div(10 ** digits).toFixed(digits)} ${amount.unit}`
}

/** @returns the digits of an ISO 4217 currency (USD 2, JPY 0, KWD 3), or null for what is not one. */
export function digitsOf(currency: string): number | null {
  return CURRENCIES.has(currency) ? (EXCEPTIONS[currency] ?? 2) : null
}

// Which codes there are comes from Intl. Its digits do not: they are CLDR's habits of writing (HUF, IDR and IQD have
// none there), change with ICU, and would be wrong by a factor of 100 against the minor units that payment APIs count.
const EXCEPTIONS: { readonly [currency: string]: number | undefined } = {
  ...Object.fromEntries(
    'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.split(' ').map((code) => [code, 0]),
  ),
  ...Object.fromEntries('BHD IQD JOD KWD LYD OMR TND'.split(' ').map((code) => [code, 3])),
  CLF: 4,
}
/** Units of account without minor units in ISO 4217: nothing can be charged in them. */
const NOT_MONEY = new Set(['XDR', 'XSU', 'XUA', 'XXX', 'XTS'])
const CURRENCIES = new Set(Intl.supportedValuesOf('currency').filter((code) => !NOT_MONEY.has(code)))
const DIGITS_IN_WORDS = ['no decimals', 'one digit', 'two digits', 'three digits', 'four digits']

function minorUnits(number: string, digits: number): number | null {
  const minor = new Big(number).times(10 ** digits)
  return minor.lte(Number.MAX_SAFE_INTEGER) ? minor.toNumber() : null
}

function parseCount(number: string, noun: string): { readonly ok: true; readonly amount: Amount } | Refusal {
  const digits = digitsOf(noun.toUpperCase())
  if (digits !== null) {
    // `try`, `all` and `usd` could be nouns; a limit that counts the wrong thing costs more than a refused word
    const code = noun.toUpperCase()
    return {
      ok: false,
      message: `"${noun}" is written in small letters`,
      hint: `${spelling(number, digits, code)}a currency is written in capitals`,
    }
  }
  if (number.includes('.')) {
    return { ok: false, message: `"${number} ${noun}" counts parts`, hint: `write whole numbers, such as 5 ${noun}` }
  }
  const amount = Number(number)
  if (!Number.isSafeInteger(amount)) return { ok: false, message: `"${number}" is more than can be counted exactly` }
  return { ok: true, amount: { unit: noun, amount } }
}

/** `write 200.00 USD: `, or nothing where the number would have to lose digits that count. */
function spelling(number: string, digits: number, unit: string): string {
  const exact = new Big(number)
  return exact.round(digits, 0).eq(exact) ? `write ${exact.toFixed(digits)} ${unit}: ` : ''
}

function refuseForm(text: string): Refusal {
  const number = text.trim()
  if (/^(0|[1-9][0-9]*)(\.[0-9]+)?$/.test(number)) {
    return {
      ok: false,
      message: `"${text}" has no currency`,
      hint: `write ${new Big(number).toFixed(Math.max(2, (number.split('.')[1] ?? '').length))} USD, or count something: 5 rows`,
    }
  }
  return { ok: false, message: `"${text}" is not an amount`, hint: 'write 200.00 USD, or count something: 5 rows' }
}

function refuseNumber(number: string, unit: string): Refusal {
  const message = `"${number}" is not an amount`
  const digits = digitsOf(unit)
  // A comma before two digits is a point: without it 200,00 would become a hundred times as much.
  const [, whole, cents] = /^((?:0|[1-9][0-9.]*)),([0-9]{2})$/.exec(number) ?? []
  if (whole !== undefined && digits === 2)
    return { ok: false, message, hint: `write ${whole.replaceAll('.', '')}.${cents} ${unit}: with a point` }
  const plain = number.replaceAll(/[,_']/g, '')
  // Where a currency has three digits, 1,000 may be either: nothing is proposed.
  if (/^[1-9][0-9]{0,2}([,_'][0-9]{3})+(\.[0-9]+)?$/.test(number) && (digits !== 3 || number.includes('.'))) {
    const said = digits === null ? '' : spelling(plain, digits, unit)
    return { ok: false, message, hint: `${said || `write ${plain} ${unit}: `}without separators` }
  }
  if (/^[-+]/.test(number)) return { ok: false, message, hint: 'an amount has no sign' }
  if (/^[0-9.]+e[-+0-9]+$/i.test(number))
    return { ok: false, message, hint: 'write the digits out, such as 1000.00 USD' }
  return { ok: false, message, hint: 'write digits with a point, such as 200.00 USD, without leading zeros' }
}

function refuseUnit(number: string, unit: string): Refusal {
  const code = unit.toUpperCase()
  const digits = digitsOf(code)
  if (digits !== null) {
    return {
      ok: false,
      message: `"${unit}" is not written in capitals`,
      hint: `${spelling(number, digits, code)}a currency is written in capitals`,
    }
  }
  return {
    ok: false,
    message: `"${unit}" is not a currency`,
    hint: 'a currency is an ISO 4217 code such as USD; a counted thing is a word in small letters, such as rows',
  }
}
