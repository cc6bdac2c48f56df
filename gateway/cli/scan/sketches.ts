/** How a service may be reached through the gateway: to begin from, not to keep. */
export interface Sketch {
  readonly adapter: 'http' | 'postgres'
  /** The entry in backends.yaml, below its name. */
  readonly backend: string
  /** Documents of one file in actions/. */
  readonly actions: string
  /** Lines below `grants:`. */
  readonly grants: string
  /** The action that stands for the call that the agent makes today, and an input of it. */
  readonly call: { readonly action: string; readonly input: string }
  /** What else is to be known; null where there is nothing. */
  readonly note: string | null
}

/** @returns the sketch of a service that we know, else of any HTTP service by that name. */
export function sketchOf(service: string): Sketch {
  return SKETCHES[service] ?? other(service)
}

const SKETCHES: { readonly [service: string]: Sketch } = {
  stripe: {
    adapter: 'http',
    backend: `url: https://api.stripe.com
auth: { bearer: "age://stripe/restricted_key" }
idempotency: { header: Idempotency-Key, lives: 24h }
request_id: Request-Id
lands_within: 30s`,
    actions: `action: stripe.get_charge
describe: Look up a card charge.
effect: read
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{8,64}$" }
backend: stripe
request: { GET: "/v1/charges/\${input.charge}" }
output: { keep: [id, amount, amount_refunded, currency, created] }
---
action: stripe.refund
describe: Refund a card charge, in part or in full. Amounts are in cents.
effect: write
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{8,64}$" }
  amount: { type: integer, minimum: 1 }
backend: stripe
facts:
  charge:
    GET: /v1/charges/\${input.charge}
    keep: { amount: integer, amount_refunded: integer, currency: string }
cost: { minor: input.amount, currency: facts.charge.currency }
summary: Refund \${cost} on \${input.charge}
request:
  POST: /v1/refunds
  form: { charge: "\${input.charge}", amount: "\${input.amount}", metadata: { keystay_call: "\${call.id}" } }
output: { keep: [id, amount, currency, status] }
undo: none`,
    grants: `stripe.get_charge: { rate: 100 per hour }
stripe.refund:
  max: 50.00 USD
  budget: { name: daily, limit: 200.00 USD per day }
  require:
    - that: input.amount <= facts.charge.amount - facts.charge.amount_refunded
      else: That is more than is left of the charge.`,
    call: { action: 'stripe.refund', input: '{ charge, amount }' },
    note: null,
  },
  github: {
    adapter: 'http',
    backend: `url: https://api.github.com
auth: { bearer: "age://github/token" }
request_id: X-GitHub-Request-Id`,
    actions: `action: github.get_issue
describe: Look up an issue of our repository.
effect: read
input:
  number: { type: integer, minimum: 1 }
backend: github
request: { GET: "/repos/OWNER/REPOSITORY/issues/\${input.number}" }
output: { keep: [number, title, state, body, created_at] }
---
action: github.comment
describe: Comment on an issue of our repository.
effect: write
input:
  number: { type: integer, minimum: 1 }
  body: { type: string, minLength: 1, maxLength: 4000 }
backend: github
summary: Comment on issue \${input.number}
request:
  POST: /repos/OWNER/REPOSITORY/issues/\${input.number}/comments
  json: { body: "\${input.body} (\${call.id})" }
recheck:
  GET: /repos/OWNER/REPOSITORY/issues/\${input.number}/comments?per_page=100&sort=created&direction=desc
  happened: output.exists(c, c.body.contains(call.id))
output: { keep: [id, created_at] }`,
    grants: `github.get_issue: { rate: 300 per hour }
github.comment: { rate: 20 per hour }`,
    call: { action: 'github.comment', input: '{ number, body }' },
    note: 'OWNER/REPOSITORY stands for yours.',
  },
  slack: {
    adapter: 'http',
    backend: `url: https://slack.com
auth: { bearer: "age://slack/bot_token" }`,
    actions: `action: slack.post
describe: Post a message to our channel.
effect: write
input:
  text: { type: string, minLength: 1, maxLength: 2000 }
backend: slack
summary: Post to the channel
request:
  POST: /api/chat.postMessage
  json: { channel: C0000000000, text: "\${input.text}", metadata: { event_type: keystay, event_payload: { call: "\${call.id}" } } }
recheck:
  GET: /api/conversations.history?channel=C0000000000&limit=100&include_all_metadata=true
  happened: output.messages.exists(m, has(m.metadata) && m.metadata.event_payload.call == call.id)
output: { keep: [ok, ts] }`,
    grants: 'slack.post: { rate: 20 per hour }',
    call: { action: 'slack.post', input: '{ text }' },
    note: 'C0000000000 stands for your channel.',
  },
  postgres: {
    adapter: 'postgres',
    backend: `url: postgres://db.example.com:5432/app?sslmode=verify-full
auth: { user: keystay, password: "age://postgres/keystay" }`,
    actions: `action: postgres.get_order
describe: Look up an order.
effect: read
input:
  order: { type: string, format: uuid }
backend: postgres
request:
  read: select id, status, created_at from orders where id = $1
  params: ["\${input.order}"]
  rows: 0..1
output: { keep: ["*.id", "*.status", "*.created_at"] }`,
    grants: 'postgres.get_order: { rate: 300 per hour }',
    call: { action: 'postgres.get_order', input: '{ order }' },
    note: 'Write one action for each statement that the agent really sends.',
  },
  openai: model('openai', 'https://api.openai.com', 'bearer: "age://openai/key"', '/v1/responses', 'input', ''),
  anthropic: model(
    'anthropic',
    'https://api.anthropic.com',
    'header: X-Api-Key, value: "age://anthropic/key"',
    '/v1/messages',
    'messages',
    ', max_tokens: 1024',
  ),
}

