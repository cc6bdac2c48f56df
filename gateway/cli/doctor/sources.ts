import { ok, warn } from './finding.ts'
import type { Finding } from './finding.ts'

/** How we sign in where secrets are kept: what lives long and stands in plain text is pointed at. Names, never values. */
export function checkSources(spec: string, environment: NodeJS.ProcessEnv): Finding[] {
  const schemes = new Set(spec.split(',').map((source) => source.trim().split(':')[0] ?? ''))
  const found: Finding[] = []
  if (schemes.has('vault') && environment['VAULT_TOKEN']) {
    const fix = 'Sign in by KEYSTAY_VAULT_ROLE and a token that the cluster signs, or by AppRole (docs/secrets.md)'
    found.push(warn('secrets', 'VAULT_TOKEN stands in the environment: with it goes everything that it may read', fix))
  }
  if (schemes.has('vault') && environment['KEYSTAY_VAULT_SECRET_ID']) {
    const fix = 'Keep it in a file of mode 0600 and name that in KEYSTAY_VAULT_SECRET_ID_FILE'
    found.push(warn('secrets', 'KEYSTAY_VAULT_SECRET_ID stands in the environment', fix))
  }
  const byRole = environment['AWS_WEB_IDENTITY_TOKEN_FILE'] && environment['AWS_ROLE_ARN']
  if (schemes.has('aws') && !byRole && environment['AWS_SECRET_ACCESS_KEY']) {
    const fix = 'Give the workload a role: AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE (docs/secrets.md)'
    found.push(warn('secrets', 'AWS_SECRET_ACCESS_KEY stands in the environment, and does not end by itself', fix))
  }
  if (found.length === 0 && (schemes.has('vault') || schemes.has('aws')))
    found.push(ok('secrets', 'no long-lived key signs us in where the secrets are'))
  return found
}

/** What to do when a ref cannot be had. */
export function fixOf(ref: string): string {
  const [, scheme = '', name = '', field = ''] = /^([a-z]+):\/\/([^#]*)#?(.*)$/.exec(ref) ?? []
  const [mount = '', ...path] = name.split('/')
  switch (scheme) {
    case 'age':
      return `keystay secrets set ${name}`
    case 'env':
      return `export ${name}=…, or keep it in the age file`
    case 'vault':
      return path[0] === 'creds'
        ? `Our role in Vault needs a policy with read on ${name}, and update on sys/leases/renew and sys/leases/revoke`
        : `Put ${field} there (vault kv patch -mount=${mount} ${path.join('/')} ${field}=-); our role needs read on ${mount}/data/${path.join('/')}`
    case 'aws':
      return `aws secretsmanager describe-secret --secret-id ${name} says whether it is there; our role needs secretsmanager:GetSecretValue on it`
    default:
      return 'Put the file there, mode 0600; as a mounted volume with defaultMode: 0440'
  }
}
