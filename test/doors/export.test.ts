import assert from 'node:assert/strict'
import request from 'supertest'
import type { Response } from 'supertest'
import type { CallExport, PeopleFilter } from '../../gateway/pipeline/gateway.ts'
import { Problem } from '../../gateway/core/problem.ts'
import { house } from './house.ts'
import type { House } from './house.ts'
import { plainGateway } from './plain-gateway.ts'

const LINE: CallExport = {
  call: 'call_1',
  at: '2026-11-23T15:00:00.000Z',
  updated_at: '2026-11-23T15:00:01.000Z',
  action: 'refund',
  role: 'support-agent',
  requester: 'ci:agents:support',
  session: 'ses_1',
  key: null,
  status: 'done',
  summary: 'Refund 1.00 USD',
  amount: '1.00',
  currency: 'USD',
  because: [],
  approved_by: ['demo:dana', 'demo:omar'],
  detail: null,
  evidence: { request_id: 'req_1' },
  entry: 'ent_1',
  acting_for: 'demo:lee',
}

describe('the export of calls', () => {
  let pages: CallExport[][]
  let asked: PeopleFilter[]
  let failsAt: number
  let home: House
  before(async () => {
    const gateway = plainGateway()
    home = await house({
      gateway: {
        ...gateway,
        people: {
          ...gateway.people,
          exported: async (_person, filter) => {
            asked.push(filter)
            const at = Number(filter.cursor ?? 0)
            if (at === failsAt) throw new Problem('not_eligible', 'To export calls one must be of: finance.')
            return { calls: pages[at] ?? [], cursor: at + 1 < pages.length ? String(at + 1) : null }
          },
        },
      },
    })
  })
  after(() => home.close())
  beforeEach(() => {
    pages = [[LINE]]
    asked = []
    failsAt = -1
  })
  const get = (path: string) => request(home.admin.url).get(path).set('Authorization', home.dana)

  it('has its head, its types and its name', async () => {
    const csv = await get('/admin/v1/calls.csv')
    assert.deepEqual(
      [csv.status, csv.headers['content-type'], csv.headers['content-disposition'], csv.headers['cache-control']],
      [200, 'text/csv; charset=utf-8; header=present', 'attachment; filename="calls.csv"', 'no-store'],
    )
    assert.equal(
      csv.text,
      'call,at,updated_at,action,role,requester,session,key,status,summary,amount,currency,because,approved_by,detail,evidence,entry,acting_for\r\n' +
        '"call_1","2026-11-23T15:00:00.000Z","2026-11-23T15:00:01.000Z","refund","support-agent","ci:agents:support","ses_1",,"done","Refund 1.00 USD","1.00","USD","","demo:dana demo:omar",,"{""request_id"":""req_1""}","ent_1","demo:lee"\r\n',
    )
    const jsonl = await get('/admin/v1/calls.jsonl').buffer(true).parse(asText)
    assert.equal(jsonl.headers['content-type'], 'application/jsonl; charset=utf-8')
    assert.deepEqual(JSON.parse(String(jsonl.body)), LINE)
  })

  it('goes through every page with the same filter, whatever their number', async () => {
    pages = Array.from({ length: 30 }, (_, page) =>
      Array.from({ length: 500 }, (_unused, index) => ({ ...LINE, call: `call_${page}_${index}` })),
    )
    const { text } = await get('/admin/v1/calls.csv?role=r&status=done&min=1.50&max=2&q=re_1&since=2026-11-23')
    const ids = [...text.matchAll(/^"(call_\d+_\d+)"/gm)].map(([, id]) => id)
    assert.deepEqual([ids.length, new Set(ids).size], [15_000, 15_000])
    const filter = {
      role: 'r',
      status: 'done',
      min: '1.50',
      max: '2',
      q: 're_1',
      since: Date.UTC(2026, 10, 23),
      limit: 500,
    }
    assert.deepEqual(asked, [filter, ...Array.from({ length: 29 }, (_, at) => ({ ...filter, cursor: String(at + 1) }))])
  })

  const HOSTILE: [string, string][] = [
    ['=HYPERLINK("http://x","y")', `"'=HYPERLINK(""http://x"",""y"")"`],
    ['+1+1', `"'+1+1"`],
    ['-2+3', `"'-2+3"`],
    ['@SUM(A1)', `"'@SUM(A1)"`],
    ['  =1', `"'  =1"`],
    ['\t=1', `"\\t=1"`],
    ['\r\n=1', `"\\r\\n=1"`],
    ['＝1', `"'＝1"`],
    ['|calc', `"'|calc"`],
    ['a;=1', `"a;=1"`],
    ['say "no"', `"say ""no"""`],
    ['\u202Egnp.exe', '"\\u{202e}gnp.exe"'],
    ['\u001B[2J', '"\\u{1b}[2J"'],
    ['plain, text', '"plain, text"'],
  ]
  for (const [text, cell] of HOSTILE) {
    it(`writes ${JSON.stringify(text)} as ${cell}, and JSON lines that mean the same`, async () => {
      pages = [[{ ...LINE, summary: text }]]
      const csv = (await get('/admin/v1/calls.csv')).text
      assert.ok(csv.includes(`,"done",${cell},"1.00",`), csv)
      assert.equal(csv.split('\r\n').length, 3)
      const jsonl = String((await get('/admin/v1/calls.jsonl').buffer(true).parse(asText)).body)
      assert.equal((JSON.parse(jsonl) as CallExport).summary, text)
      // oxlint-disable-next-line no-control-regex
      assert.ok(!/[\u0000-\u0009\u000b-\u001f\u202e]/.test(jsonl))
    })
  }

  it('refuses before the first byte', async () => {
    failsAt = 0
    const refused = await get('/admin/v1/calls.csv')
    assert.deepEqual([refused.status, refused.body.code], [403, 'not_eligible'])
    for (const [query, status] of [
      ['limit=5', 400],
      ['cursor=call_1', 400],
      ['min=1,50', 400],
      ['max=-1', 400],
      ['q=', 400],
    ] as const) {
      const { status: got, body } = await get(`/admin/v1/calls.csv?${query}`)
      assert.deepEqual([got, body.code], [status, 'malformed'], query)
    }
    assert.equal((await request(home.admin.url).get('/admin/v1/calls.csv')).status, 401)
  })

  it('cuts the connection when a later page fails: half a list does not look whole', async () => {
    pages = [[LINE], [LINE]]
    failsAt = 1
    home.faults.length = 0
    await assert.rejects(async () => get('/admin/v1/calls.csv'), /aborted|hang up|terminated|ECONNRESET/)
    assert.equal(home.faults.length, 1)
  })
})

