import type { Action, Policy } from '../core/types.ts'
import { EXIT, Failure } from './exit.ts'
import { printJson, screen } from './print.ts'
import { add, roleText, standing, tableText } from './scaffold.ts'
import type { Case } from './scaffold.ts'

export interface RoleOptions {
  readonly policies: string
  readonly grant: readonly Wish[]
  readonly describe?: string
  readonly json?: boolean
}
export interface Wish {
  readonly action: string
  /** `max:` of an action that costs something. */
  readonly max: string | null
}

/** A role that nobody can hold yet, and its tests, into the policy directory. @throws Failure */
export async function newRole(name: string, options: RoleOptions): Promise<void> {
  if (!/^[a-z][a-z0-9_-]{0,63}$/.test(name)) {
    throw new Failure(EXIT.usage, `${JSON.stringify(name)} is no name of a role: small letters, digits, - and _.`)
  }
  const { policy, texts } = await standing(options.policies)
  if (policy.roles.has(name)) throw new Failure(EXIT.usage, `There is a role ${name} already. Nothing was written.`)
  const grants = options.grant.map((one) => grantOf(policy, one))
  const describe = JSON.stringify(options.describe ?? `The role ${name}.`)
  const files: { [path: string]: string } = {
    [`roles/${name}.yaml`]: roleText(
      name,
      describe,
      grants.map(({ line }) => line),
    ),
  }
  const cases = [...grants.flatMap((grant) => grant.cases), ...refusals(policy, options.grant)]
  if (cases.length > 0) files[`roles/${name}.test.yaml`] = tableText(name, cases)
  const loaded = await add(options.policies, texts, files)
  const next = [
    `keystay policy check --policies ${options.policies}`,
    `keystay policy test ${name} --policies ${options.policies}`,
  ]
  if (options.json) return printJson({ role: name, files: Object.keys(files), digest: loaded.digest, next })
  screen.out(`${Object.keys(files).join(', ')}\nNobody can hold ${name} yet: say who may under issue_to.\n`)
  for (const { action } of options.grant) {
    if (policy.actions.get(action)?.facts.length)
      screen.err(`${action} asks for facts: write cases for it with yours.\n`)
  }
}

function grantOf(policy: Policy, { action, max }: Wish): { line: string; cases: Case[] } {
  const known = policy.actions.get(action)
  if (known === undefined) {
    const all = [...policy.actions.keys()].join(', ')
    throw new Failure(EXIT.usage, `There is no action ${action}. There are: ${all}. Nothing was written.`)
  }
  if (known.cost !== null && max === null) {
    throw new Failure(
      EXIT.usage,
      `${action} costs something: say what at most at once, like --grant ${action}="50.00 USD".`,
    )
  }
  const line =
    max === null ? `${action}: { rate: 20 per hour }` : `${action}: { max: ${JSON.stringify(max)}, rate: 20 per hour }`
  return { line, cases: casesOf(known) }
}

/** Facts are the company's own: what they would be, nobody here knows. */
function casesOf(action: Action): Case[] {
  if (action.facts.length > 0 || action.cost !== null) return []
  const { name: call, example: input } = action
  return [
    { it: `may ask for ${call}`, call, input, expect: 'allow' },
    {
      it: `stops ${call} at its rate`,
      call,
      input,
      used: { rate: '20 calls' },
      expect: 'deny',
      because: `grants.${call}.rate`,
    },
  ]
}

/** Nothing is allowed unless a grant names it: said of one action that none names. */
function refusals(policy: Policy, wishes: readonly Wish[]): Case[] {
  const other = [...policy.actions.values()].find(({ name }) => wishes.every(({ action }) => action !== name))
  if (other === undefined) return []
  const { name: call, example: input } = other
  return [{ it: `has no ${call}`, call, input, expect: 'deny', because: 'not_granted' }]
}
