import { createHmac } from 'node:crypto'
import type { Answer, Sent } from '../races/bank.ts'
import type { Charge, Documents, Line } from './documents.ts'

/** What people said yes to, as the trial itself knows it from the documents: nothing here asks the code that decides. */
export interface Shown {
  readonly backend: string
  readonly request: unknown
  readonly cost: { readonly unit: string; readonly amount: number }
  readonly need: readonly {
    readonly line: string
    readonly count: number
    readonly of: string
    readonly passkey: boolean
  }[]
}

/** The documents, the facts and the switches as they stand at the moment of the click. */
export interface Now {
  readonly documents: Documents
  readonly facts: Facts
  readonly frozen: boolean
  readonly incident: boolean
  /** The session was revoked. */
  readonly revoked: boolean
  /** What other calls for a customer have used of the budget, in cents of its currency. */
  readonly used: (customer: string, unit: string) => number
}

/** What asking for the charge gives. */
export type Facts =
  | { readonly kind: 'charge'; readonly charge: Charge }
  | { readonly kind: 'none' }
  | { readonly kind: 'no fact' }

export interface Asked {
  readonly call: string
  readonly charge: string
  readonly amount: number
}

export type Expected =
  | { readonly kind: 'cancelled' | 'denied' | 'unavailable' | 'frozen' | 'passkey' }
  /** Another card, with this on it. */
  | { readonly kind: 'afresh'; readonly shown: Shown }
  /** The card stands: it runs, or needs one more. */
  | { readonly kind: 'counts'; readonly shown: Shown }

/** @param shown on the card that is approved. */
export function expected(asked: Asked, shown: Shown, now: Now): Expected {
  const { documents, facts } = now
  if (now.revoked || !documents.role) return { kind: 'cancelled' }
  if (now.frozen) return { kind: 'frozen' }
  if (shown.need.some(({ passkey }) => passkey)) return { kind: 'passkey' }
  if (!documents.granted || asked.amount > documents.most) return { kind: 'denied' }
  if (facts.kind === 'none') return { kind: 'unavailable' }
  if (facts.kind === 'no fact' || now.incident) return { kind: 'denied' }
  const today = shownOf(asked, documents, facts.charge)
  if (today === null) return { kind: 'denied' }
  const { customer, amount, amount_refunded } = facts.charge
  if (today.cost.amount > documents.max) return { kind: 'denied' }
  if (now.used(String(customer), today.cost.unit) + today.cost.amount > documents.budget) return { kind: 'denied' }
  if (documents.require && asked.amount > Number(amount) - Number(amount_refunded)) return { kind: 'denied' }
  const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other)
  const isSameRequest = same([today.backend, today.request, today.cost], [shown.backend, shown.request, shown.cost])
  if (isSameRequest && same(today.need, shown.need)) return { kind: 'counts', shown: today }
  // Nobody is asked any more about what was shown: it runs. Of another request people see the new card.
  if (isSameRequest && today.need.length === 0) return { kind: 'counts', shown: { ...today, need: [] } }
  return { kind: 'afresh', shown: { ...today, need: today.need.length === 0 ? shown.need : today.need } }
}

/** The card that these documents make of these facts; null where something that is needed is missing. */
export function shownOf({ call, charge, amount }: Asked, documents: Documents, facts: Charge): Shown | null {
  const { template, backend, lines } = documents
  const { amount: whole, amount_refunded: refunded, currency, customer } = facts
  // The budget counts by customer, and what is left is weighed: neither may be missing.
  if (typeof customer !== 'string') return null
  if (documents.require && (typeof whole !== 'number' || typeof refunded !== 'number')) return null
  const unit = documents.currency === '"USD"' ? 'USD' : typeof currency === 'string' ? currency.toUpperCase() : ''
  if (unit !== 'USD' && !(documents.euros && unit === 'EUR')) return null
  const costs = {
    'input.amount': amount,
    'input.amount * 2': amount * 2,
    'input.amount + facts.charge.amount_refunded': typeof refunded === 'number' ? amount + refunded : null,
  }[documents.cost]
  if (costs === null || costs < 0 || !Number.isSafeInteger(costs)) return null
  const metadata = { keystay_call: call }
  const request = {
    form: { POST: '/v1/refunds', form: { charge, amount, metadata } },
    json: { POST: '/v1/refunds', json: { charge, amount, metadata } },
    put: { PUT: '/v1/refunds', form: { charge, amount, metadata } },
    'version 2': { POST: '/v2/refunds', form: { charge, amount, metadata } },
    'another order': { POST: '/v1/refunds', form: { amount, charge, metadata } },
    'with customer': { POST: '/v1/refunds', form: { charge, amount, customer, metadata } },
    'with a reason': { POST: '/v1/refunds', form: { charge, amount, reason: 'duplicate', metadata } },
  }[template]
  const applies = ({ above, up_to }: Line): boolean => costs > above && (up_to === null || costs <= up_to)
  const need = lines.flatMap((line, at) => {
    const named = `grants.pay.refund.${line.name ?? `approval[${at}]`}`
    return applies(line) ? [{ line: named, count: line.count, of: line.of, passkey: line.passkey === true }] : []
  })
  return { backend, request, cost: { unit, amount: costs }, need }
}

/** What the gateway keeps of a charge, or why it is none. */
export function factsOf({ status, text, cut }: Answer): Facts {
  if (cut === true || status >= 500) return { kind: 'none' }
  if (status >= 400) return { kind: 'no fact' }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { kind: 'none' }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { kind: 'no fact' }
  const {
    amount = null,
    amount_refunded = null,
    currency = null,
    customer = null,
  } = value as { [name: string]: unknown }
  const whole = [amount, amount_refunded].every((number) => number === null || Number.isSafeInteger(number))
  const texts = [currency, customer].every((word) => word === null || typeof word === 'string')
  return whole && texts
    ? { kind: 'charge', charge: { amount, amount_refunded, currency, customer } }
    : { kind: 'no fact' }
}

/** The digest of a card, made from what its people were to see and, for the request, of the bytes that the backend got. */
export function digestOf(card: Shown & { readonly call: string; readonly expires_at: number }, salt: string): string {
  const { call, backend, request, cost, expires_at } = card
  const need = card.need.map(({ line, count, of, passkey }) => [line, count, of, passkey])
  const text = JSON.stringify({
    call,
    backend,
    request,
    cost: { unit: cost.unit, amount: cost.amount },
    need,
    expires_at,
  })
  return `hmac-sha256:${createHmac('sha256', Buffer.from(salt, 'hex')).update(text).digest('hex')}`
}

/** The request as its template would have rendered it, read from the bytes alone. */
export function requestOf({ method, url, headers, body }: Sent): unknown {
  const text = body.toString('utf8')
  if (headers['content-type']?.startsWith('application/json') === true) return { [method]: url, json: JSON.parse(text) }
  const form: { [name: string]: unknown } = {}
  for (const pair of text.split('&')) {
    const [name = '', value = ''] = pair.split('=').map((part) => decodeURIComponent(part.replaceAll('+', ' ')))
    const nested = /^metadata\[(\w+)\]$/.exec(name)?.[1]
    if (nested !== undefined) form['metadata'] = { ...(form['metadata'] as object | undefined), [nested]: value }
    else form[name] = name === 'amount' ? Number(value) : value
  }
  return { [method]: url, form }
}
