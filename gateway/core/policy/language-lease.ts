import type { JsonSchema } from '../types.ts'
import { duration, list, object, text, whole } from './language-words.ts'

/** Connections of one login, unless it says otherwise. */
export const CONNECTIONS = 2

/** A role of PostgreSQL: a lease is quoted into statements that take no parameters, so its names are plain ones. */
const ROLE_NAME = {
  type: 'string',
  maxLength: 63,
  pattern: '^(?!(public|none|PUBLIC|NONE)$)[A-Za-z_][A-Za-z0-9_$-]*$',
  'x-says': 'the name of a role: letters, digits, _, $ and -',
} satisfies JsonSchema

/** What a lease says: the backend makes the login (`roles`), or a vault does (`from`). */
export const LEASE: JsonSchema = object(
  'Of `effect: lease`: the short-lived login that is made, answered once, and gone with its session.',
  {
    roles: list('Roles of the database that the login is a member of; it has no other rights.', ROLE_NAME, {
      minItems: 1,
      maxItems: 20,
      uniqueItems: true,
    }),
    from: text('Where a vault makes the login instead: vault://MOUNT/creds/ROLE.', {
      maxLength: 512,
      pattern: '^vault://[^#\\s]+/creds/[^#/\\s]+$',
      'x-says': 'a ref like vault://database/creds/ROLE, without #',
    }),
    lifetime: duration('How long it lives at most; it ends earlier with its session.'),
    connections: whole('Connections that it may have open at a time.', 1, 100, CONNECTIONS),
  },
  ['lifetime'],
)

/** Marks an adapter's backends as ones that logins can be given out for (`x-lease` of its backend schema). */
export const LENDS = 'x-lease'
