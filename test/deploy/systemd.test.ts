import { deepEqual, equal, ok } from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { serveOptions } from '../../gateway/config.ts'
import { ROOT } from '../demo/demo.ts'
import { knownVariables, textOf } from './deploy.ts'

const UNIT = 'deploy/systemd/keystay.service'
const EXPOSURE_MAX = 2

describe('deploy/systemd/keystay.service', () => {
  const directives = new Map<string, string[]>()
  for (const [, name = '', value = ''] of textOf(UNIT).matchAll(/^([A-Za-z]+)=(.*)$/gm))
    directives.set(name, [...(directives.get(name) ?? []), value])
  const one = (name: string): string => directives.get(name)?.at(-1) ?? '(absent)'

  it('is configured as serve understands, and writes only where it may', () => {
    const variables = (directives.get('Environment') ?? []).map((text) => text.split(/=(.*)/s))
    const ours = variables.filter(([name = '']) => name.startsWith('KEYSTAY_'))
    deepEqual(
      ours.map(([name = '']) => name).filter((name) => !knownVariables().includes(name)),
      [],
    )
    const { store, policies, secrets } = serveOptions({}, Object.fromEntries(ours) as Record<string, string>)
    ok(store.startsWith(`sqlite:/var/lib/${one('StateDirectory')}/`))
    const readable = one('ReadOnlyPaths').split(' ')
    for (const path of [policies, secrets.replace(/^age:/, '')])
      ok(
        readable.some((folder) => path.startsWith(`${folder}/`)),
        path,
      )
  })

  it('starts the bin of the package with the verb serve', () => {
    const { name, bin } = JSON.parse(textOf('package.json')) as { name: string; bin: { keystay: string } }
    const [node, script, ...verb] = one('ExecStart').split(' ')
    deepEqual(
      [node, script, verb],
      ['/opt/keystay/node_modules/.bin/node', `/opt/keystay/node_modules/${name}/${bin.keystay}`, ['serve']],
    )
    ok(existsSync(join(ROOT, bin.keystay)))
  })

  it('is stopped by the signal that drains, with more time than that takes, and not restarted for a bad setting', () => {
    deepEqual([one('KillSignal'), one('RestartPreventExitStatus')], ['SIGTERM', '2 3'])
    ok(Number(one('TimeoutStopSec')) > 30)
  })

  // What the tool would find, for where there is none.
  for (const [name, value] of [
    ['User', 'keystay'],
    ['NoNewPrivileges', 'yes'],
    ['CapabilityBoundingSet', ''],
    ['ProtectSystem', 'strict'],
    ['ProtectHome', 'yes'],
    ['PrivateTmp', 'yes'],
    ['PrivateDevices', 'yes'],
    ['PrivateUsers', 'yes'],
    ['RestrictAddressFamilies', 'AF_INET AF_INET6 AF_UNIX'],
    ['RestrictNamespaces', 'yes'],
    ['SystemCallArchitectures', 'native'],
    ['UMask', '0077'],
    ['LimitCORE', '0'],
  ] as const) {
    it(`says ${name}=${value}`, () => equal(one(name), value))
  }

  it(`is exposed to at most ${EXPOSURE_MAX.toFixed(1)} by systemd-analyze security`, function () {
    if (spawnSync('systemd-analyze', ['--version']).status !== 0) {
      process.stderr.write('      systemd-analyze is not on this machine: only the directives were looked at\n')
      return this.skip()
    }
    const said = execFileSync('systemd-analyze', ['security', '--offline=true', join(ROOT, UNIT)], { encoding: 'utf8' })
    const exposure = Number(/exposure level for keystay\.service: ([\d.]+)/.exec(said)?.[1])
    ok(exposure <= EXPOSURE_MAX, `${exposure}`)
  })
})
