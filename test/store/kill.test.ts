import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { vkeyOf } from '../../gateway/core/checkpoint-note.ts'
import { exportLedger } from '../../gateway/store/export.ts'
import { verifyStore } from '../../gateway/store/verify.ts'
import { freshFile, newSigner, note, open } from './operations.ts'

interface Child {
  readonly process: ChildProcess
  /** What it said so far, whole lines only. Into a file: what was written there outlives the process. */
  lines(): string[]
  said(count: number): Promise<void>
  readonly ended: Promise<unknown>
}

/** Every child that was started, so that none outlives a test that fails. */
const children: ChildProcess[] = []

function start(what: 'hold' | 'write', file: string, key: string, killAt?: string): Child {
  const out = openSync(`${file}.out`, 'w')
  const worker = killAt === undefined ? [] : [new URL('killing-worker.ts', import.meta.url).href]
  const child = spawn(process.execPath, [new URL('child.ts', import.meta.url).pathname, what, file, key, ...worker], {
    stdio: ['ignore', out, 'inherit'],
    env: { ...process.env, KILL_AT: killAt },
  })
  closeSync(out)
  children.push(child)
  let isOver = false
  const ended = once(child, 'exit').then(() => (isOver = true))
  const lines = () => readFileSync(`${file}.out`, 'utf8').split('\n').slice(0, -1)
  return {
    process: child,
    lines,
    ended,
    async said(count) {
      while (lines().length < count) {
        if (isOver) throw new Error(`it ended: ${lines().slice(0, 3).join(' | ')}`)
        await sleep(10)
      }
    },
  }
}

function place() {
  const file = freshFile()
  const signer = newSigner()
  mkdirSync(dirname(file), { recursive: true })
  const key = `${file}.key`
  writeFileSync(key, signer.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  return { file, key, signer, vkey: vkeyOf(signer.name, signer.privateKey) }
}

async function entriesOf(file: string): Promise<string[]> {
  const stream = new PassThrough()
  const lines = text(stream)
  await exportLedger(file, { stream })
  stream.end()
  return (await lines).split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line).id as string]))
}

describe('a process that is ended by kill -9 while it writes', () => {
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
  })

  /** Whatever happened: what was answered is there, the tree stands, and the next process goes on. */
  async function standsAfter({ lines }: Child, { file, signer, vkey }: ReturnType<typeof place>): Promise<void> {
    const answered = lines().slice(1)
    const report = await verifyStore(file, vkey)
    assert.deepEqual(report.problems, [])
    const kept = new Set(await entriesOf(file))
    assert.deepEqual(
      answered.filter((id) => !kept.has(id)),
      [],
    )
    // No more than what was under way may be there without an answer: forty lanes, one operation each.
    assert.ok(kept.size - answered.length <= 40, `${kept.size} kept, ${answered.length} answered`)
    const store = await open(file, { signer })
    await store.write(note('goes on'))
    await store.close()
    const after = await verifyStore(file, vkey)
    assert.deepEqual([after.problems, after.entries, after.beyond], [[], kept.size + 1, 0])
  }

  for (const rows of [1, 300, 2000]) {
    it(`loses nothing that was answered: after ${rows} answers`, async () => {
      const where = place()
      const child = start('write', where.file, where.key)
      await child.said(1 + rows)
      child.process.kill('SIGKILL')
      await child.ended
      assert.ok(child.lines().length > rows)
      await standsAfter(child, where)
    })
  }

  for (const step of ['batch.loaded', 'batch.written', 'batch.committed', 'batch.answered']) {
    it(`loses nothing that was answered: at the step ${step}`, async () => {
      const where = place()
      const child = start('write', where.file, where.key, step)
      await child.ended
      assert.equal(child.process.signalCode, 'SIGKILL')
      const kept = (await entriesOf(where.file)).length
      // The first batch is one tick without entries or one with; four batches at most were answered.
      if (step === 'batch.loaded' || step === 'batch.written') assert.equal(kept, child.lines().length - 1)
      if (step === 'batch.committed') assert.ok(kept > child.lines().length - 1)
      await standsAfter(child, where)
    })
  }
})

describe('two processes on one file', () => {
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
  })

  it('are one too many: the second waits, and says why it ends', async () => {
    const { file, key, signer } = place()
    const first = start('hold', file, key)
    await first.said(1)
    const begun = performance.now()
    await assert.rejects(
      open(file, { signer, patience_ms: 300 }),
      /another process serves .*keystay\.db \(waited 0\.3 s/,
    )
    assert.ok(performance.now() - begun >= 300)
    // A verify beside it needs no lock.
    assert.equal((await verifyStore(file)).ok, true)
    first.process.kill('SIGKILL')
    await first.ended
  })

  it('follow each other: kill -9 of the first lets the second in while it waits', async () => {
    const { file, key, signer } = place()
    const first = start('hold', file, key)
    await first.said(1)
    const second = open(file, { signer })
    setTimeout(() => first.process.kill('SIGKILL'), 200)
    const store = await second
    assert.ok(first.process.killed)
    await store.write(note('mine now'))
    await store.close()
  })

  it('are one too many within one process too, under another name of the file', async () => {
    const { file, signer } = place()
    const store = await open(file, { signer })
    const otherName = `${dirname(file)}/../data/keystay.db`
    await assert.rejects(open(otherName, { signer, patience_ms: 0 }), /another process serves/)
    await store.close()
    await (await open(otherName, { signer })).close()
  })

  it('hold nothing after an open that failed', async () => {
    const { file, signer } = place()
    await (await open(file, { signer })).close()
    await assert.rejects(
      open(file, { signer: newSigner('keystay.local/other') }),
      /another ledger key, or it was tampered with/,
    )
    await (await open(file, { signer, patience_ms: 0 })).close()
  })
})
