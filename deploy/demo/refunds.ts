import {
  error,
  isMetadata,
  missing,
  seconds,
  shown,
  unknownParameter,
  wholeNumber,
  type Books,
  type Made,
  type Refund,
} from './books.ts'
import type { Form } from './form.ts'
import type { Answer } from './sandbox.ts'

/** `{charge, amount?, reason?, metadata?}` (Stripe, Create a refund). One effect, or a problem and none. */
export function makeRefund(books: Books, params: Form): Made<Refund> {
  const invalid = (problem: Answer): Made<Refund> => ({ problem, validated: false })
  const stray = Object.keys(params).find((name) => !['charge', 'amount', 'reason', 'metadata', 'expand'].includes(name))
  if (stray) return invalid(unknownParameter(stray))
  const { charge: id, reason = null, metadata = {} } = params
  if (typeof id !== 'string' || !id)
    return invalid(
      error(400, {
        code: 'parameter_missing',
        message: 'One of the following params should be provided for this request: payment_intent or charge.',
      }),
    )
  const amount = params['amount'] === undefined ? null : wholeNumber(params['amount'])
  if (amount === undefined || amount === 0)
    return invalid(
      error(400, {
        code: 'parameter_invalid_integer',
        message: `Invalid integer: ${shown(params['amount'])}`,
        param: 'amount',
      }),
    )
  if (reason !== null && !isReason(reason)) {
    return invalid(
      error(400, {
        message: 'Invalid reason: must be one of duplicate, fraudulent, or requested_by_customer',
        param: 'reason',
      }),
    )
  }
  if (!isMetadata(metadata)) return invalid(error(400, { message: 'Invalid object', param: 'metadata' }))

  const refuse = (problem: Answer): Made<Refund> => ({ problem, validated: true })
  const charge = books.charges.get(id)
  if (!charge) return refuse(missing('charge', id))
  if (charge.disputed)
    return refuse(
      error(400, { code: 'charge_disputed', message: `Charge ${id} has been charged back; cannot issue a refund.` }),
    )
  if (charge.refunded)
    return refuse(error(400, { code: 'charge_already_refunded', message: `Charge ${id} has already been refunded.` }))
  const left = charge.amount - charge.amount_refunded
  // No amount means all that is left. This is Stripe's rule, and the trap that a gateway must not fall into.
  const taken = amount ?? left
  if (taken > left)
    return refuse(
      error(400, {
        message: `Refund amount (${taken}) is greater than unrefunded amount on charge (${left})`,
        param: 'amount',
      }),
    )

  const refund: Refund = {
    id: `re_${books.refunds.length + 1}`,
    object: 'refund',
    amount: taken,
    charge: id,
    created: seconds(),
    currency: charge.currency,
    metadata,
    reason,
    status: 'succeeded',
  }
  books.refunds.push(refund)
  charge.amount_refunded += taken
  charge.refunded = charge.amount_refunded === charge.amount
  return { object: refund }
}

function isReason(value: Form[string]): value is string {
  return typeof value === 'string' && ['duplicate', 'fraudulent', 'requested_by_customer'].includes(value)
}

/** Newest first, `limit` (10, at most 100) after `starting_after`; `has_more` says whether that is all. */
export function listRefunds(books: Books, params: Form): Answer {
  const stray = Object.keys(params).find(
    (name) => !['charge', 'created', 'limit', 'starting_after', 'expand'].includes(name),
  )
  if (stray) return unknownParameter(stray)
  const limit = params['limit'] === undefined ? 10 : wholeNumber(params['limit'])
  if (!limit || limit > 100)
    return error(400, { message: `Invalid integer: ${shown(params['limit'])}`, param: 'limit' })
  const { charge, created, starting_after: after } = params
  const bounds = typeof created === 'object' && !Array.isArray(created) ? (created as Form) : {}
  let all = books.refunds.filter((refund) => charge === undefined || refund.charge === charge).toReversed()
  all = all.filter(
    (refund) => Number(bounds['gte'] ?? 0) <= refund.created && refund.created <= Number(bounds['lte'] ?? Infinity),
  )
  if (after !== undefined) {
    const at = all.findIndex((refund) => refund.id === after)
    if (at < 0) return missing('refund', shown(after), 'starting_after')
    all = all.slice(at + 1)
  }
  return {
    status: 200,
    body: { object: 'list', data: all.slice(0, limit), has_more: all.length > limit, url: '/v1/refunds' },
  }
}
