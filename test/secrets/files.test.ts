import assert from 'node:assert/strict'
import {
  chmod,
  chown,
  lchown,
  mkdir,
  mkdtemp,
  readlink,
  rename,
  rm,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateX25519Identity } from 'age-encryption'
import { findAgeIdentity } from '../../gateway/secrets/age-file.ts'
import { openSecrets } from '../../gateway/secrets/open.ts'
import type { SecretEvent, Secrets } from '../../gateway/secrets/open.ts'

const KEY = 'sk_test_c4n4ry_mounted'
const POD = 1000

describe('secrets in a volume that Kubernetes mounts', () => {
  let folder: string
  let volume: string
  let now: number
  let events: SecretEvent[]
  let secrets: Secrets
  const token = (): string => `file://${volume}/token`
  const value = async (): Promise<string> => (await secrets.get(token())).open()

  /** As the kubelet does: a new directory, a new link beside the old one, one rename, and the old directory is gone. */
  const publish = async (name: string, content: string, mode = 0o440): Promise<void> => {
    const before = await readlink(join(volume, '..data')).catch(() => null)
    await mkdir(join(volume, name), { mode: 0o755 })
    await writeFile(join(volume, name, 'token'), content)
    await chown(join(volume, name, 'token'), 0, POD)
    await chmod(join(volume, name, 'token'), mode)
    await symlink(name, join(volume, '..data_tmp'))
    await rename(join(volume, '..data_tmp'), join(volume, '..data'))
    if (before !== null) await rm(join(volume, before), { recursive: true })
  }

  before(function () {
    if (process.getuid?.() === 0) return
    console.log('    only root can make files of root: volumes of Kubernetes are not tried')
    this.skip()
  })
  beforeEach(async () => {
    now = 0
    events = []
    folder = await mkdtemp(join(tmpdir(), 'keystay-mount-'))
    volume = join(folder, 'secrets')
    await mkdir(volume)
    // a tmpfs of the kubelet's with fsGroup
    await chown(volume, 0, POD)
    await chmod(volume, 0o3777)
    await publish('..2026_11_22_10_00_00.1', `${KEY}\n`)
    await symlink(join('..data', 'token'), join(volume, 'token'))
    const onEvent = (event: SecretEvent): void => void events.push(event)
    secrets = await openSecrets(`file:${volume}`, { now: () => now, onEvent, environment: {} })
  })
  afterEach(async () => {
    await secrets?.close()
    await rm(folder, { recursive: true })
  })

  it('are read though their group may read them too, and anew after a swap', async () => {
    assert.equal(await value(), KEY)
    const old = await secrets.get(token())
    await publish('..2026_11_22_11_00_00.2', `${KEY}-2`)
    assert.equal(await secrets.refused(old), true)
    assert.equal(await value(), `${KEY}-2`)
    await publish('..2026_11_22_12_00_00.3', `${KEY}-3`, 0o400)
    now += 300_000
    assert.equal(await value(), `${KEY}-3`)
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['credential.fetched', 'credential.rotated', 'credential.rotated'],
    )
  })

  it('may be what opens an age file', async () => {
    const key = await generateX25519Identity()
    await publish('..with_an_identity', key)
    const found = await findAgeIdentity('any.age', { KEYSTAY_AGE_IDENTITY_FILE: join(volume, 'token') })
    assert.deepEqual(found.keys, [key])
  })

  it('are there while they are swapped, however often', async () => {
    const swaps = (async () => {
      for (let n = 0; n < 60; n++) await publish(`..round_${n}`, `${KEY}-${n}`)
      return 'over'
    })()
    let reads = 0
    do {
      now += 300_000
      assert.match(await value(), /^sk_test_c4n4ry_mounted/)
      reads++
    } while ((await Promise.race([swaps, sleep(0, 'going on')])) !== 'over')
    assert.ok(reads > 20, `${reads} reads`)
  })

  const real = (...parts: readonly string[]): string => join(volume, '..2026_11_22_10_00_00.1', ...parts)
  const attacks: readonly [string, () => Promise<unknown>, RegExp][] = [
    [
      'everybody may read',
      () => chmod(real('token'), 0o444),
      /by others \(mode 0444\): give the volume defaultMode: 0440/,
    ],
    ['everybody may write', () => chmod(real('token'), 0o442), /by others/],
    ['its group may write', () => chmod(real('token'), 0o460), /by others/],
    ['its group may run', () => chmod(real('token'), 0o450), /by others/],
    ['somebody else made', () => chown(real('token'), POD, POD), /by others/],
    ['stands in a directory of somebody else’s', () => chown(real(), POD, POD), /by others/],
    ['stands in a directory that a group changes', () => chmod(real(), 0o775), /by others/],
    ['stands in a volume of somebody else’s', () => chown(volume, POD, POD), /by others/],
    ['stands in a volume where anybody replaces links', () => chmod(volume, 0o777), /by others/],
    ['is led to by a link of somebody else’s', () => lchown(join(volume, '..data'), POD, POD), /by others/],
    [
      'is led to by a link out of the volume',
      async () => {
        await rename(real(), join(folder, '..elsewhere'))
        await unlink(join(volume, '..data'))
        await symlink('../..elsewhere', join(volume, '..data'))
      },
      /not in/,
    ],
    [
      'is no part of what is swapped',
      async () => {
        await unlink(join(volume, 'token'))
        await writeFile(join(volume, 'token'), KEY)
        await chmod(join(volume, 'token'), 0o440)
      },
      /by others/,
    ],
    [
      'has another name there',
      async () => {
        await rename(real('token'), real('other'))
        await unlink(join(volume, 'token'))
        await symlink('..data/other', join(volume, 'token'))
      },
      /by others/,
    ],
    [
      'stands in a plain directory',
      () => rm(join(volume, '..data')).then(() => symlink('.', join(volume, '..data'))),
      /ELOOP/,
    ],
  ]
  for (const [what, attack, reason] of attacks) {
    it(`are refused in a file that ${what}`, async () => {
      await attack()
      await assert.rejects(secrets.get(token()), (error: Error) => {
        assert.match(error.message, reason)
        return !error.message.includes('c4n4ry')
      })
    })
  }
})
