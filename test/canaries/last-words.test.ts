import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { canary, searcher } from './canaries.ts'

const DYING = new URL('./dying.ts', import.meta.url).pathname
const SECRET = canary('the key', 2)
const search = searcher([SECRET])

const WAYS = [
  'throws',
  'throws a text',
  'throws an object',
  'throws with members',
  'throws with causes',
  'throws several',
  'throws what cannot be read',
  'throws a circle',
  'rejects',
  'rejects a text',
  'emits an error that nobody hears',
  'warns',
]

describe('the last words of a process that nobody’s code ended', () => {
  let all: Promise<{ [way: string]: { code: unknown; said: string } }>
  before(() => {
    all = Promise.all(WAYS.map(async (way) => [way, await die(way)] as const)).then(Object.fromEntries)
  })

  for (const way of WAYS) {
    it(`hold no byte of a value when it ${way}, and are a line of the log`, async () => {
      const { code, said } = (await all)[way] ?? assert.fail(way)
      assert.equal(code, 1, said)
      assert.deepEqual(search(way, Buffer.from(said)), [])
      for (const line of said.trimEnd().split('\n')) {
        const told = JSON.parse(line) as { level: string; msg: string; error?: string }
        assert.match(
          told.msg,
          way === 'warns' ? /a warning of the runtime/ : /nobody (caught|handled); the gateway ends/,
        )
        assert.equal(told.level, way === 'warns' ? 'warn' : 'error')
      }
    })
  }

  it('would hold it otherwise: this test can fail', async () => {
    const { said } = await die('throws', 'without')
    assert.notDeepEqual(search('without', Buffer.from(said)), [])
  })

  it('are not a debugger’s: SIGUSR1 opens none, as it would otherwise', async () => {
    const ways = await Promise.all(['with', 'without'].map((how) => die('is asked for a debugger', how)))
    assert.deepEqual(
      ways.map(({ said }) => said.includes('Debugger listening')),
      [false, true],
    )
  })

  it('come whole where nothing in them is secret: what, and where', async () => {
    const { said } = (await all)['throws with causes'] ?? assert.fail()
    const { error } = JSON.parse(said) as { error: string }
    assert.match(
      error,
      /^Error: it broke\n {4}at .*dying\.ts:\d+[^]*\n caused by Error: at \[secret\]\n[^]* caused by then \[secret\]$/,
    )
  })
})

async function die(way: string, how = 'with'): Promise<{ code: unknown; said: string }> {
  const child = spawn(process.execPath, [DYING, way, how], { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.end(SECRET.value)
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  const [code] = (await once(child, 'close')) as unknown[]
  return { code, said }
}
