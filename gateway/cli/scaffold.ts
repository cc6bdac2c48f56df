import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { testPolicy } from '../core/policy-test.ts'
import { formatFinding } from '../core/compile.ts'
import type { JsonObject, Policy } from '../core/types.ts'
import { compileTexts, readPolicy } from '../policy-dir.ts'
import type { PolicyTexts } from '../policy-dir.ts'
import { EXIT, Failure } from './exit.ts'

/** The policy as it stands, and its texts. @throws Failure 2 where there is none, 3 where it does not load. */
export async function standing(dir: string): Promise<{ readonly policy: Policy; readonly texts: PolicyTexts }> {
  const texts = await readPolicy(dir).catch((error: Error) => {
    throw new Failure(EXIT.usage, `${error.message} \`keystay init\` writes one to begin with.`)
  })
  const loaded = compileTexts(texts)
  if (loaded.ok) return { policy: loaded.policy, texts }
  throw new Failure(
    EXIT.policy_invalid,
    ['The policy does not load; mend it first. Nothing was written.', ...loaded.findings.map(formatFinding)].join(
      '\n\n',
    ),
  )
}

/**
 * Adds files to a policy directory: only where the whole policy loads with them and every case of these tables holds, and
 * nothing that is there is touched.
 *
 * @param files path below the directory → text.
 * @throws Failure; nothing was written then.
 */
export async function add(
  dir: string,
  { texts, files: named }: PolicyTexts,
  files: { readonly [path: string]: string },
): Promise<Policy> {
  const there = Object.keys(files).filter((path) => existsSync(join(dir, path)))
  if (there.length > 0) throw new Failure(EXIT.usage, `${dir} has ${there.join(', ')} already; nothing was written.`)
  const more = Object.entries(files).map(([path, text]) => ({ path, text }))
  const loaded = compileTexts({ texts: [...texts, ...more], files: named })
  if (!loaded.ok) {
    const head = 'What was made does not load; nothing was written.'
    throw new Failure(EXIT.policy_invalid, [head, ...loaded.findings.map(formatFinding)].join('\n\n'))
  }
  const { cases, findings } = testPolicy(loaded.policy)
  const own = cases.filter(({ file, ok }) => file in files && !ok)
  const wrong = findings.filter(({ file }) => file in files)
  if (own.length > 0 || wrong.length > 0) {
    const lines = [
      ...wrong.map(formatFinding),
      ...own.map(({ it, differs, got }) => `${it}: ${differs} (${got.message})`),
    ]
    throw new Failure(
      EXIT.policy_tests_failed,
      ['What was made does not pass its own tests; nothing was written.', ...lines].join('\n'),
    )
  }
  const written: string[] = []
  try {
    for (const { path, text } of more) {
      await mkdir(dirname(join(dir, path)), { recursive: true })
      // wx: what came there a moment ago is not overwritten either
      await writeFile(join(dir, path), text, { flag: 'wx' })
      written.push(path)
    }
  } catch (error) {
    for (const path of written) await rm(join(dir, path), { force: true })
    const { path = dir, code = '' } = error as NodeJS.ErrnoException
    throw new Failure(EXIT.usage, `${path} cannot be written (${code}). Nothing was.`)
  }
  return loaded.policy
}

/** `grants:` and a table for a role that nobody can hold until somebody opens it. */
export function roleText(name: string, describe: string, grants: readonly string[]): string {
  return `role: ${name}
describe: ${describe}
# Nobody can hold it yet. Open it with a rule like:
#   - { issuer: ISSUER, where: claims.sub == "WORKLOAD" }
issue_to: []
grants:${grants.length === 0 ? ' {}' : `\n${grants.map((line) => `  ${line}`).join('\n')}`}
`
}

/** One line of a table. */
export interface Case {
  readonly it: string
  readonly call: string
  readonly input: JsonObject
  readonly used?: JsonObject
  readonly expect: 'allow' | 'deny'
  readonly because?: string
}

/** A table of tests, each case on a line of its own. JSON is YAML. */
export function tableText(role: string, cases: readonly Case[]): string {
  const lines = cases.map((one) => `  - ${JSON.stringify(one)}`)
  return `# keystay policy test ${role}\ntests: ${role}\ncases:\n${lines.join('\n')}\n`
}
