import { readFile, writeFile } from 'node:fs/promises'
import { PROBLEMS } from '../gateway/core/problem.ts'
import type { Code } from '../gateway/core/problem.ts'

/** Writes docs/errors.md from the closed list of codes: `node docs/generate-errors.ts`; with `--check` it only compares. */

/** When each code is answered, and what to do. A code without words does not compile. */
const WORDS: { readonly [code in Code]: { readonly when: string; readonly todo: string } } = {
  malformed: {
    when: 'The request is not JSON in UTF-8 as the contract asks (a duplicate member, a byte-order mark, a number that changes when it is read), or a header or query member cannot be read, or there are two Host or Authorization headers.',
    todo: 'Mend what `detail` names and send it again.',
  },
  key_required: {
    when: 'The action acts, and no `Idempotency-Key` was sent.',
    todo: 'Choose a key that names this one effect (`T-481/refund-1`) and send it with every retry of it.',
  },
  token_missing: { when: 'No `Authorization: Bearer` was sent.', todo: 'Open a session and send its token.' },
  token_invalid: {
    when: 'The token is none of ours, is damaged, or its issuer, audience, signature or times are wrong.',
    todo: 'Sign in again. `detail` says which check failed for a person’s token.',
  },
  session_expired: {
    when: 'The session’s time is over.',
    todo: 'Renew it: the same token exchange with `session=` and its id. Or open a new one without. Its calls go on, and any session of the same principal and role reads and cancels them.',
  },
  session_revoked: {
    when: 'The session was ended: by itself, by people, or because it was renewed.',
    todo: 'The detail says by whom. After a renewal use the token of the renewal; else ask the people who ended it.',
  },
  not_granted: {
    when: 'The role has no such action. An action that does not exist answers the same.',
    todo: '`GET /v1/actions` lists what the role has.',
  },
  denied: {
    when: 'A line of the policy says no: `because` lists every one that does, `detail` speaks the first.',
    todo: 'With `retry: after` a budget is spent until `resets_at`. Else ask for what `next` names, or a person.',
  },
  frozen: {
    when: 'People have frozen everything, this role, or this action.',
    todo: 'Wait and look again after `retry_after`; `detail` gives their reason.',
  },
  not_eligible: {
    when: 'The policy gives this right, or this approval, to groups that you are not in.',
    todo: 'Ask somebody of the groups that `detail` or the call’s `need` names.',
  },
  own_call: {
    when: 'You requested the call, own its role, or it acts for you.',
    todo: 'Somebody else decides.',
  },
  passkey_required: {
    when: 'A line of the policy asks for a yes that a passkey signs, and none came, or one that does not stand; `detail` says why.',
    todo: 'Open the call in the console, at the address that `detail` names, and approve it there with your passkey.',
  },
  no_such_call: { when: 'There is no such call, or it is not of your principal and role.', todo: 'Check the id.' },
  no_such_route: {
    when: 'Nothing is at this address. Paths are exact: case, slashes and encoding count.',
    todo: 'Compare the path with the contract.',
  },
  too_slow: { when: 'Headers or body did not arrive in time.', todo: 'Send it again under the same key.' },
  rejected: { when: 'A person said no; `detail` has the reason.', todo: 'Do not send it again under another key.' },
  expired: {
    when: 'Nobody decided in time. Nothing was done.',
    todo: 'Ask again under a new key if it is still wanted.',
  },
  cancelled: {
    when: 'The call was cancelled before anything was sent, by its principal or because its session was revoked.',
    todo: 'Ask again under a new key if it is still wanted.',
  },
  lease_already_given: {
    when: 'The login was answered once, to the request that made it, and is kept nowhere.',
    todo: 'Ask for a new one under a new key, if the first answer was lost.',
  },
  already_decided: { when: 'The call does not wait for your decision any more.', todo: 'Look at the call.' },
  card_changed: {
    when: 'The request, the cost or who is needed has changed since you saw the call; what was said to the old card counts no more.',
    todo: 'Look at the call again, then decide.',
  },
  too_large: { when: 'The body is larger than the bound (64 KB).', todo: 'Send less.' },
  not_json: {
    when: 'The body is of another media type, charset or content-encoding.',
    todo: 'Send `Content-Type: application/json` in UTF-8, not compressed.',
  },
  input_invalid: {
    when: 'The input does not fit the action’s schema: `errors` lists every place with what was got and what is wanted, at most 50 of them.',
    todo: 'Mend all of them and send it again; the key is free. With `retry: never` an amount is more than the action allows.',
  },
  key_reused: {
    when: 'The key names a call with another input; `errors` names the members that differ.',
    todo: 'Use a new key for a new effect, or the same input for a retry.',
  },
  backend_refused: {
    when: 'The backend’s final no: nothing was done. `evidence` has its status.',
    todo: 'Read `detail`. The key stays bound to this refusal.',
  },
  exchange_broken: {
    when: 'Of a route: the request began to leave for the backend, and no whole answer came back. Whether it had an effect is not known, and nobody asks.',
    todo: 'Read `detail`. A write stays under its key: look at the call, and at the backend, before you ask for it again under another. A read may be sent again.',
  },
  rate_limited: {
    when: 'Nothing but a rate, refused attempts, open holds or another unsettled call about the same thing said no.',
    todo: 'Wait `Retry-After` seconds, then send it again under the same key.',
  },
  internal: {
    when: 'A fault of ours. What happened stands in the operator’s log, nothing of it in the answer.',
    todo: 'Send it again under the same key: it does not act twice.',
  },
  ledger_unavailable: {
    when: 'The ledger cannot be written, or was restored from an older copy and waits for two people, so nothing may happen.',
    todo: 'Send it again under the same key.',
  },
  backend_unavailable: {
    when: 'The backend cannot be reached, or fails so often that it is left alone for a while. Nothing was sent.',
    todo: 'Send it again under the same key.',
  },
  secret_unavailable: {
    when: 'The credential cannot be had now. Nothing was sent.',
    todo: 'Send it again under the same key.',
  },
  overloaded: {
    when: 'Too much work waits, in all or for this backend, or the gateway is stopping. Nothing was kept.',
    todo: 'Send it again under the same key.',
  },
}

