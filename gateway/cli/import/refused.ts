/** Why nothing is imported: where in the document, what stands there, and what can be done. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

export function refuse(where: string, what: string, todo?: string): never {
  throw new Refused(`${where}: ${what}${todo === undefined ? '' : `\n${todo}`}`)
}
