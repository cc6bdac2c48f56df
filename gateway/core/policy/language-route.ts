import { ROUTE_METHODS } from '../route.ts'
import type { JsonSchema } from '../types.ts'
import { ACTION_NAME, duration, expression, list, name, named, object, PLAIN_NAME, text } from './language-words.ts'

/** Routes: requests that are passed on as they come, and answers that stream back. */

const RECORDED = (description: string): JsonSchema => ({
  type: 'string',
  enum: ['digest', 'body', 'none'],
  default: 'digest',
  description,
})

export const SIZE: JsonSchema = {
  type: 'string',
  maxLength: 14,
  pattern: '^[1-9][0-9]{0,9}(B|KB|MB|GB)$',
  'x-says': 'a size like 64KB or 1MB',
}

export const ROUTE: JsonSchema = object(
  'A passthrough route: the agent’s own client talks to `/proxy/NAME/…`, and the answer streams back.',
  {
    route: named(ACTION_NAME, 'Its name; granted to a role like an action.'),
    describe: text('What it is for, for the agent that may use it.'),
    effect: {
      type: 'string',
      enum: ['read', 'write'],
      default: 'write',
      description: '`read` changes nothing and needs no key; `write` needs a key, and a repeat is not sent again.',
    },
    backend: named(PLAIN_NAME, 'Whom it goes to: a backend of adapter `proxy`.'),
    allow: list(
      'The closed list: method and path, `*` for one whole segment. Nothing else passes.',
      {
        type: 'string',
        maxLength: 300,
        pattern: `^(${ROUTE_METHODS.join('|')}) /`,
        'x-says': 'a method and a path, like `POST /v1/chat/completions` or `GET /v1/models/*`',
      },
      { minItems: 1 },
    ),
    headers: list('Request headers that pass beside the common ones.', {
      ...name("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$", 'a header name'),
    }),
    request_max: { ...SIZE, default: '1MB', description: 'The largest body of a request.' },
    record: object('What is kept of an exchange beside its size.', {
      request: RECORDED('Of what the agent sent.'),
      response: RECORDED('Of what it was answered.'),
    }),
    cost: object(
      'What a request counts for limits.',
      {
        count: expression('A number of things: `1`, or `input.length`.'),
        of: name('^[a-z][a-z_]*$', 'a noun like requests'),
      },
      ['count', 'of'],
    ),
    replay: duration('How long status and digests answer a repeated key.', '7d'),
    marks: { 'x-later': 'it comes with marks on sessions', description: '(later)' },
  },
  ['route', 'describe', 'backend', 'allow'],
)