export function errorsPage(): string {
  const codes = Object.keys(PROBLEMS) as Code[]
  const sections = codes.map((code) => {
    const { status, title, retry } = PROBLEMS[code]
    const { when, todo } = WORDS[code]
    return `## ${code}\n\n**${status}** ${title}. Retry: \`${retry}\` unless the answer says otherwise.\n\n${when}\n\n${todo}\n`
  })
  return `# Errors

Every error is \`application/problem+json\` (RFC 9457) with a \`code\` of this closed list. \`detail\` is for people;
programs go by \`code\`, \`retry\` (\`never\`, \`same_key\`, \`after\`, \`after_approval\`, \`fix_input\`), \`retry_after\`
(seconds) and \`because\` (every line of the policy that said no). At the Stripe-shaped door the same codes come in Stripe's
form, some under other statuses ([stripe.md](stripe.md)). This page is made from the list by
\`node docs/generate-errors.ts\`.

## How a program mends a call

By \`code\` and \`retry\`, and by \`errors\`, where all that is wrong stands at once, one for each place: \`path\`, what was
\`got\`, what is \`want\`ed, and an \`example\` that fits where there is one. What \`detail\` says is said for people.

- A \`path\` is \`input.amount\`, \`input.lines[2].item\`; \`header.Idempotency-Key\` or, over MCP, \`request_key\`;
  \`query.wait\`; or \`body\` for text that cannot be read or is too long. Characters that cannot be seen are \`\\u{202e}\`.
- A member that is not in the schema names the member that was probably meant, and what is wrong with its value stands beside it.
- Key and input are mended in one retry. A header, a media type or JSON that cannot be read hides what comes after it.
- \`retry: after\` has \`retry_after\`; what is sent again after it goes under the same key.
- A limit is no fault of form. A number of the cost that is more than the schema allows has no \`example\` and
  \`retry: never\`; a refusal by the policy says the policy's words and public limits: neither what was asked, nor what is left,
  nor another amount.

${sections.join('\n')}`
}

if (import.meta.main) {
  const path = new URL('./errors.md', import.meta.url)
  if (process.argv.includes('--check')) {
    const same = (await readFile(path, 'utf8')) === errorsPage()
    if (!same) process.stderr.write('docs/errors.md is older than the list of codes: node docs/generate-errors.ts\n')
    process.exitCode = same ? 0 : 1
  } else await writeFile(path, errorsPage())
}