describe('the signed head of the ledger', () => {
  it('is there for everybody, as text, and not before it is signed', async () => {
    let note: string | null = null
    const home = await house({
      ledger: {
        checkpoint: async () => note,
        vkey: async () => 'keystay.ledger+00000000+AA==',
        tile: async () => null,
      },
    })
    const look = (path: string) => request(home.admin.url).get(path)
    assert.equal((await look('/ledger/checkpoint')).status, 404)
    note = 'keystay.ledger\n1\nAAAA\n\n— keystay.ledger AAAA\n'
    const { status, text, headers } = await look('/ledger/checkpoint')
    assert.deepEqual([status, text, headers['content-type']], [200, note, 'text/plain; charset=utf-8'])
    assert.equal((await look('/ledger/key.pub')).text, 'keystay.ledger+00000000+AA==\n')
    assert.equal((await look('/ledger/checkpoint?x=1')).status, 400)
    assert.equal((await look('/ledger/checkpoint').set('Origin', 'https://evil.example')).status, 403)
    await home.close()
  })

  it('has tiles: of hashes for everybody, of entries for whoever may export', async () => {
    const entry = Buffer.from('{"id":"ent_1","note":"sk_test_in_an_entry"}')
    const secret = 'sk_test_in_an_entry'
    let known = ''
    const home = await house({
      scrub: (text) => (known === '' ? text : text.replaceAll(known, '[secret]')),
      ledger: {
        checkpoint: async () => null,
        vkey: async () => '',
        tile: async ({ of, index, width }) => {
          if (index > 1) return null
          const bytes = of === 'entries' ? Buffer.from([0, entry.length, ...entry]) : Buffer.alloc(32 * width, 0xff)
          return bytes.toString('base64')
        },
      },
    })
    const look = async (path: string, bearer?: string) => {
      const headers = bearer === undefined ? {} : { Authorization: bearer }
      const response = await fetch(`${home.admin.url}/ledger/tile/${path}`, { headers })
      return {
        status: response.status,
        type: response.headers.get('content-type'),
        bytes: Buffer.from(await response.arrayBuffer()),
      }
    }
    const hashes = { status: 200, type: 'application/octet-stream', bytes: Buffer.alloc(96, 0xff) }
    assert.deepEqual(await look('0/001.p/3'), hashes)
    for (const path of ['0/002', '0/1', '0/000?x=1', 'entries', 'other/000', ''])
      assert.equal((await look(path, home.dana)).status, path.includes('?') ? 400 : 404, path)
    assert.equal((await look('entries/000')).status, 401)
    const { mayReadEntries } = home.gateway.people
    const refuses = () => Promise.reject(new Problem('not_eligible', 'To read entries one must be of: finance.'))
    Object.assign(home.gateway.people, { mayReadEntries: refuses })
    assert.equal((await look('entries/000', home.dana)).status, 403)
    Object.assign(home.gateway.people, { mayReadEntries })
    const { status, bytes } = await look('entries/000', home.dana)
    assert.deepEqual([status, bytes.subarray(2)], [200, entry])
    known = secret
    const kept = await look('entries/000', home.dana)
    assert.deepEqual([kept.status, kept.bytes.includes(secret)], [500, false])
    await home.close()
  })
})

function asText(response: Response, done: (error: Error | null, text: string) => void): void {
  // What a parser is given is the incoming message itself.
  const stream = response as unknown as NodeJS.ReadableStream
  let text = ''
  stream.setEncoding('utf8')
  stream.on('data', (piece: string) => (text += piece))
  stream.on('end', () => done(null, text))
}
