import Stripe from 'stripe'

const stripe = new Stripe(process.env['KST'] ?? '', { host: 'localhost', port: process.argv[3] ?? 0, protocol: 'http' })

/** A small agent as many have it: it refunds what it is told to, and says what came of it. */
for (const asked of JSON.parse(process.argv[2] ?? '[]') as { charge: string; amount: number }[]) {
  try {
    const { id, status, amount } = await stripe.refunds.create({ ...asked, reason: 'requested_by_customer' })
    console.log(JSON.stringify({ id, status, amount }))
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error
    const { type, code, message } = error
    console.log(JSON.stringify({ type, code, message }))
  }
}
console.log(JSON.stringify(process.env))
