import { pathParameters } from '../endpoint.ts'
import type { InputSchema } from '../input-schema.ts'
import type { Endpoint, JsonObject } from '../types.ts'
import type { Compiling } from './compiling.ts'
import { at } from './place.ts'
import type { Piece } from './place.ts'

/** Each parameter means one thing: a member of the input, or nothing; and what the path says must mean something. */
export function checkTaken({ report }: Compiling, piece: Piece, endpoint: Endpoint, input: InputSchema): void {
  const taken = new Map<string, string>()
  for (const [member, from] of takenBy(endpoint, input)) {
    const other = [...taken].find(([path]) => path === from || isBelow(path, from) || isBelow(from, path))
    if (other !== undefined) {
      const place = at(piece, 'input', Object.hasOwn(endpoint.input, member) ? member : other[1])
      report.error(
        place,
        `\`${from}\` is taken for \`${other[1]}\` and for \`${member}\``,
        'take it for one of the two',
      )
    }
    taken.set(from, member)
  }
  endpoint.ignore.forEach((path, index) => {
    const member = [...taken].find(([from]) => from === path || isBelow(from, path))?.[1]
    if (member !== undefined)
      report.error(at(piece, 'ignore', index), `\`${path}\` is taken for \`${member}\``, 'take it out of `ignore`')
  })
  const names = pathParameters(endpoint)
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) !== index) report.error(piece, `\`{${name}}\` stands twice in the path`, undefined, 'key')
    else if (!taken.has(name) && !endpoint.ignore.includes(name))
      report.error(
        piece,
        `nothing takes \`{${name}}\` of the path`,
        `name it as a member of the input, or say \`input: { MEMBER: ${name} }\``,
        'key',
      )
  }
}

function takenBy({ input: sources }: Endpoint, input: InputSchema): [member: string, from: string][] {
  return Object.keys(membersOf(input)).flatMap((member): [string, string][] => {
    const source = Object.hasOwn(sources, member) ? sources[member] : { from: member }
    return source !== undefined && 'from' in source ? [[member, source.from]] : []
  })
}

export function membersOf({ schema }: InputSchema): JsonObject {
  return (schema['properties'] ?? {}) as JsonObject
}

function isBelow(path: string, above: string): boolean {
  return path.startsWith(`${above}.`)
}
