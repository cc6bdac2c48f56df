import { deepEqual, equal, ok } from 'node:assert/strict'
import { openLog } from '../../gateway/log.ts'
import { createScrubber } from '../../gateway/secrets/scrub.ts'
import { HIDDEN, HOSTILE } from './hostile-texts.ts'

const KEY = 'sk_test_CanaryIn"A\\Log+/=0123456789'

describe('the log', () => {
  const scrubber = createScrubber()
  scrubber.add(KEY)
  const written: string[] = []
  const destination = { write: (text: string) => void written.push(text) }
  const json = openLog({ scrub: scrubber.text, destination, level: 'info' })
  const plain: string[] = []
  const lines = openLog({ scrub: scrubber.text, line: (line) => plain.push(line), level: 'info' })

  beforeEach(() => {
    written.length = 0
    plain.length = 0
  })

  it('is one JSON object a line, with level, time and message', () => {
    json('warn', 'an outcome waits for the ledger', { call: 'call_1' })
    equal(written.length, 1)
    ok(written[0]?.endsWith('\n') && written[0].indexOf('\n') === written[0].length - 1)
    const { time, ...rest } = JSON.parse(written[0] ?? '') as { [name: string]: unknown }
    deepEqual(rest, { level: 'warn', call: 'call_1', msg: 'an outcome waits for the ledger' })
    equal(new Date(String(time)).toISOString(), time)
  })

  it('keeps a text of several lines in one line', () => {
    json('error', 'first\nsecond')
    equal((JSON.parse(written.join('')) as { msg: string }).msg, 'first\nsecond')
    equal(written.join('').trimEnd().includes('\n'), false)
  })

  it('is harmless on a terminal, whoever reads it there: controls, directions and what cannot be seen are escapes', () => {
    for (const text of Object.values(HOSTILE)) {
      written.length = 0
      plain.length = 0
      for (const log of [json, lines])
        log('error', `the backend said ${text}`, { reason: text, deep: { [text]: [text] } })
      ok(!HIDDEN.test(written.join('')) && !HIDDEN.test(plain.join('')), JSON.stringify(text))
      const { msg, reason } = JSON.parse(written.join('')) as { msg: string; reason: string }
      deepEqual([msg, reason], [`the backend said ${text}`, text])
    }
  })

  it('leaves out what is below its level', () => {
    for (const log of [json, lines]) log('debug', 'not now')
    deepEqual([written, plain], [[], []])
  })

  const forms = [KEY, Buffer.from(KEY).toString('base64'), Buffer.from(KEY).toString('hex'), encodeURIComponent(KEY)]
  for (const [n, form] of forms.entries()) {
    it(`holds no secret, whatever it is part of (form ${n + 1})`, () => {
      for (const log of [json, lines]) {
        log('error', `the backend said ${form}`, { error: `Error: ${form}`, deep: { list: [form] }, [form]: 1 })
      }
      for (const text of [...written, ...plain]) {
        equal(text.includes(form) || text.includes(JSON.stringify(form).slice(1, -1)), false, text)
        ok(text.includes('[secret]'))
      }
      JSON.parse(written.join(''))
    })
  }

  it('shows no member that is named like a credential, also one that nobody fetched', () => {
    for (const log of [json, lines])
      log('error', 'x', { authorization: 'Bearer a', headers: { cookie: 'b', host: 'c' } })
    const { level: _l, time: _t, msg: _m, ...rest } = JSON.parse(written.join('')) as { [name: string]: unknown }
    const clean = { authorization: '[redacted]', headers: { cookie: '[redacted]', host: 'c' } }
    deepEqual(rest, clean)
    deepEqual(plain, [`x ${JSON.stringify(clean)}`])
  })
})
