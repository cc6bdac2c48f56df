import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

describe('the kill harness', function () {
  this.timeout(90_000)

  it('runs for a few seconds, kills its gateway, finds nothing that does not agree, and leaves no process', async () => {
    const file = new URL('./torture.ts', import.meta.url).pathname
    const args = [file, '--minutes', '0.15', '--store', 'sqlite', '--seed', '11', '--quiet']
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
    const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
    assert.equal(code, 0, said)
    const figure = (name: string): number => Number(new RegExp(`^${name} +(\\d+)$`, 'm').exec(said)?.[1])
    assert.ok(figure('gateway kills') >= 1, said)
    assert.ok(figure('calls that were answered') >= 50, said)
    assert.ok(figure('effects at the backends') >= 10, said)
    // It led a process group of its own: nobody is left in it.
    assert.throws(() => process.kill(-(child.pid ?? 0), 0), { code: 'ESRCH' })
  })
})
