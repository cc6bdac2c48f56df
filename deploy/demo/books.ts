import type { Form } from './form.ts'
import type { Keys } from './idempotency.ts'
import type { Answer } from './sandbox.ts'

/** A payment processor's books in memory, in Stripe's shapes. Amounts are in minor units. */
export interface Books {
  readonly charges: Map<string, Charge>
  /** In the order they were made. */
  readonly refunds: Refund[]
  readonly keys: Keys
  customers: number
}

export interface Charge {
  readonly id: string
  readonly object: 'charge'
  readonly amount: number
  readonly amount_captured: number
  amount_refunded: number
  readonly captured: true
  readonly created: number
  readonly currency: string
  readonly customer: string
  readonly disputed: boolean
  readonly livemode: false
  readonly metadata: Form
  readonly paid: true
  refunded: boolean
  readonly status: 'succeeded'
}

export interface Refund {
  readonly id: string
  readonly object: 'refund'
  readonly amount: number
  readonly charge: string
  readonly created: number
  readonly currency: string
  readonly metadata: Form
  readonly reason: string | null
  readonly status: 'succeeded'
}

/** `validated: false` leaves an idempotency key free, as at Stripe: the endpoint had not begun. */
export type Made<T> = { readonly object: T } | { readonly problem: Answer; readonly validated: boolean }

/** `{amount, currency, customer?, metadata?}`; `disputed` is a switch of the sandbox, not of Stripe. */
export function makeCharge(books: Books, params: Form): Made<Charge> {
  const { currency, customer, metadata = {} } = params
  const amount = wholeNumber(params['amount'])
  const invalid = (param: string, message: string): Made<Charge> => ({
    problem: error(400, { message, param }),
    validated: false,
  })
  if (!amount) return invalid('amount', `Invalid integer: ${shown(params['amount'])}`)
  if (typeof currency !== 'string' || !/^[a-z]{3}$/i.test(currency))
    return invalid('currency', `Invalid currency: ${shown(currency)}`)
  if (customer !== undefined && (typeof customer !== 'string' || !/^cus_\w{1,64}$/.test(customer)))
    return invalid('customer', 'Invalid customer')
  if (!isMetadata(metadata)) return invalid('metadata', 'Invalid object')
  const charge: Charge = {
    id: `ch_Demo${String(books.charges.size + 1).padStart(8, '0')}`,
    object: 'charge',
    amount,
    amount_captured: amount,
    amount_refunded: 0,
    captured: true,
    created: seconds(),
    currency: currency.toLowerCase(),
    customer: customer ?? `cus_Demo${String((books.customers += 1)).padStart(8, '0')}`,
    disputed: params['disputed'] === 'true',
    livemode: false,
    metadata,
    paid: true,
    refunded: false,
    status: 'succeeded',
  }
  books.charges.set(charge.id, charge)
  return { object: charge }
}

export function error(status: number, members: { message: string; code?: string; param?: string }): Answer {
  const { message, code, param } = members
  const type = status >= 500 ? 'api_error' : 'invalid_request_error'
  return { status, body: { error: { ...(code ? { code } : {}), message, ...(param ? { param } : {}), type } } }
}

export function missing(kind: string, id: string, param = kind): Answer {
  return error(404, { code: 'resource_missing', message: `No such ${kind}: '${id}'`, param })
}

export function unknownParameter(name: string): Answer {
  return error(400, { code: 'parameter_unknown', message: `Received unknown parameter: ${name}`, param: name })
}

/** A parameter inside a message. */
export function shown(value: Form[string] | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? '')
}

/** undefined: not a whole number in digits. */
export function wholeNumber(value: Form[string] | undefined): number | undefined {
  return typeof value === 'string' && /^\d{1,12}$/.test(value) ? Number(value) : undefined
}

/** Stripe: at most 50 members, names of 40 and values of 500 characters. */
export function isMetadata(value: Form[string]): value is Form {
  if (typeof value !== 'object' || Array.isArray(value)) return false
  const members = Object.entries(value)
  return (
    members.length <= 50 &&
    members.every(([name, text]) => name.length <= 40 && typeof text === 'string' && text.length <= 500)
  )
}

export function seconds(): number {
  return Math.floor(Date.now() / 1000)
}
