import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

describe('the kill harness', function () {
  this.timeout(90_000)

  it('runs for a few seconds, kills its gateway, finds nothing that does not agree, and leaves no process', async () => {
    const file = new URL('./torture.ts', import.meta.url).pathname
    let said = ''
    const figure = (name: string): number => Number(new RegExp(`^${name} +(\\d+)$`, 'm').exec(said)?.[1])
    // What must hold, must in each; that enough came about is a matter of luck, so there may be a longer run.
    for (const minutes of ['0.1', '0.4']) {
      const args = [file, '--minutes', minutes, '--store', 'sqlite', '--seed', '11', '--quiet']
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
      const [all, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
      assert.equal(code, 0, all)
      // It led a process group of its own: nobody is left in it.
      assert.throws(() => process.kill(-(child.pid ?? 0), 0), { code: 'ESRCH' })
      said = all
      if (figure('gateway kills') >= 1 && figure('effects at the backends') >= 10) break
    }
    assert.ok(figure('gateway kills') >= 1, said)
    assert.ok(figure('calls that were answered') >= 50, said)
    assert.ok(figure('effects at the backends') >= 10, said)
  })
})
