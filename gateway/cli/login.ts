import type { Command } from 'commander'
import { ask, refusal } from './ask.ts'
import { EXIT, Failure } from './exit.ts'
import type { IssuerOptions } from './issuer-login.ts'
import { claimsOf, forgetToken, keepToken } from './kept-token.ts'
import { adminOptions, personOptions } from './options.ts'
import { clock, printJson, screen } from './print.ts'
import { personToken, type PersonOptions } from './sign-in.ts'
import { visible } from './visible.ts'

type Options = PersonOptions & IssuerOptions & { readonly json?: boolean; readonly link?: boolean }

/** `login`: keeps a person's token for the other verbs, until it expires. `logout` forgets it. */
export function login(program: Command): void {
  personOptions(program.command('login').description('sign in, and keep that for the other verbs until it expires'))
    .option('--device', 'on another screen: prints where to go and what to type')
    .option('--link', 'of a gateway in --dev, with --as: print a link that signs that account in with a browser, once')
    .option('--issuer <name>', 'where, as identity.yaml names it; needed only where there are several')
    .action(enter)
  adminOptions(program.command('logout').description('forget the sign-in that is kept'))
    .option('--all', 'those for other gateways too')
    .action(leave)
}

async function enter(options: Options): Promise<void> {
  if (options.link) return printLink(options)
  // A sign-in that is kept already must not renew itself out of nothing.
  const brings = options.as || options.tokenFile || process.env['KEYSTAY_PERSON_TOKEN']
  const atIssuer = async (): Promise<string> => (await import('./issuer-login.ts')).issuerToken(options)
  const token = await (brings ? personToken(options, false) : atIssuer())
  const claims = claimsOf(token)
  if (claims === null) throw new Failure(EXIT.usage, 'The token is not a JWT with exp and sub.')
  if (Date.parse(claims.expires_at) <= Date.now())
    throw new Failure(EXIT.usage, `The token has expired at ${claims.expires_at}. Get another one.`)
  // Whether the gateway takes it is better known now than at the next verb.
  const { status, body } = await ask(options.adminUrl, '/admin/v1/calls?limit=1', { token })
  // Somebody who may not see calls may still be somebody.
  if (status !== 200 && status !== 403) throw refusal(status, body)
  const file = await keepToken(options.adminUrl, { token, ...claims })
  if (options.json) return printJson({ gateway: options.adminUrl, ...claims, file })
  screen.out(
    `signed in at ${options.adminUrl} as ${visible(claims.subject)} until ${clock(claims.expires_at)}; kept in ${file}\n`,
  )
}

async function printLink({ adminUrl, as, json }: Options): Promise<void> {
  if (!as) throw new Failure(EXIT.usage, 'Say for whom: keystay login --link --as dana.')
  const { status, body } = await ask(adminUrl, '/dev/link', { method: 'POST', body: { account: as } })
  if (status === 404)
    throw new Failure(EXIT.check_failed, `The gateway at ${adminUrl} does not run with --dev: open ${adminUrl}/login.`)
  if (status !== 200) throw refusal(status, body)
  const { url } = body as { url: string }
  if (json) printJson({ url })
  else screen.out(`${visible(url)}\n`)
}

async function leave({ adminUrl, all, json }: Options & { readonly all?: boolean }): Promise<void> {
  const was = await forgetToken(all === true ? null : adminUrl)
  if (json) return printJson({ forgotten: was })
  screen.out(was ? 'The sign-in is forgotten.\n' : 'No sign-in was kept.\n')
}
