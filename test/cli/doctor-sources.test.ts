import assert from 'node:assert/strict'
import { checkSources, fixOf } from '../../gateway/cli/doctor/sources.ts'

describe('doctor, about where secrets are kept', () => {
  const SECRET = 'sk_test_c4n4ry_of_doctor'
  const rows: readonly [string, NodeJS.ProcessEnv, readonly string[]][] = [
    ['age:x,env:', { VAULT_TOKEN: SECRET, AWS_SECRET_ACCESS_KEY: SECRET }, []],
    ['env:,vault:https://v', { VAULT_TOKEN: SECRET }, ['warn VAULT_TOKEN']],
    ['vault:https://v', { KEYSTAY_VAULT_SECRET_ID: SECRET }, ['warn KEYSTAY_VAULT_SECRET_ID']],
    ['vault:https://v', { KEYSTAY_VAULT_ROLE: 'r' }, ['ok no']],
    ['aws:eu-central-1', { AWS_SECRET_ACCESS_KEY: SECRET }, ['warn AWS_SECRET_ACCESS_KEY']],
    [
      'aws:eu-central-1',
      { AWS_SECRET_ACCESS_KEY: SECRET, AWS_WEB_IDENTITY_TOKEN_FILE: '/f', AWS_ROLE_ARN: 'arn:aws:iam::1:role/x' },
      ['ok no'],
    ],
  ]
  for (const [spec, environment, told] of rows) {
    it(`says ${told.join() || 'nothing'} of ${spec} with ${Object.keys(environment).join(', ')}`, () => {
      const found = checkSources(spec, environment)
      assert.deepEqual(
        found.map(({ level, message }) => `${level} ${message.split(' ')[0]}`),
        told,
      )
      assert.ok(!JSON.stringify(found).includes(SECRET))
      assert.ok(found.every(({ level, fix }) => (level === 'ok') === (fix === null)))
    })
  }

  for (const [ref, fix] of [
    ['age://stripe/key', /^keystay secrets set stripe\/key$/],
    ['env://KEY', /^export KEY=/],
    ['vault://kv/a/b#key', /vault kv patch -mount=kv a\/b key=-.* read on kv\/data\/a\/b/],
    ['vault://database/creds/orders#password', /read on database\/creds\/orders, and update on sys\/leases\/renew/],
    ['aws://a/b#key', /--secret-id a\/b .*GetSecretValue/],
    ['file:///run/secrets/key', /0600.*0440/],
  ] as const)
    it(`knows what to do about ${ref}`, () => assert.match(fixOf(ref), fix))
})
