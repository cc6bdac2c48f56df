import assert from 'node:assert/strict'
import { Secret, SecretUnavailable } from '../../adapters/adapter.ts'
import type { Adapter, Attempt, Connection, SecretSource } from '../../adapters/adapter.ts'
import type { BackendSpec, Json, JsonObject, Outcome } from '../../gateway/core/types.ts'

/** What can be asked of any backend, whatever it speaks. Each is of the next request only. */
export type Trouble =
  /** It answers an error that settles nothing; with, or without, the effect. */
  | 'fails_with_effect'
  | 'fails_without_effect'
  /** The connection ends instead of an answer; after, or before, the effect. */
  | 'lost_answer'
  | 'lost_request'
  /** Nothing comes back; after, or before, the effect. */
  | 'silent_with_effect'
  | 'silent_without_effect'
  /** Its certain no. */
  | 'refuses'
  /** Its certain no, with the credential in the text. */
  | 'repeats_credential'

/** What the suite needs from a kind of backend: a real one on loopback, and requests that fit it. */
export interface Bench {
  /** Adapter-specific keys of backends.yaml, with the secret ref `age://bench/key`. */
  readonly config: JsonObject
  /** A request with one effect, and one without any. */
  readonly write: Json
  readonly read: Json
  /** A request that the adapter must find impossible to send. */
  readonly unsendable: Json
  effects(): number | Promise<number>
  /** Requests that arrived, with effect or without. */
  arrived(): number
  trouble(trouble: Trouble): void | Promise<void>
  /** The same config, for a place where nobody listens. */
  readonly nowhere: JsonObject
  /** How long the suite waits for silence: more than a request takes on a busy machine. 200 unless said. */
  readonly patience_ms?: number
  close(): Promise<void>
}

export const CANARY = 'sk_test_c4n4ry/0+=&x'