/** A model answers and changes nothing: a read, whose use a rate bounds. */
function model(id: string, url: string, auth: string, path: string, field: string, more: string): Sketch {
  const messages = field === 'messages'
  const value = messages ? '[{ role: user, content: "${input.text}" }]' : '"${input.text}"'
  return {
    adapter: 'http',
    backend: `url: ${url}\nauth: { ${auth} }\ntimeout: 60s`,
    actions: `action: ${id}.ask
describe: Ask the model.
effect: read
input:
  text: { type: string, minLength: 1, maxLength: 20000 }
backend: ${id}
request:
  POST: ${path}
  json: { model: MODEL, ${field}: ${value}${more} }
output: { keep: [id, ${messages ? 'content' : 'output'}] }`,
    grants: `${id}.ask: { rate: 100 per hour }`,
    call: { action: `${id}.ask`, input: '{ text }' },
    note: 'MODEL stands for yours. The model that the agent itself runs on may rather keep its key, for a model alone (run --keep).',
  }
}

const NO_ADAPTER: { readonly [service: string]: string } = {
  aws: 'No adapter signs requests to AWS: put the one thing that the agent does behind an HTTPS endpoint of yours.',
  mongodb: 'There is no adapter for MongoDB: put the one thing that the agent does behind an HTTPS endpoint of yours.',
  mysql: 'There is no adapter for MySQL: put the one thing that the agent does behind an HTTPS endpoint of yours.',
  redis: 'There is no adapter for Redis: put the one thing that the agent does behind an HTTPS endpoint of yours.',
}

/** @param service a name as an action has it: small letters, digits and _. */
function other(service: string): Sketch {
  return {
    adapter: 'http',
    backend: `url: https://${service.replaceAll('_', '-')}.example.com
auth: { bearer: "age://${service}/key" }`,
    actions: `action: ${service}.get
describe: Look up one thing at ${service}.
effect: read
input:
  id: { type: string, pattern: "^[A-Za-z0-9_-]{1,64}$" }
backend: ${service}
request: { GET: "/v1/things/\${input.id}" }
output: { keep: [id, status] }`,
    grants: `${service}.get: { rate: 100 per hour }`,
    call: { action: `${service}.get`, input: '{ id }' },
    note: NO_ADAPTER[service] ?? `Put the address of ${service}, and the requests that the agent really makes.`,
  }
}
