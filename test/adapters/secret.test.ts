import assert from 'node:assert/strict'
import { format, inspect } from 'node:util'
import { serialize } from 'node:v8'
import { Secret, SecretUnavailable } from '../../adapters/adapter.ts'

const VALUE = 'sk_test_never_to_be_seen'
const secret = new Secret('age://stripe/key', VALUE)

describe('a secret', () => {
  it('is opened by the one method', () => assert.equal(secret.open(), VALUE))

  // each either gives text without the value, or throws without it
  const ways: readonly [string, () => unknown][] = [
    ['String()', () => String(secret)],
    ['a template', () => `${secret as unknown as string}`],
    ['+ text', () => (secret as unknown as string) + 'x'],
    ['join', () => [secret].join()],
    ['toLocaleString', () => secret.toLocaleString()],
    ['valueOf', () => inspect(secret.valueOf())],
    ['Number()', () => String(Number(secret))],
    ['JSON', () => JSON.stringify(secret)],
    ['JSON of what holds it', () => JSON.stringify({ headers: [{ secret }] })],
    ['inspect', () => inspect(secret)],
    [
      'inspect of everything',
      () => inspect(secret, { showHidden: true, customInspect: false, depth: 9, getters: true }),
    ],
    ['inspect of what holds it', () => inspect({ a: [secret] }, { depth: 9 })],
    ['format %s', () => format('%s', secret)],
    ['format %o %O %j', () => [format('%o', secret), format('%O', secret)].join('')],
    ['format %j', () => format('%j', secret)],
    ['structuredClone', () => inspect(structuredClone(secret), { showHidden: true })],
    ['v8.serialize', () => serialize(secret).toString('latin1')],
    ['spread', () => inspect({ ...secret })],
    [
      'keys, values, names',
      () => inspect([Object.entries(secret), Object.getOwnPropertyNames(secret), Reflect.ownKeys(secret)]),
    ],
    ['an error’s cause', () => inspect(new Error('x', { cause: secret }))],
    ['an error made of it', () => inspect(new Error(secret as unknown as string))],
    ['an error that names it', () => inspect(new SecretUnavailable(secret.ref, `${secret.ref} is down`))],
    ['an assertion about it', () => inspect(assert.deepEqual({ secret }, { secret: 1 }))],
  ]
  for (const [way, print] of ways) {
    it(`is not shown by ${way}`, () => {
      let shown: string
      try {
        shown = String(print())
      } catch (error) {
        shown = inspect(error) + String(error instanceof Error ? error.stack : '')
      }
      assert.ok(!shown.includes(VALUE), shown)
      assert.ok(!shown.includes(VALUE.slice(4, 16)), shown)
    })
  }
})