/** Every adapter holds this. One body, run over each. */
export function adapterSuite(name: string, adapter: Adapter, start: () => Promise<Bench>): void {
  describe(`adapter ${name}, as every adapter`, () => {
    let bench: Bench
    const connections: Connection[] = []
    const connect = (spec: Partial<BackendSpec> = {}, secret: SecretSource = canary): Connection => {
      const connection = adapter.connect(backendSpec({ adapter: name, config: bench.config, ...spec }), secret)
      connections.push(connection)
      return connection
    }
    const patience = (): number => bench.patience_ms ?? 200

    beforeEach(async () => {
      bench = await start()
    })
    afterEach(async () => {
      await Promise.all(connections.splice(0).map((connection) => connection.close?.()))
      await bench.close()
    })

    it('performs a write once, and says done', async () => {
      const outcome = await connect().send(bench.write, attempt())
      assert.equal(outcome.kind, 'done')
      assert.equal(await bench.effects(), 1)
    })

    it('reads without an effect', async () => {
      const outcome = await connect().send(bench.read, attempt({ number: 0 }))
      assert.equal(outcome.kind, 'done')
      assert.equal(await bench.effects(), 0)
    })

    it('says refused for the certain no of the backend, without an effect', async () => {
      await bench.trouble('refuses')
      const outcome = await connect().send(bench.write, attempt())
      assert.equal(outcome.kind, 'refused')
      assert.equal(await bench.effects(), 0)
    })

    // the same trouble twice: failed, and happened but the answer was lost; from outside they look alike
    const doubts: readonly [Trouble, number][] = [
      ['fails_with_effect', 1],
      ['fails_without_effect', 0],
      ['lost_answer', 1],
      ['lost_request', 0],
      ['silent_with_effect', 1],
      ['silent_without_effect', 0],
    ]
    for (const [trouble, effects] of doubts) {
      it(`says unknown and does not try again: ${trouble}`, async () => {
        await bench.trouble(trouble)
        const outcome = await connect({ timeout_ms: 100 + patience() }).send(bench.write, attempt())
        assert.equal(outcome.kind, 'unknown')
        await pause(50)
        assert.deepEqual({ effects: await bench.effects(), arrived: bench.arrived() }, { effects, arrived: 1 })
      })
    }

    it('sends nothing without a permit, and says so', async () => {
      const outcome = await connect().send(bench.write, attempt({ permit: () => false }))
      assert.deepEqual({ kind: outcome.kind, code: codeOf(outcome) }, { kind: 'not_sent', code: 'permit' })
      assert.equal(bench.arrived(), 0)
    })

    it('sends nothing when the permit cannot be asked', async () => {
      const permit = (): boolean => {
        throw new Error('the store is down')
      }
      const outcome = await connect().send(bench.write, attempt({ permit }))
      assert.equal(outcome.kind, 'not_sent')
      assert.equal(bench.arrived(), 0)
    })

    it('sends with a renewed permit', async () => {
      const connection = connect()
      const outcomes = [await connection.send(bench.write, attempt({ permit: () => false }))]
      outcomes.push(await connection.send(bench.write, attempt()))
      assert.deepEqual(
        outcomes.map((outcome) => outcome.kind),
        ['not_sent', 'done'],
      )
      assert.equal(await bench.effects(), 1)
    })

    it('sends nothing after the time for the attempt', async () => {
      const outcome = await connect().send(bench.write, attempt({ notAfter: performance.now() - 1 }))
      assert.equal(outcome.kind, 'not_sent')
      assert.equal(bench.arrived(), 0)
    })

    it('sends nothing when the attempt was stopped before', async () => {
      const outcome = await connect().send(bench.write, attempt({ signal: AbortSignal.abort() }))
      assert.equal(outcome.kind, 'not_sent')
      assert.equal(bench.arrived(), 0)
    })

    it('waits for no answer beyond the time of the attempt, nor beyond its stop', async () => {
      await bench.trouble('silent_with_effect')
      await bench.trouble('silent_with_effect')
      const connection = connect({ timeout_ms: 10_000 })
      const began = performance.now()
      const late = await connection.send(bench.write, attempt({ notAfter: performance.now() + patience() }))
      const stopped = await connection.send(bench.write, attempt({ signal: AbortSignal.timeout(patience()) }))
      assert.deepEqual([late.kind, stopped.kind], ['unknown', 'unknown'])
      assert.ok(performance.now() - began < 2 * patience() + 1600)
    })

    it('says not_sent when nobody listens', async () => {
      const outcome = await connect({ config: bench.nowhere }).send(bench.write, attempt())
      assert.deepEqual({ kind: outcome.kind, code: codeOf(outcome) }, { kind: 'not_sent', code: 'backend_unavailable' })
    })

    it('says not_sent when the credential cannot be had, slow or broken ones included', async () => {
      const sources: readonly SecretSource[] = [
        (ref) => Promise.reject(new SecretUnavailable(ref, `${ref}: the vault is down`)),
        () => Promise.reject(new Error(`a driver that prints ${CANARY}`)),
        (ref) => Promise.resolve(new Secret(ref, '')),
        () => new Promise(() => {}),
      ]
      for (const source of sources) {
        const outcome = await connect({ timeout_ms: 200 }, source).send(bench.write, attempt())
        assert.deepEqual(
          { kind: outcome.kind, code: codeOf(outcome) },
          { kind: 'not_sent', code: 'secret_unavailable' },
        )
        assert.ok(!JSON.stringify(outcome).includes(CANARY))
      }
      assert.equal(bench.arrived(), 0)
    })

    it('asks for the credential at every attempt', async () => {
      let asked = 0
      const connection = connect({}, (ref) => {
        asked += 1
        return canary(ref)
      })
      await connection.send(bench.write, attempt())
      await connection.send(bench.read, attempt({ number: 0 }))
      assert.equal(asked, 2)
    })

    it('answers with data to a request that cannot be sent', async () => {
      for (const request of [bench.unsendable, null, [], 'x', 1, {}]) {
        const outcome = await connect().send(request, attempt())
        assert.equal(outcome.kind, 'not_sent')
      }
      assert.equal(bench.arrived(), 0)
    })

    it('does not repeat a credential that the backend repeats', async () => {
      await bench.trouble('repeats_credential')
      const outcome = await connect().send(bench.write, attempt())
      assert.equal(outcome.kind, 'refused')
      assert.ok(!JSON.stringify(outcome).includes(CANARY))
    })

    it('sends nothing once it is closed', async () => {
      const connection = connect()
      await connection.send(bench.write, attempt())
      await connection.close?.()
      const outcome = await connection.send(bench.write, attempt())
      assert.equal(outcome.kind, 'not_sent')
      assert.equal(await bench.effects(), 1)
    })
  })
}

/** A backend as the policy would compile it, private (loopback) and quick unless said. */
export function backendSpec(spec: Partial<BackendSpec> & { readonly config: JsonObject }): BackendSpec {
  return {
    name: 'bench',
    adapter: 'http',
    timeout_ms: 2000,
    lands_within_ms: 1000,
    idempotency: { header: 'Idempotency-Key', lives_ms: 86_400_000 },
    request_id: 'Request-Id',
    final: [400, 401, 403, 404, 405, 410, 413, 415, 422],
    private: true,
    breaker: { percent: 50, of: 20, for_ms: 30_000 },
    secrets: ['age://bench/key'],
    ...spec,
  }
}

/** An attempt that may be sent now. */
export function attempt(change: Partial<Attempt> = {}): Attempt {
  return {
    id: 'call_01JD0000000000000000000001',
    number: 1,
    notAfter: performance.now() + 5000,
    permit: () => true,
    stamp: { 'Keystay-Call': 'call_01JD0000000000000000000001', 'Keystay-Role': 'support-agent' },
    signal: new AbortController().signal,
    ...change,
  }
}

export const canary: SecretSource = (ref) => Promise.resolve(new Secret(ref, CANARY))

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

export function codeOf(outcome: Outcome): string | undefined {
  return outcome.kind === 'not_sent' ? outcome.code : undefined
}
