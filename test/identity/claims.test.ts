import assert from 'node:assert/strict'
import { adapters } from '../../adapters/index.ts'
import { compile } from '../../gateway/core/compile.ts'
import { compileExpression } from '../../gateway/core/expression.ts'
import { CLAIMS, CLAIMS_AND_GROUPS } from '../../gateway/core/policy/scopes.ts'

const claims = {
  sub: 'u-1',
  groups: ['finance'],
  'kubernetes.io': { namespace: 'agents', pod: { name: 'support-7d9f' } },
  'https://acme.example/groups': ['finance', 'leads'],
  'cognito:groups': ['admins'],
  realm_access: { roles: ['approver'] },
  resource_access: { keystay: { roles: ['approver'] }, 'my.app': { roles: ['deep'] } },
}

describe('a condition on claims', () => {
  const conditions: readonly (readonly [string, unknown])[] = [
    ['claims.sub', 'u-1'],
    ['claims["sub"]', 'u-1'],
    ['claims["kubernetes.io"].namespace', 'agents'],
    ['claims["kubernetes.io"]["pod"].name', 'support-7d9f'],
    ['claims["kubernetes.io"].namespace == "agents" && claims.sub == "u-1"', true],
    ['"leads" in claims["https://acme.example/groups"]', true],
    ['"admins" in claims["cognito:groups"]', true],
    ['"approver" in claims.realm_access.roles', true],
    ['claims.resource_access["my.app"].roles[0]', 'deep'],
    ['claims.resource_access.keystay.roles.exists(r, r == "approver")', true],
    ['has(claims.email) && claims.email == "a@acme.example"', false],
    ['"leads" in claims.roles', null],
    ['claims["kubernetes.io"].node.name', null],
    ['claims["kubernetes"]', null],
    ['claims["constructor"]', null],
  ]
  for (const [text, value] of conditions) {
    it(`reads ${text}: ${value === null ? 'an error' : JSON.stringify(value)}`, () => {
      const compiled = compileExpression(text, CLAIMS, 'any')
      assert.ok(compiled.ok)
      const evaluated = compiled.expression.evaluate({ claims })
      assert.deepEqual(evaluated.ok ? evaluated.value : null, value)
    })
  }

  it('speaks of groups only where its issuer says where they are', () => {
    const text = '"finance" in groups'
    assert.equal(compileExpression(text, CLAIMS, 'bool').ok, false)
    const compiled = compileExpression(text, CLAIMS_AND_GROUPS, 'bool')
    assert.ok(compiled.ok)
    const results = [['finance'], [], 'finance', null].map((groups) => compiled.expression.evaluate({ claims, groups }))
    assert.deepEqual(
      results.map((result) => (result.ok ? result.value : 'an error')),
      [true, false, 'an error', 'an error'],
    )
  })
})

describe('the address of an issuer', () => {
  const schemas = Object.fromEntries([...adapters].map(([name, { backend, request }]) => [name, { backend, request }]))
  const addresses: readonly (readonly [string, boolean])[] = [
    ['https://login.acme.example', true],
    ['https://login.acme.example/realms/acme', true],
    ['http://127.0.0.1:4000', true],
    ['http://localhost:4000', true],
    ['http://[::1]:4000', true],
    ['http://login.acme.example', false],
    ['http://10.0.0.7', false],
    ['http://127.0.0.1.evil.example', false],
    ['http://localhost.evil.example', false],
    ['https://user:word@login.acme.example', false],
    ['file:///etc/keys.json', false],
    ['login.acme.example', false],
  ]
  for (const [address, good] of addresses) {
    for (const text of [
      `{ oidc: "${address}", audience: keystay }`,
      `{ jwks_uri: "${address}", issuer: "${address}", audience: keystay }`,
    ]) {
      it(`${good ? 'may' : 'may not'} be ${text}`, () => {
        const compiled = compile([{ path: 'identity.yaml', text: `issuers:\n  it: ${text}\n` }], schemas)
        const findings = compiled.ok ? [] : compiled.findings.filter(({ file }) => file === 'identity.yaml')
        assert.equal(findings.length === 0, good, JSON.stringify(findings))
      })
    }
  }
})
