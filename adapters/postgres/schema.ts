import type { JsonSchema } from '../../gateway/core/types.ts'

/** Connections to one backend at a time, unless `connections` says otherwise. */
export const CONNECTIONS = 10

const ref = { type: 'string', pattern: '^[a-z][a-z0-9]*://.+$' }
const PRIVATE_ONLY = 'sslmode=disable'

const auth: { readonly [key: string]: JsonSchema } = {
  user: {
    type: 'string',
    pattern: '^([ -~]{1,63}|vault://[!-~]{1,512})$',
    description: 'The login; or, where Vault makes one for us, its ref: vault://database/creds/ROLE#username.',
  },
  password: { ...ref, description: 'A secret ref.' },
  lease: {
    type: 'string',
    maxLength: 512,
    pattern: '^vault://[^#\\s]+/creds/[^#/\\s]+$',
    'x-says': 'a ref like vault://database/creds/ROLE, without #',
    description: 'In place of both: Vault makes our login, vault://database/creds/ROLE.',
  },
}

/** What `backends.yaml` says about a postgres backend, beside the keys that every backend has. */
export const backendSchema: JsonSchema = {
  type: 'object',
  required: ['url', 'auth'],
  additionalProperties: false,
  // a header that makes a repeat safe, a header with an id, and statuses are HTTP's
  'x-without': ['idempotency', 'request_id', 'final'],
  'x-lease': true,
  properties: {
    url: {
      type: 'string',
      maxLength: 2048,
      pattern: '^postgres(ql)?://[^\\s/?#@\\\\]+/[A-Za-z0-9_.-]{1,63}(\\?sslmode=(verify-full|disable))?$',
      description:
        'postgres://HOST:PORT/DATABASE, and ?sslmode=verify-full (the default) or, with private: true, ?sslmode=disable.',
    },
    auth: {
      type: 'object',
      description: 'The login: `user` and `password`, or `lease`. The password is a secret ref, never the password.',
      additionalProperties: false,
      properties: auth,
      if: { required: ['lease'] },
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
      then: {},
      else: { required: ['user', 'password'], properties: auth, additionalProperties: false },
    },
    ca: {
      type: 'string',
      maxLength: 100_000,
      pattern: '^\\s*-----BEGIN CERTIFICATE-----',
      description: 'Who signs the certificate of the server, as PEM text; the authorities of the machine when absent.',
    },
    connections: {
      type: 'integer',
      minimum: 1,
      maximum: 100,
      default: CONNECTIONS,
      description: 'Connections at a time; further calls wait.',
    },
  },
  if: { properties: { url: { pattern: PRIVATE_ONLY } }, required: ['url'] },
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  then: { required: ['private'], properties: { private: { const: true } } },
}

const BLANK = '\\s*'

/** SQL text. Values never stand in it: they are `$1`, `$2`, … */
function sql(words: readonly string[], description: string): JsonSchema {
  const first = words.map(anyCase).join('|')
  return {
    type: 'string',
    maxLength: 10_000,
    pattern: `^${BLANK}(${first})\\s`,
    'x-says': `one SQL statement that begins with ${words.join(', ')}`,
    'x-template': 'none',
    'x-places': 'params',
    description,
  }
}

/** `request`, `facts` and `recheck` of an action on a postgres backend: one statement and its values. */
export const requestSchema: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  // the status of a fact that found no row though its `rows` begins with 0: the fact is null
  'x-absent': [404],
  properties: {
    read: {
      ...sql(['select', 'with'], 'One statement; it runs in a read-only transaction.'),
      'x-effect': 'read',
    },
    write: {
      ...sql(['insert', 'update', 'delete', 'merge', 'with', 'select'], 'One statement; needs `rows`.'),
      'x-effect': 'write',
    },
    params: {
      type: 'array',
      maxItems: 100,
      'x-template': 'value',
      // were one left out, the others would move up
      'x-whole': true,
      description: 'The values of $1, $2, … in order. They are sent apart from the text.',
    },
    rows: {
      type: ['integer', 'string'],
      minimum: 0,
      maximum: 1000,
      pattern: '^(0|[1-9][0-9]{0,2}|1000)\\.\\.(0|[1-9][0-9]{0,2}|1000)$',
      'x-says': 'a number or a range like 1..5, at most 1000',
      'x-template': 'none',
      'x-not-for': ['recheck'],
      description:
        'How many rows it must change or find: 1, or 1..5. Any other number rolls back, and the call is refused.',
    },
  },
  oneOf: [{ required: ['read'] }, { required: ['write'] }],
  dependentRequired: { write: ['rows'] },
}

/** A pattern that knows no flags: `with` → `[wW][iI][tT][hH]`. */
function anyCase(word: string): string {
  return word.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`)
}
