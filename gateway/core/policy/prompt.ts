import { createHash } from 'node:crypto'
import type { Grant, JsonSchema, Role } from '../types.ts'
import { flagAt, itemsAt, textAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { didYouMean } from './finding.ts'
import { fileOf } from './identity.ts'
import { at, sound, valueAt } from './place.ts'
import type { Piece } from './place.ts'
import { readDocuments } from './reading.ts'
import { checkStructure, structureOf } from './structure.ts'

/** Other front matter is the business of whoever runs the agent. */
const FRONT_MATTER: JsonSchema = {
  type: 'object',
  required: ['actions'],
  properties: { actions: { type: 'array', items: { type: 'string', maxLength: 64 }, maxItems: 200 } },
}
const checkFrontMatter = structureOf(FRONT_MATTER)

/**
 * Ties a role to the prompt of its agent: what the prompt authorizes and what the role grants are the same, so scope
 * follows the prompt, and a reviewer sees both change together.
 */
export function compilePrompt(
  compiling: Compiling,
  piece: Piece,
  grants: ReadonlyMap<string, Grant>,
  grantsPiece: Piece,
): Role['prompt'] {
  if (!sound(piece)) return null
  const { report } = compiling
  const isMap = typeof valueAt(piece) === 'object'
  const said = isMap ? at(piece, 'file') : piece
  const file = fileOf(compiling, said, textAt(said) ?? '')
  if (file === null) return null
  const prompt = {
    file: file.path,
    digest: `sha256:${createHash('sha256').update(file.text, 'utf8').digest('hex')}`,
    required: isMap && flagAt(at(piece, 'required')),
  }

  const matter = frontMatterOf(file.text)
  if (matter === null) {
    report.error(
      said,
      `${file.path} has no front matter`,
      'begin the file with a line `---`, then `actions: [ … ]`, then a line `---`',
    )
    return prompt
  }
  const [document] = readDocuments({ path: file.path, text: matter }, report)
  if (document === undefined) return prompt
  const root: Piece = { document, path: [] }
  checkStructure(root, document.value, checkFrontMatter, report)
  const actions = at(root, 'actions')
  if (!sound(root)) return prompt
  if (!sound(grantsPiece) || valueAt(grantsPiece) === undefined) return prompt
  const authorized = new Set<string>()
  for (const item of itemsAt(actions)) {
    const action = textAt(item) ?? ''
    authorized.add(action)
    if (!grants.has(action))
      report.error(
        item,
        `the prompt authorizes \`${action}\`, which its role does not grant`,
        didYouMean(action, grants.keys(), 'grant it, or take it out of the prompt'),
      )
  }
  for (const action of grants.keys()) {
    if (authorized.has(action)) continue
    const own = valueAt(at(grantsPiece, action)) !== undefined
    report.error(
      own ? at(grantsPiece, action) : said,
      `\`${action}\` is granted, but ${file.path} does not authorize it`,
      'add it to `actions:` of the prompt, or take the grant out',
      own ? 'key' : 'value',
    )
  }
  return prompt
}

/** The lines between two `---`, on the same line numbers as in the file. */
function frontMatterOf(text: string): string | null {
  const found = /^---[ \t]*\r?\n([^]*?)^---[ \t]*$/m.exec(text)
  return found === null || found.index !== 0 ? null : `\n${found[1] ?? ''}`
}
