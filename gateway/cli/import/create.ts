import { stringify } from 'yaml'
import { didYouMean } from '../../core/policy/finding.ts'
import type { Json, JsonObject, Policy } from '../../core/types.ts'
import { compileTexts } from '../../policy-dir.ts'
import type { PolicyTexts } from '../../policy-dir.ts'
import { EXIT, Failure } from '../exit.ts'
import { printJson, screen } from '../print.ts'
import { add, roleText, standing, tableText } from '../scaffold.ts'
import type { Case } from '../scaffold.ts'
import { visible } from '../visible.ts'
import { actionOf } from './action.ts'
import type { Imported } from './action.ts'
import { backendOf } from './backend.ts'
import { operationOf, readOpenApi } from './document.ts'
import type { OpenApi } from './document.ts'
import { Refused } from './refused.ts'

export interface ImportOptions {
  readonly openapi: string
  readonly operation: string
  readonly backend?: string
  readonly secret?: string
  readonly name?: string
  readonly only?: readonly string[]
  readonly without: readonly string[]
  readonly variant: readonly (readonly [string, string])[]
  readonly policies: string
  readonly json?: boolean
}

/** One operation into the policy directory: the action, a draft role that grants it alone, and its tests. @throws Failure */
export async function importAction(options: ImportOptions): Promise<void> {
  const { policy, texts } = await standing(options.policies)
  const made = await imported(options, policy).catch((error: unknown) => {
    if (error instanceof Refused)
      throw new Failure(EXIT.usage, [...error.message.split('\n').map(visible), 'Nothing was written.'].join('\n'))
    throw error
  })
  const { name, notes, files } = made
  const role = `draft-${name.replaceAll(/[._]/g, '-')}`.slice(0, 64)
  if (policy.roles.has(role)) throw new Failure(EXIT.usage, `There is a role ${role} already. Nothing was written.`)
  const cases = casesOf(withAction(texts, files, name))
  const all: { [path: string]: string } = {
    ...files,
    [`roles/${role}.yaml`]: roleText(
      role,
      JSON.stringify(`A draft that grants ${name} alone: move the grant to a role of yours.`),
      [`${name}: { rate: 20 per hour }`],
    ),
    [`roles/${role}.test.yaml`]: tableText(role, cases),
  }
  const loaded = await add(options.policies, texts, all)
  for (const note of notes) screen.err(`${visible(note)}\n`)
  if (options.json) {
    return printJson({ action: name, role, files: Object.keys(all), notes, cases: cases.length, digest: loaded.digest })
  }
  screen.out(
    `${Object.keys(all).join('\n')}\n${cases.length} cases pass. Nobody can hold ${role}: it is there to be read and tested.\n`,
  )
}

interface Made {
  readonly name: string
  readonly notes: readonly string[]
  readonly files: { readonly [path: string]: string }
}

async function imported(options: ImportOptions, policy: Policy): Promise<Made> {
  const api = await readOpenApi(options.openapi)
  const operation = operationOf(api, options.operation)
  const { backend, file } = backendFor(options, policy, api)
  const name = nameOf(options, backend)
  if (policy.actions.has(name)) throw new Refused(`There is an action ${name} already.\nSay another with --name.`)
  const narrowing = {
    api,
    notes: [],
    without: new Set(options.without),
    variants: new Map(options.variant),
  }
  const wanted = { name, backend, only: options.only === undefined ? null : new Set(options.only) }
  const one = actionOf(operation, wanted, narrowing)
  const path = `actions/${name.replaceAll('.', '-')}.yaml`
  return { name, notes: [...new Set(one.notes)], files: { ...file, [path]: textOf(one, options.operation) } }
}

function backendFor(
  { backend, secret }: ImportOptions,
  policy: Policy,
  api: OpenApi,
): { backend: string; file: { readonly [path: string]: string } } {
  const http = [...policy.backends.values()].filter(({ adapter }) => adapter === 'http').map(({ name }) => name)
  const [only, ...others] = http
  const name = backend ?? (others.length === 0 ? only : undefined)
  if (name === undefined) throw new Refused(`Which backend performs it?\nSay --backend; there are: ${http.join(', ')}`)
  const known = policy.backends.get(name)
  if (known !== undefined) {
    if (known.adapter === 'http') return { backend: name, file: {} }
    throw new Refused(`${name} has adapter ${known.adapter}.\nAn operation of OpenAPI needs one of adapter http.`)
  }
  if (secret === undefined) {
    const hint = didYouMean(name, http, 'With --secret REF it is written from the servers of the document.') ?? ''
    throw new Refused(`There is no backend ${name}.\n${hint}`)
  }
  if (!/^[a-z][a-z0-9_-]{0,63}$/.test(name)) throw new Refused(`${name} is no name of a backend.`)
  return { backend: name, file: { [`backends-${name}.yaml`]: backendOf(api, name, secret) } }
}

function nameOf({ name, operation }: ImportOptions, backend: string): string {
  const plain = (text: string): string =>
    text
      .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
      .replaceAll(/[^A-Za-z0-9]+/g, '_')
      .replaceAll(/^[_0-9]+|_+$/g, '')
      .toLowerCase()
  const whole = name ?? `${plain(backend)}.${plain(operation)}`
  if (whole.length <= 64 && /^[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*$/.test(whole)) return whole
  throw new Refused(
    `${whole} is no name of an action.\nSay one with --name: small letters, digits and _, with dots between.`,
  )
}

/** The action as YAML, with all that the document says and the policy does not above it. */
function textOf({ action: made, notes }: Imported, operation: string): string {
  const lines = [...new Set(notes)].map((note) => `#   ${visible(note)}`)
  const said =
    lines.length === 0
      ? ['# The document says nothing that stands not here.']
      : ['# What the document says otherwise, and what is bounded here:', ...lines]
  const todo =
    made['effect'] === 'write'
      ? [
          '# Before it is granted: `facts:` to decide by, `cost:` where it costs, `recheck:` to find out what became of it.',
        ]
      : []
  const yaml = stringify(made, { lineWidth: 120, aliasDuplicateObjects: false })
  return `${[`# From the operation ${visible(operation)}.`, ...said, ...todo].join('\n')}\n${yaml}`
}

function withAction({ texts, files: named }: PolicyTexts, files: { readonly [path: string]: string }, name: string) {
  const more = Object.entries(files).map(([path, text]) => ({ path, text }))
  const loaded = compileTexts({ texts: [...texts, ...more], files: named })
  return loaded.ok ? loaded.policy.actions.get(name) : undefined
}

/** The example passes; another type of each member does not. Where it does not load, `add` says why. */
function casesOf(made: ReturnType<typeof withAction>): Case[] {
  if (made === undefined) return [{ it: 'loads', call: 'nothing', input: {}, expect: 'allow' }]
  const { name: call, example: input, input: schema } = made
  const members = Object.entries((schema['properties'] ?? {}) as { readonly [name: string]: JsonObject })
  const wrong = members.slice(0, 12).map(([member, part]): Case => {
    const value: Json = part['type'] === 'string' ? 1 : 'no value of it'
    return {
      it: `refuses another type of ${member}`,
      call,
      input: { ...input, [member]: value },
      expect: 'deny',
      because: 'input_invalid',
    }
  })
  return [
    { it: 'passes the example', call, input, expect: 'allow' },
    ...wrong,
    {
      it: 'stops at its rate',
      call,
      input,
      used: { rate: '20 calls' },
      expect: 'deny',
      because: `grants.${call}.rate`,
    },
  ]
}
