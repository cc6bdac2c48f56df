import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parseAllDocuments } from 'yaml'
import { keysInWords, MARKS, schemaForEditors } from '../../docs/generate-language.ts'
import { compile } from '../../gateway/core/compile.ts'
import { REFUSED } from './bad-policies.ts'
import { changed, COMPANY, schemas } from './company.ts'

const DOCS = join(import.meta.dirname, '../../docs')
const page = readFileSync(join(DOCS, 'policy-language.md'), 'utf8')

describe('the schema for editors', () => {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  const validate = ajv.compile(schemaForEditors())
  const fits = (text: string): boolean => parseAllDocuments(text).every((document) => validate(document.toJS()))

  it('accepts every document of a company that compiles', () => {
    for (const [path, text] of Object.entries(COMPANY))
      assert.ok(fits(text), `${path}: ${JSON.stringify(validate.errors)}`)
  })

  it('refuses what compile calls a wrong shape', () => {
    const shapes = REFUSED.filter(
      ({ findings, file }) =>
        file.endsWith('.yaml') &&
        findings.every(([, message]) =>
          /^unknown key|must be one of|must be true or false|is missing in/.test(message),
        ),
    )
    assert.ok(shapes.length >= 15)
    for (const bad of shapes.filter(({ to }) => !/GET|\bbody\b|^page|^$/.test(to))) {
      const text = changed(bad).texts.find(({ path }) => path === bad.file)?.text ?? ''
      assert.ok(!fits(text), bad.to)
    }
  })

  it('stands in docs as it is', () => {
    assert.deepEqual(
      JSON.parse(readFileSync(join(DOCS, 'policy.schema.json'), 'utf8')),
      JSON.parse(JSON.stringify(schemaForEditors())),
    )
  })
})

describe('the page about the policy language', () => {
  it('has the table of every key as the schema gives it (node docs/generate-language.ts)', () => {
    const [begin, end] = MARKS
    const written = page.slice(page.indexOf(begin) + begin.length, page.indexOf(end))
    assert.equal(bare(written), bare(keysInWords()))
  })

  it('shows only YAML that compiles', () => {
    const blocks = [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, text = '']) => text)
    const first = (word: string): string[] => blocks.filter((text) => text.startsWith(word))
    assert.equal(first('role:').length + first('action:').length + first('backends:').length, 5)
    const policies = join(import.meta.dirname, '../../policies')
    const read = (path: string): string => readFileSync(join(policies, path), 'utf8')
    const rest = [
      'backends.yaml',
      'guardrails.yaml',
      'budgets.yaml',
      'actions/stripe.yaml',
      'actions/cases.yaml',
      'roles/support-agent.yaml',
      'prompts/support-agent.md',
    ]
    const texts = [
      ...rest.map((path) => ({ path, text: read(path) })),
      {
        path: 'identity.yaml',
        text: read('identity.yaml').replace('support-bot: {}', 'support-bot: {}\n      audit-bot: {}'),
      },
      { path: 'shown.yaml', text: [...first('role:'), ...first('action:')].join('---\n') },
    ]
    const compiled = compile(texts, schemas)
    assert.deepEqual(compiled.ok ? compiled.warnings : compiled.findings, [])
    const backend = compile([{ path: 'backends.yaml', text: first('backends:')[0] ?? '' }], schemas)
    assert.deepEqual(backend.ok ? backend.warnings : backend.findings, [])
    for (const role of first('role:')) assert.ok(role.trim().split('\n').length <= 10)
  })
})

/** Formatters align tables; what stands in them is the same. */
function bare(text: string): string {
  return text.replaceAll(/[\s-]+/g, ' ').trim()
}
