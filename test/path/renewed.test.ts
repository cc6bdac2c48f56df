import assert from 'node:assert/strict'
import { Secret } from '../../adapters/adapter.ts'
import type { Adapter } from '../../adapters/adapter.ts'
import type { Outcome } from '../../gateway/core/types.ts'
import { openBackends } from '../../gateway/pipeline/execute.ts'
import { backendSpec } from '../suites/adapter.ts'

const REFUSED: Outcome = { kind: 'refused', status: 401, message: 'no', evidence: {} }
const NO_LOGIN: Outcome = { kind: 'not_sent', code: 'secret_unavailable', reason: 'no' }
const UNKNOWN: Outcome = { kind: 'unknown', reason: 'a 401 that is not final', evidence: {} }
const DONE: Outcome = { kind: 'done', output: {}, evidence: {} }

describe('a request whose credential was refused', () => {
  const rows: readonly [string, Outcome, number, boolean, number][] = [
    ['goes again with another one', REFUSED, 1, true, 2],
    ['goes again when a login was refused', NO_LOGIN, 1, true, 2],
    ['stays refused when there is no other', REFUSED, 1, false, 1],
    ['does not go again when its outcome is in doubt', UNKNOWN, 1, true, 1],
    ['does not go again when an earlier attempt is in doubt', REFUSED, 2, true, 1],
    ['does not go again when two are', NO_LOGIN, 3, true, 1],
    ['goes again when it is a read of the gateway’s own', UNKNOWN, 0, true, 2],
    ['of the gateway’s own stays as it is without another', REFUSED, 0, false, 1],
  ]
  for (const [what, outcome, attempt, renewed, sent] of rows) {
    it(what, async () => {
      const sends: string[] = []
      const asked: Secret[] = []
      const shown = new Secret('age://bench/key', 'sk_test_old')
      const adapter: Adapter = {
        name: 'http',
        backend: {},
        request: {},
        connect: () => ({
          async send(_request, { id, number, permit, denied }) {
            sends.push(`${id} ${number} ${permit()}`)
            if (sends.length > 1) return DONE
            denied?.(shown)
            return outcome
          },
        }),
      }
      const renew = async (secret: Secret): Promise<boolean> => asked.push(secret) > 0 && renewed
      const specs = new Map([['bench', backendSpec({ config: {} })]])
      const backends = openBackends(specs, new Map([['http', adapter]]), () => Promise.resolve(shown), renew)
      const got = await backends.send('bench', {}, { call: 'call_1', attempt, permit: () => true, stamp: {} })
      // the same call, the same attempt, the same look before the first byte
      assert.deepEqual(
        sends,
        Array.from({ length: sent }, () => `call_1 ${attempt} true`),
      )
      assert.equal(got, sent === 2 ? DONE : outcome)
      assert.deepEqual(asked, [shown])
      await backends.close()
    })
  }
})
