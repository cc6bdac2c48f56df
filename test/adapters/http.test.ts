import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { http } from '../../adapters/http.ts'
import { startLying } from '../backends/lying.ts'
import type { Lie } from '../backends/lying.ts'
import { adapterSuite } from '../suites/adapter.ts'
import type { Trouble } from '../suites/adapter.ts'

const TROUBLES: { readonly [trouble in Trouble]: Lie } = {
  fails_with_effect: { kind: 'status_with', status: 500 },
  fails_without_effect: { kind: 'status_without', status: 500 },
  lost_answer: { kind: 'reset_after' },
  lost_request: { kind: 'reset_before' },
  silent_with_effect: { kind: 'never_with' },
  silent_without_effect: { kind: 'never' },
  refuses: { kind: 'status_without', status: 422 },
  repeats_credential: { kind: 'echo_401' },
}

adapterSuite('http', http, async () => {
  const backend = await startLying()
  const auth = { bearer: 'age://bench/key' }
  return {
    config: { url: backend.url, auth },
    nowhere: { url: `http://127.0.0.1:${await unusedPort()}`, auth },
    write: { POST: '/v1/refunds', form: { charge: 'ch_1', amount: 3000 } },
    read: { GET: '/v1/refunds?charge=ch_1' },
    unsendable: { POST: '/v1/../admin' },
    effects: () => backend.effects.length,
    arrived: () => backend.seen.length,
    trouble: (trouble) => backend.lie(TROUBLES[trouble]),
    close: () => backend.close(),
  }
})

async function unusedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
