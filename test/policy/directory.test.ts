import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { formatFinding } from '../../gateway/core/compile.ts'
import { loadPolicy } from '../../gateway/policy-dir.ts'
import { COMPANY, FILES } from './company.ts'

const GUARDRAILS = 'guardrails.yaml'

describe('a policy directory', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'keystay-directory-'))
    for (const [path, text] of Object.entries({ ...COMPANY, ...FILES })) {
      await mkdir(dirname(join(dir, path)), { recursive: true })
      await writeFile(join(dir, path), text)
    }
  })
  afterEach(() => rm(dir, { recursive: true }))

  const guardrails = async (): Promise<readonly string[]> => {
    const loaded = await loadPolicy(dir)
    return loaded.ok ? loaded.policy.guardrails.map(({ name }) => name) : loaded.findings.map(formatFinding)
  }

  for (const name of ['guardrails.yml', 'Guardrails.YAML', 'GUARDRAILS.YML']) {
    it(`is all of its YAML, however its files are called: ${name}`, async () => {
      await rename(join(dir, GUARDRAILS), join(dir, name))
      assert.deepEqual(await guardrails(), ['incident'])
    })
  }

  it('does not lose a file that is a link to nothing: it cannot be read', async () => {
    await rm(join(dir, GUARDRAILS))
    await symlink(join(dir, 'elsewhere.yaml'), join(dir, GUARDRAILS))
    await assert.rejects(loadPolicy(dir), /guardrails\.yaml is a link to nothing/)
  })

  it('refuses what is not UTF-8 at its place', async () => {
    await writeFile(
      join(dir, GUARDRAILS),
      Buffer.from((COMPANY[GUARDRAILS] ?? '').replace('Frozen.', 'Gefroren M\xe4rz.'), 'latin1'),
    )
    const [finding] = await guardrails()
    assert.match(finding ?? '', /^guardrails\.yaml:5:21: error: this is not text in UTF-8\n/)
    assert.match(finding ?? '', /hint: save the file as UTF-8$/)
  })

  for (const name of ['guardrails.test.yaml', 'guardrails.test.yml']) {
    it(`refuses what would decide in a file of tests, where it is not read: ${name}`, async () => {
      await rename(join(dir, GUARDRAILS), join(dir, name))
      const [finding = '', ...more] = await guardrails()
      assert.deepEqual(more, [])
      assert.match(finding, /^guardrails\.test\.ya?ml:1:1: error: `switches` is not read in a file of tests\n/)
    })
  }
})
