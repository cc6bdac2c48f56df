import type { JsonSchema } from '../types.ts'
import { itemsAt, textAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { at } from './place.ts'
import type { Piece } from './place.ts'

/**
 * Where a statement takes its values by number (`x-places` names the list that holds them), `$1`, `$2`, … and the items of
 * the list must be the same: the database would refuse each call, and only then.
 */
export function checkParameters({ report }: Compiling, piece: Piece, schema: JsonSchema): void {
  for (const [name, member] of Object.entries((schema['properties'] ?? {}) as { [name: string]: JsonSchema })) {
    const list = member['x-places']
    const text = textAt(at(piece, name))
    if (typeof list !== 'string' || text === null) continue
    const items = itemsAt(at(piece, list))
    const taken = new Set<number>()
    for (const { number, ...where } of placesIn(text)) {
      if (!taken.has(number) && (number < 1 || number > items.length))
        report.error(
          at(piece, name),
          `\`${list}\` has no item for \`$${number}\``,
          `\`$1\` is the first item of \`${list}\``,
          where,
        )
      taken.add(number)
    }
    items.forEach((item, index) => {
      if (!taken.has(index + 1))
        report.error(item, `nothing takes this item: there is no \`$${index + 1}\` in \`${name}\``)
    })
  }
}

/** Names (which may hold a `$`), quoted texts, quoted names and comments are passed over. */
const TOKEN =
  /[A-DF-Za-df-z_\u0080-\uffff][\w$\u0080-\uffff]*|[eE]'(?:\\[^]|''|[^'\\])*'|[eE][\w$]*|'(?:''|[^'])*'|"(?:""|[^"])*"|\$([A-Za-z_]\w*|)\$[^]*?\$\1\$|--[^\n]*|\/\*[^]*?\*\/|\$([0-9]{1,6})/g

function placesIn(text: string): { number: number; offset: number; length: number }[] {
  return [...text.matchAll(TOKEN)].flatMap((token) => {
    const digits = token[2]
    return digits === undefined ? [] : [{ number: Number(digits), offset: token.index, length: token[0].length }]
  })
}
