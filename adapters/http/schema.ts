import type { JsonSchema } from '../../gateway/core/types.ts'

export const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
export type Method = (typeof METHODS)[number]

/**
 * Header names that a policy may not set: they frame the message (RFC 9110 and 9112), name its target, carry a
 * credential, or ask for an answer that would not be read.
 */
export const RESERVED: readonly string[] =
  `host connection keep-alive content-length transfer-encoding te trailer upgrade expect
   authorization proxy-authorization proxy-connection cookie user-agent accept-encoding range`.split(/\s+/)

const HEADER_NAME = "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"
const reserved = { pattern: `^(${RESERVED.map(anyCase).join('|')})$` }
const ref = { type: 'string', pattern: '^[a-z][a-z0-9]*://.+$' }

/** What `backends.yaml` says about an http backend, beside the keys that every backend has. */
export const backendSchema: JsonSchema = {
  type: 'object',
  required: ['url'],
  additionalProperties: false,
  properties: {
    url: {
      type: 'string',
      maxLength: 2048,
      pattern: '^https?://[^\\s/?#@\\\\]+(/[^\\s?#\\\\]*)?$',
      description: 'Origin, and a base path if there is one. No query, no user name. http: only with private: true.',
    },
    auth: {
      description: 'How the credential is shown to the backend. The value is a secret ref, never the secret.',
      oneOf: [
        { type: 'object', additionalProperties: false, required: ['bearer'], properties: { bearer: ref } },
        {
          type: 'object',
          additionalProperties: false,
          required: ['header', 'value'],
          properties: { header: { type: 'string', pattern: HEADER_NAME, not: reserved }, value: ref },
        },
        {
          type: 'object',
          additionalProperties: false,
          required: ['basic'],
          properties: {
            basic: {
              type: 'object',
              additionalProperties: false,
              required: ['user', 'password'],
              properties: { user: { type: 'string', pattern: '^[ -9;-~]{0,255}$' }, password: ref },
            },
          },
        },
      ],
    },
    headers: {
      type: 'object',
      description: 'Headers that go with every request.',
      maxProperties: 32,
      propertyNames: { pattern: HEADER_NAME, not: reserved },
      additionalProperties: { type: 'string', pattern: '^[\\t -~]{0,4096}$' },
    },
  },
}

const path = {
  type: 'string',
  maxLength: 4096,
  pattern: '^/',
  'x-template': 'path',
  description: 'Path below the backend’s url, with a query if there is one.',
}

/** `request`, `facts` and `recheck` of an action on an http backend: one method with its path, and what goes with it. */
export const requestSchema: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    ...Object.fromEntries(
      METHODS.map((method) => [method, { ...path, 'x-effect': method === 'GET' ? 'read' : 'either' }]),
    ),
    query: {
      type: 'object',
      'x-template': 'value',
      description: 'Query members; nested ones are written a[b] and a[0].',
    },
    form: {
      type: 'object',
      'x-effect': 'either',
      'x-template': 'value',
      description: 'An application/x-www-form-urlencoded body; nested members are written a[b] and a[0].',
    },
    json: { 'x-template': 'value', 'x-effect': 'either', description: 'A JSON body.' },
    headers: {
      type: 'object',
      'x-template': 'value',
      maxProperties: 32,
      propertyNames: { pattern: HEADER_NAME, not: reserved },
      additionalProperties: { type: 'string', maxLength: 4096 },
    },
  },
  oneOf: METHODS.map((method) => ({ required: [method] })),
  not: { anyOf: [{ required: ['form', 'json'] }, { required: ['GET', 'form'] }, { required: ['GET', 'json'] }] },
}

/** A pattern that knows no flags: `te` → `[tT][eE]`. */
function anyCase(name: string): string {
  return name.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`)
}
