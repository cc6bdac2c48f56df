import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import { DEFAULTS } from '../config.ts'
import type { ImportOptions } from './import/create.ts'

/** `action import`: one operation of an OpenAPI document as a narrow action, with a draft role and tests that pass. */
export function action(program: Command): void {
  program
    .command('action')
    .description('scaffold an action')
    .command('import')
    .description('write one operation of an OpenAPI document as an action, with a draft role and its tests')
    .requiredOption('--openapi <file>', 'an OpenAPI 3.0 or 3.1 document, JSON or YAML')
    .requiredOption('--operation <id>', 'the operationId')
    .option('--backend <name>', 'the backend that performs it; the only one there is, unless said')
    .option('--secret <ref>', 'with a backend that is not there yet: its credential, like age://stripe/key')
    .option('--name <action>', 'what the action is called; BACKEND.OPERATION unless said')
    .addOption(
      new Option('--only <members>', 'of the optional members only these, with commas between').argParser(names),
    )
    .addOption(new Option('--without <member>', 'leave this member out; may be said again').argParser(more).default([]))
    .addOption(
      new Option('--variant <member=name>', 'of a choice, the one that is meant; may be said again')
        .argParser(variants)
        .default([]),
    )
    .option('--policies <dir>', 'the policy directory', process.env['KEYSTAY_POLICIES'] || DEFAULTS.policies)
    .option('--json', 'one JSON value instead of text')
    .action(create)
}

function names(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}
function more(text: string, before: readonly string[]): string[] {
  return [...before, text]
}
function variants(text: string, before: readonly (readonly [string, string])[]): (readonly [string, string])[] {
  const [, place = '', name = ''] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (place === '') throw new InvalidArgumentError('Write MEMBER=NAME.')
  return [...before, [place, name]]
}

/** Compiling needs the expression engine and every adapter: other verbs start without them. */
async function create(options: ImportOptions): Promise<void> {
  const { importAction } = await import('./import/create.ts')
  await importAction(options)
}
