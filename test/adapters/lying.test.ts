import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { startLying } from '../backends/lying.ts'

const PROGRAM = join(import.meta.dirname, '../backends/lying.ts')

describe('the lying backend as a process', () => {
  let running: ChildProcess | undefined
  let file: string
  beforeEach(async () => {
    file = join(await mkdtemp(join(tmpdir(), 'keystay-lying-')), 'effects.jsonl')
  })
  afterEach(async () => {
    await kill()
    await rm(dirname(file), { recursive: true })
  })

  async function start(...more: string[]): Promise<string> {
    running = spawn(process.execPath, [PROGRAM, '--port', '0', '--effects', file, ...more], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(createInterface({ input: running.stdout ?? assert.fail() }), 'line')) as [string]
    return line
  }
  async function kill(): Promise<void> {
    if (!running || running.exitCode !== null || running.signalCode !== null) return
    const ended = once(running, 'exit')
    running.kill('SIGKILL')
    await ended
  }
  const post = (url: string, key: string): Promise<Response> =>
    fetch(`${url}/v1/refunds`, {
      method: 'POST',
      headers: {
        'idempotency-key': key,
        'content-type': 'application/x-www-form-urlencoded',
        'keystay-call': 'call_1',
      },
      body: 'charge=ch_1&amount=3000&metadata[keystay_call]=call_1',
    })
  const effects = async (url: string): Promise<{ id: string; key: string }[]> =>
    (await (await fetch(`${url}/__effects`)).json()) as { id: string; key: string }[]

  it('prints its address, and keeps its effects over a kill', async () => {
    let url = await start()
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
    await post(url, 'a')
    await kill()
    // the kill may have cut a line
    await appendFile(file, '{"id":"fx_2","me')
    url = await start()
    assert.equal((await post(url, 'a')).status, 200)
    await post(url, 'b')
    await kill()
    url = await start()
    assert.deepEqual(
      (await effects(url)).map(({ id, key }) => ({ id, key })),
      [
        { id: 'fx_1', key: 'a' },
        { id: 'fx_2', key: 'b' },
      ],
    )
  })

  it('acts every time without idempotency, and lies when told over HTTP', async () => {
    const url = await start('--no-idempotency')
    await fetch(`${url}/__lie`, { method: 'POST', body: JSON.stringify({ kind: 'reset_after', method: 'POST' }) })
    await assert.rejects(post(url, 'a'))
    assert.equal((await post(url, 'a')).status, 200)
    assert.equal((await effects(url)).length, 2)
  })
})

describe('the lying backend in honesty', () => {
  it('shows charges less their refunds, and refunds newest first, page by page', async () => {
    const backend = await startLying()
    const get = async (path: string): Promise<unknown> => (await fetch(backend.url + path)).json()
    for (const amount of [1000, 2000, 3000]) {
      await fetch(`${backend.url}/v1/refunds`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: `charge=ch_1&amount=${amount}&metadata[keystay_call]=call_${amount}`,
      })
    }
    const refund = (number: number): object => ({
      charge: 'ch_1',
      amount: number * 1000,
      metadata: { keystay_call: `call_${number * 1000}` },
      id: `fx_${number}`,
      status: 'succeeded',
    })
    const charge = await get('/v1/charges/ch_1')
    assert.deepEqual(charge, {
      id: 'ch_1',
      amount: 10_000,
      amount_refunded: 6000,
      currency: 'usd',
      customer: 'cus_1',
      disputed: false,
    })
    assert.deepEqual(await get('/v1/refunds?charge=ch_1&limit=2'), {
      object: 'list',
      data: [refund(3), refund(2)],
      has_more: true,
    })
    assert.deepEqual(await get('/v1/refunds?charge=ch_1&limit=2&starting_after=fx_2'), {
      object: 'list',
      data: [refund(1)],
      has_more: false,
    })
    assert.deepEqual(await get('/v1/refunds?charge=ch_2'), { object: 'list', data: [], has_more: false })
    await backend.close()
  })
})
