import type { JsonSchema } from '../types.ts'
import { PARAMETER_DEPTH } from '../endpoint.ts'
import { list, map, MEMBER_NAME, name, named, object, orObject, PLAIN_NAME } from './language-words.ts'

/** How an action stands at a door that has the shape of another API. */

const ENDPOINT = {
  ...name(
    '^(GET|POST|PUT|DELETE) (/(?!\\.{1,2}(/|$))([A-Za-z0-9._~@-]+|\\{[a-z][a-z0-9_]*\\}))+$',
    'a method and a path, with parameters in braces: GET /v1/charges/{charge}',
  ),
  maxLength: 200,
}
const PARAMETER: JsonSchema = {
  ...name(
    `^[A-Za-z_][A-Za-z0-9_-]*(\\.[A-Za-z0-9_-]+){0,${PARAMETER_DEPTH - 1}}$`,
    'a parameter like amount, or a path into one: metadata.note',
  ),
  maxLength: 200,
}
const SCALAR: JsonSchema = { type: ['string', 'number', 'boolean'] }

const SOURCE = orObject(
  ['string'],
  object('Where a member of the input comes from.', {
    from: named(PARAMETER, 'A parameter of the request: `amount`, `metadata.note`.'),
    otherwise: named(SCALAR, 'Its value where the request does not have it.'),
    always: named(SCALAR, 'The same for every request; no parameter is taken for it.'),
  }),
  { maxLength: 200, pattern: PARAMETER['pattern'] ?? '', 'x-says': PARAMETER['x-says'] ?? '' },
)

const MAPPING = orObject(
  ['null'],
  object('How a request to this endpoint becomes the input, and the output its answer.', {
    input: map(
      'Member of the input → parameter. What is not named here takes the parameter of its own name.',
      MEMBER_NAME,
      SOURCE,
    ),
    ignore: list(
      'Parameters that mean nothing here, with all below them. Any other unknown one is refused.',
      PARAMETER,
    ),
    add: map('Members that the answer has beside the output: `object: refund`.', PARAMETER, SCALAR),
    answer: {
      type: 'object',
      description: 'The answer, with `${output.…}`, `${input.…}`, `${call.id}` in it; the output as it is unless said.',
    },
  }),
)

export const COMPAT: JsonSchema = map(
  'Doors of another API’s shape, by name (`stripe`), and the endpoints there that mean this action.',
  PLAIN_NAME,
  map('Endpoints.', ENDPOINT, MAPPING, { maxProperties: 20, minProperties: 1 }),
)
