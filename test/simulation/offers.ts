import type { GrantRules, LimitRules } from './company.ts'

/** Where requests without keys of their own come in. */
export const endpoint = (name: string): string =>
  `compat: { stripe: { POST /v1/${name}: { add: { object: ${name} } } } }\n`

const logins = (name: string, from: string, lifetime: string): string =>
  `action: ware.${name}\ndescribe: A login.\neffect: lease\nbackend: ware\nlease: { ${from}, lifetime: ${lifetime} }\n`

/** What is lent. */
export const WARE = [
  logins('login', 'roles: [reader]', '3s'),
  logins('guarded', 'roles: [reader]', '20s'),
  logins('vault', 'from: "vault://database/creds/reader"', '15s'),
].join('---\n')

const channel = (name: string): string =>
  `  ${name}: { webhook: "https://127.0.0.1:6/${name}", secret: "env://SIMULATED_SIGNING", private: true }\n`

/** Where people are told. */
export const NOTIFY = `channels:
${channel('desk')}${channel('boss')}notify: { default: [desk], escalate: [boss], retry: [1s, 1s, 2s, 4s, 8s, 16s, 30s, 30s, 30s, 30s, 30s] }
`

/** Lines of a role. */
export const LENT = `  ware.login:
  ware.vault:
  ware.guarded: { approval: { by: 1 of finance, expires: 9s }, holds_max: 3 }
`

export const OPEN_HOLDS: LimitRules = { name: 'open holds', max: 3, unit: 'calls', shared: false, window: 'at once' }

/** The same in this file's own words. */
export const LENT_RULES: { readonly [action: string]: GrantRules } = {
  'ware.login': { limits: [], needs: () => [] },
  'ware.vault': { limits: [], needs: () => [] },
  'ware.guarded': { limits: [OPEN_HOLDS], needs: () => [{ count: 1, of: 'finance' }] },
}
