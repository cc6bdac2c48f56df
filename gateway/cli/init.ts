import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { DEFAULTS } from '../config.ts'
import { EXIT, Failure } from './exit.ts'
import { printJson, screen } from './print.ts'
import { STARTER } from './starter.ts'

/** `init [DIR]`: a starter company that passes `policy check`. Nothing that is there is overwritten. */
export function init(program: Command): void {
  program
    .command('init [dir]')
    .description(`write a starter company: a role, an action, and all that they need (${DEFAULTS.policies})`)
    .option('--json', 'one JSON value instead of text')
    .action(write)
}

async function write(dir = DEFAULTS.policies as string, { json }: { readonly json?: boolean }): Promise<void> {
  const there = Object.keys(STARTER).filter((path) => existsSync(join(dir, path)))
  if (there.length > 0)
    throw new Failure(
      EXIT.usage,
      `${dir} has ${there.join(', ')} already; nothing was written. Name another directory.`,
    )
  for (const [path, text] of Object.entries(STARTER)) {
    const file = join(dir, path)
    await mkdir(dirname(file), { recursive: true }).catch(cannot)
    // wx: what came there a moment ago is not overwritten either
    await writeFile(file, `${modeline(file)}${text}`, { flag: 'wx' }).catch(cannot)
  }
  const secrets = `--secrets age:./data/secrets.age`
  const next = [
    `keystay secrets set payments/api_key ${secrets}`,
    `keystay policy check --policies ${dir}`,
    `keystay policy test --policies ${dir}`,
    `keystay doctor --policies ${dir} ${secrets}`,
    `keystay serve --dev --policies ${dir} ${secrets}`,
  ]
  if (json) return printJson({ directory: resolve(dir), files: Object.keys(STARTER), next })
  screen.out(
    `${Object.keys(STARTER).length} files in ${dir}. backends.yaml names payments.example.com: put yours there.\n`,
  )
  screen.out(`Next:\n${next.map((line) => `  npx ${line}\n`).join('')}`)
}

/** Editors complete and check the files by this line, where the schema is within the same project. */
function modeline(file: string): string {
  const schema = fileURLToPath(new URL('../../docs/policy.schema.json', import.meta.url))
  const inside = schema.startsWith(process.cwd() + sep) && resolve(file).startsWith(process.cwd() + sep)
  if (!file.endsWith('.yaml') || !inside || !existsSync(schema)) return ''
  return `# yaml-language-server: $schema=${relative(dirname(resolve(file)), schema)
    .split(sep)
    .join('/')}\n`
}

function cannot(error: NodeJS.ErrnoException): never {
  throw new Failure(EXIT.usage, `${error.path ?? 'The directory'} cannot be written (${error.code}).`)
}
