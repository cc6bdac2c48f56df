import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { Secret } from '../../adapters/adapter.ts'
import type { Connection, SecretSource } from '../../adapters/adapter.ts'
import { postgres, postgresOver } from '../../adapters/postgres.ts'
import { openBackends } from '../../gateway/pipeline/execute.ts'
import { openSecrets } from '../../gateway/secrets/open.ts'
import type { BackendSpec, Json, JsonObject, Outcome } from '../../gateway/core/types.ts'
import { startPostgres, unusedPort } from '../backends/postgres.ts'
import type { Database } from '../backends/postgres.ts'
import { startProxy } from '../backends/postgres-proxy.ts'
import { ROOT, startVault } from '../backends/vault.ts'
import { adapterSuite, attempt, backendSpec, canary, CANARY, pause } from '../suites/adapter.ts'

let database: Database

describe('PostgreSQL', function () {
  this.timeout(60_000)
  before(async () => {
    database = await startPostgres()
    await database.sql(`
    create role agent login password '${CANARY}';
    create table notes (id serial primary key, text text not null, call text, n int check (n < 100));
    create table unique_notes (id int primary key deferrable initially deferred);
    create table mood (word text, words text);
    create table secret (n int);
    grant select, insert, update, delete on notes, unique_notes to agent;
    grant usage on sequence notes_id_seq to agent;
    grant select on mood to agent;
    create function moody() returns trigger language plpgsql as $$ begin
      if exists (select from mood where word = 'refuse') then raise unique_violation; end if;
      if exists (select from mood where word = 'repeat') then raise exception 'not with %', (select words from mood); end if;
      return new; end $$;
    create trigger moody before insert on notes for each row execute function moody();`)
  })
  after(async () => {
    await database?.stop()
  })

  const config = (port: number): JsonObject => ({
    url: `postgres://127.0.0.1:${port}/postgres`,
    auth: { user: 'agent', password: 'age://bench/key' },
  })
  const write = {
    write: 'insert into notes (text, call) values ($1, $2) returning id, text',
    params: ['hello', 'call_01JD0000000000000000000001'],
    rows: 1,
  }

  adapterSuite('postgres', postgres, async () => {
    await database.sql('truncate notes, mood')
    const proxy = await startProxy(database.port)
    return {
      config: config(proxy.port),
      nowhere: config(await unusedPort()),
      write,
      read: { read: 'select count(*) from notes where text = $1', params: ['hello'] },
      unsendable: { ...write, params: ['half a character: \ud800', 'x'] },
      effects: async () => (await database.sql('select id from notes')).length,
      arrived: () => proxy.statements(),
      trouble: async (trouble) => {
        if (trouble === 'refuses') await database.sql(`insert into mood values ('refuse', '')`)
        else if (trouble === 'repeats_credential')
          await database.sql(`insert into mood values ('repeat', $1)`, [CANARY])
        else proxy.cut(trouble)
      },
      // a login of SCRAM, four round trips
      patience_ms: 700,
      close: () => proxy.close(),
    }
  })

  describe('adapter postgres', () => {
    const connections: Connection[] = []
    const connect = (
      spec: Partial<BackendSpec> = {},
      secret: SecretSource = canary,
      adapter = postgres,
    ): Connection => {
      const connection = adapter.connect(
        backendSpec({ adapter: 'postgres', config: config(database.port), ...spec }),
        secret,
      )
      connections.push(connection)
      return connection
    }
    const ask = (request: Json, change = {}): Promise<Outcome> => connect().send(request, attempt(change))
    const notes = async (): Promise<unknown[]> =>
      (await database.sql('select text from notes order by id')).map(({ text }) => text)
    const own = { number: 0 }

    beforeEach(() => database.sql('truncate notes, mood, unique_notes'))
    afterEach(async () => {
      await Promise.all(connections.splice(0).map((connection) => connection.close?.()))
    })

    describe('values', () => {
      const rows: readonly [string, Json][] = [
        ['1::int2', 1],
        ['9007199254740991::int8', 9007199254740991],
        ['9007199254740992::int8', '9007199254740992'],
        ['(-9007199254740993)::int8', '-9007199254740993'],
        ['10.50::numeric', '10.50'],
        ['0.1::float8', 0.1],
        [`'NaN'::float8`, 'NaN'],
        ['1e300::float8', '1e+300'],
        ['true', true],
        ['null::int', null],
        [`'2026-11-23 15:00:00.5+00'::timestamptz at time zone 'UTC'`, '2026-11-23T15:00:00.5'],
        [`'infinity'::timestamptz`, 'infinity'],
        [`'2026-11-23'::date`, '2026-11-23'],
        [`'{"a": [1, 2.50, 12345678901234567890]}'::json`, { a: [1, 2.5, '12345678901234567890'] }],
        [`'{"b": null}'::jsonb`, { b: null }],
        [`array[1, null, 3]`, [1, null, 3]],
        [`array['a,b', 'NULL', 'c"d']`, ['a,b', 'NULL', 'c"d']],
        [`array[9007199254740993::int8]`, ['9007199254740993']],
        [`'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid`, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
        [`'\\xdeadbeef'::bytea`, '\\xdeadbeef'],
      ]
      it('come back as JSON that changes nothing', async () => {
        const connection = connect()
        for (const [text, value] of rows) {
          const outcome = await connection.send({ read: `select ${text} as v` }, attempt(own))
          assert.deepEqual(outcome, { kind: 'done', output: { rows: [{ v: value }] }, evidence: { rows: 1 } }, text)
        }
      })

      it('with a moment of a zone keep the zone', async () => {
        await database.sql(`alter role agent set timezone = 'Asia/Kolkata'`)
        const outcome = await ask({ read: `select '2026-11-23 15:00:00+00'::timestamptz as v` }, own)
        await database.sql('alter role agent reset timezone')
        assert.deepEqual(outcome.kind === 'done' && outcome.output, { rows: [{ v: '2026-11-23T20:30:00+05:30' }] })
      })

      const sent: readonly [string, Json, Json][] = [
        ['$1::text', `x'); drop table notes; --`, `x'); drop table notes; --`],
        ['$1::text', '', ''],
        ['$1::int', 7, 7],
        ['$1::numeric', 0.1, '0.1'],
        ['$1::bool', true, true],
        ['$1::text', null, null],
        ['$1::text[]', ['a,b', '{}', 'NULL', null, 'q"\\'], ['a,b', '{}', 'NULL', null, 'q"\\']],
        ['$1::int[]', [1, 2], [1, 2]],
        ['$1::jsonb', { a: ['x', 1] }, { a: ['x', 1] }],
      ]
      it('go apart from the text, typed by their place', async () => {
        const connection = connect()
        for (const [place, value, back] of sent) {
          const outcome = await connection.send({ read: `select ${place} as v`, params: [value] }, attempt(own))
          assert.deepEqual(outcome.kind === 'done' && outcome.output, { rows: [{ v: back }] }, place)
        }
      })

      it('that would change on the way are not sent', async () => {
        for (const value of ['\ud800', 'a\0b', 2 ** 53, Infinity, ['\udc00'], { a: 'b\0' }, { a: 2 ** 60 }]) {
          const outcome = await ask({ read: 'select $1::text', params: [value as Json] }, own)
          assert.equal(outcome.kind, 'not_sent', JSON.stringify(value))
        }
      })

      it('of the wrong number or kind are the database’s certain no', async () => {
        const outcomes = [
          await ask({ ...write, params: ['one'] }),
          await ask({ write: 'insert into notes (text, n) values ($1, $2)', params: ['x', 'seven'], rows: 1 }),
        ]
        assert.deepEqual(
          outcomes.map((outcome) => outcome.kind),
          ['not_sent', 'refused'],
        )
        assert.deepEqual(await notes(), [])
      })
    })

    describe('rows', () => {
      const update = (rows: Json): Json => ({
        write: `update notes set call = 'x' where text = $1`,
        params: ['a'],
        rows,
      })
      const changed = async (): Promise<number> => (await database.sql(`select from notes where call = 'x'`)).length
      const cases: readonly [number, Json, boolean][] = [
        [1, 1, true],
        [0, 1, false],
        [2, 1, false],
        [5, '1..5', true],
        [6, '1..5', false],
        [0, '0..5', true],
      ]
      for (const [count, rows, fits] of cases) {
        it(`${count} where ${JSON.stringify(rows)} must be: ${fits ? 'done' : 'rolled back'}`, async () => {
          await database.sql(`insert into notes (text) select 'a' from generate_series(1, $1)`, [count])
          const outcome = await ask(update(rows))
          assert.equal(outcome.kind, fits ? 'done' : 'refused')
          assert.equal(await changed(), fits ? count : 0)
          if (outcome.kind === 'refused') {
            assert.match(
              outcome.message,
              /^(no row fits|\d rows fit), and (exactly 1|1 to 5) must; nothing was changed$/,
            )
            assert.deepEqual([outcome.status, outcome.evidence], [409, { rows: count }])
          }
        })
      }

      it('of a write are the list that the action keeps from', async () => {
        const outcome = await ask({ ...write, params: ['a', 'c'] })
        assert.ok(outcome.kind === 'done' && Array.isArray(outcome.output))
        assert.deepEqual(
          (outcome.output as readonly JsonObject[]).map(({ text }) => text),
          ['a'],
        )
      })

      it('of a fact of at most one row are that row, or the 404 that makes it null', async () => {
        await database.sql(`insert into notes (text) values ('a')`)
        const fact = (text: string, rows: Json): Promise<Outcome> =>
          ask({ read: 'select text from notes where text = $1', params: [text], rows }, own)
        const outcomes = [await fact('a', '0..1'), await fact('b', '0..1'), await fact('a', 1), await fact('b', 1)]
        assert.deepEqual(
          outcomes.map((outcome) => (outcome.kind === 'done' ? outcome.output : 'status' in outcome && outcome.status)),
          [{ text: 'a' }, 404, { text: 'a' }, 409],
        )
      })
    })

    describe('statements', () => {
      it('are one at a time', async () => {
        const outcome = await ask({ ...write, write: `${write.write}; delete from notes` })
        assert.deepEqual([outcome.kind, 'evidence' in outcome && outcome.evidence], ['refused', { sqlstate: '42601' }])
        assert.deepEqual(await notes(), [])
      })

      it('that read cannot write', async () => {
        for (const read of [
          `with a as (insert into notes (text) values ('a') returning id) select * from a`,
          `select nextval('notes_id_seq')`,
        ]) {
          const outcome = await ask({ read }, own)
          assert.deepEqual(
            [outcome.kind, 'evidence' in outcome && outcome.evidence],
            ['refused', { sqlstate: '25006' }],
          )
        }
        assert.deepEqual(await notes(), [])
      })

      it('that end the transaction themselves are in doubt', async () => {
        const outcome = await ask({ ...write, write: 'commit', params: [] })
        assert.deepEqual(outcome, {
          kind: 'unknown',
          reason: 'the statement ended the transaction that it ran in',
          evidence: {},
        })
      })

      it('with two columns of one name have no answer', async () => {
        const outcome = await ask({ read: 'select 1 as a, 2 as a' }, own)
        assert.deepEqual(
          [outcome.kind, 'message' in outcome && outcome.message],
          ['refused', 'two columns of the answer have one name'],
        )
      })
    })

    describe('the database’s certain no', () => {
      const refusals: readonly [string, JsonObject, number, string][] = [
        ['a constraint', { write: `insert into notes (text, n) values ('a', 100)`, rows: 1 }, 409, '23514'],
        ['a missing value', { write: `insert into notes (text) values (null)`, rows: 1 }, 409, '23502'],
        ['bad syntax', { write: 'insert into', rows: 1 }, 400, '42601'],
        ['no such table', { write: 'insert into nothing values (1)', rows: 1 }, 400, '42P01'],
        ['no right', { write: 'insert into secret values (1)', rows: 1 }, 403, '42501'],
        [
          'a bad value',
          { write: `insert into notes (text, n) values ('a', ('x' || 'y')::int)`, rows: 1 },
          422,
          '22P02',
        ],
      ]
      for (const [what, request, status, sqlstate] of refusals) {
        it(`is refused, in our words: ${what}`, async () => {
          const outcome = await ask(request)
          assert.ok(outcome.kind === 'refused', JSON.stringify(outcome))
          assert.deepEqual([outcome.status, outcome.evidence], [status, { sqlstate }])
          assert.ok(!/nothing"|secret|xy|null value/.test(outcome.message), outcome.message)
        })
      }

      it('of a deferred constraint comes at COMMIT and is certain', async () => {
        const outcome = await ask({ write: 'insert into unique_notes values (1), (1)', rows: 2 })
        assert.deepEqual(outcome, {
          kind: 'refused',
          status: 409,
          message: 'there is one already: a unique constraint forbids it, unique_notes_pkey (23505)',
          evidence: { sqlstate: '23505' },
        })
      })
    })

    describe('what goes wrong before COMMIT is certain', () => {
      const slow = { write: `insert into notes (text) select 'a' from pg_sleep(5)`, rows: 1 }

      it('the server ends a statement that takes too long', async () => {
        const connection = connect({ timeout_ms: 600 })
        const outcome = await connection.send(slow, attempt())
        assert.deepEqual(outcome, {
          kind: 'not_sent',
          code: 'backend_unavailable',
          reason: 'the statement took too long (57014); the transaction was rolled back',
        })
        assert.equal((await connection.send(write, attempt())).kind, 'done')
        assert.deepEqual(await notes(), ['hello'])
      })

      it('the connection is cut while the statement runs', async () => {
        const sent = ask(slow, { id: 'call_cut' })
        await seen('call_cut')
        await database.sql(
          `select pg_terminate_backend(pid) from pg_stat_activity where application_name like '%call_cut%'`,
        )
        const outcome = await sent
        assert.deepEqual([outcome.kind, 'code' in outcome && outcome.code], ['not_sent', 'backend_unavailable'])
        assert.deepEqual(await notes(), [])
      })

      it('the attempt is stopped while the statement runs, and its locks go', async () => {
        const end = new AbortController()
        const connection = connect({ timeout_ms: 400 })
        const sent = connection.send(slow, attempt({ id: 'call_stopped', signal: end.signal }))
        await seen('call_stopped')
        end.abort()
        assert.equal((await sent).kind, 'not_sent')
        await seen('call_stopped', 0)
      })

      it('a serialization failure leaves the key free', async () => {
        await database.sql(`alter role agent set default_transaction_isolation = 'serializable'`)
        await database.sql(`insert into notes (text, n) values ('a', 1), ('b', 2)`)
        // each reads what the other writes
        const skew = {
          write: `update notes set n = (select sum(n) from notes, pg_sleep(0.2)) where text = $1`,
          rows: 1,
        }
        const [one, other] = [connect(), connect()]
        const outcomes = await Promise.all([
          one.send({ ...skew, params: ['a'] }, attempt()),
          other.send({ ...skew, params: ['b'] }, attempt()),
        ])
        await database.sql('alter role agent reset default_transaction_isolation')
        assert.deepEqual(outcomes.map(({ kind }) => kind).sort(), ['done', 'not_sent'])
        const lost = outcomes.find(({ kind }) => kind === 'not_sent')
        assert.match(lost?.kind === 'not_sent' ? lost.reason : '', /another transaction was in the way \(40001\)/)
      })

      it('an answer that is too large or too long', async () => {
        for (const [from, message] of [
          [`select 'a' from generate_series(1, 1001)`, 'the answer has more than 1000 rows'],
          [`select repeat('x', 2000000)`, 'the answer is too large'],
        ] as const) {
          const outcome = await ask({ write: `insert into notes (text) ${from} returning text`, rows: '1..1000' })
          assert.deepEqual(outcome, { kind: 'refused', status: 422, message, evidence: {} })
        }
        // the rest of the large one is not waited for: its connection is gone
        await open(1)
        assert.deepEqual(await notes(), [])
      })

      it('a thousand rows are not too many', async () => {
        const outcome = await ask({ read: 'select n from generate_series(1, 1000) as n' }, own)
        assert.deepEqual(outcome.kind === 'done' && outcome.evidence, { rows: 1000 })
      })
    })

    describe('the permit', () => {
      it('is asked once, when the transaction stands and nothing of the statement was sent', async () => {
        const seenThen: number[] = []
        const proxy = await startProxy(database.port)
        const connection = connect({ config: config(proxy.port) })
        const permit = (): boolean => {
          seenThen.push(proxy.statements())
          return true
        }
        await connection.send(write, attempt({ permit }))
        await connection.send(write, attempt({ permit }))
        await connection.close?.()
        await proxy.close()
        assert.deepEqual(seenThen, [0, 1])
      })

      it('is not granted: the connection is kept, without its transaction', async () => {
        const connection = connect()
        await connection.send(write, attempt({ permit: () => false }))
        const open = await database.sql(`select state from pg_stat_activity where usename = 'agent'`)
        assert.deepEqual(open, [{ state: 'idle' }])
        assert.deepEqual(await notes(), [])
      })
    })

    describe('connections', () => {
      it('are used again, each with the name of its call, which the server logs', async () => {
        const connection = connect()
        for (const id of ['call_first', 'call_second']) await connection.send(write, attempt({ id }))
        const logged = database.log.filter((line) => /call_(first|second) .*insert into notes/.test(line))
        assert.deepEqual(
          logged.map((line) => /^\[(.*?)\]/.exec(line)?.[1]),
          ['keystay call_first support-agent', 'keystay call_second support-agent'],
        )
        const open = await database.sql(`select application_name as name from pg_stat_activity where usename = 'agent'`)
        assert.deepEqual(open, [{ name: 'keystay' }])
      })

      it('carry no text of the stamp into the statement', async () => {
        const stamp = { 'Keystay-Role': `x'; drop table notes; --` }
        assert.equal((await ask(write, { stamp })).kind, 'done')
        assert.deepEqual(await notes(), ['hello'])
      })

      it('that died while they stood idle are replaced', async () => {
        const connection = connect()
        await connection.send(write, attempt())
        await database.sql(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'agent'`)
        assert.equal((await connection.send(write, attempt())).kind, 'done')
        assert.deepEqual(await notes(), ['hello', 'hello'])
      })

      it('that are lost at BEGIN though they looked alive are replaced too', async () => {
        const proxy = await startProxy(database.port)
        const connection = connect({ config: config(proxy.port) })
        await connection.send(write, attempt())
        proxy.hangUp()
        const outcome = await connection.send(write, attempt())
        proxy.hangUp()
        const fresh = await connect({ config: config(proxy.port) }).send(write, attempt())
        await connection.close?.()
        await proxy.close()
        // a connection that was made for this attempt is not made twice
        assert.deepEqual([outcome.kind, fresh.kind], ['done', 'not_sent'])
        assert.deepEqual(await notes(), ['hello', 'hello'])
      })

      it('with yesterday’s password are not used once it has changed', async () => {
        let password = CANARY
        const connection = connect({}, (ref) => Promise.resolve(new Secret(ref, password)))
        await connection.send(write, attempt())
        const [first] = await database.sql(`select pid from pg_stat_activity where usename = 'agent'`)
        await database.sql(`alter role agent password 'sk_test_rotated'`)
        password = 'sk_test_rotated'
        const outcome = await connection.send(write, attempt())
        const [second] = await database.sql(`select pid from pg_stat_activity where usename = 'agent' and pid <> $1`, [
          first?.['pid'],
        ])
        await database.sql(`alter role agent password '${CANARY}'`)
        assert.equal(outcome.kind, 'done')
        assert.ok(second !== undefined)
      })

      it('with a wrong password say so without it', async () => {
        const wrong = 'sk_test_wrong'
        const outcome = await connect({}, (ref) => Promise.resolve(new Secret(ref, wrong))).send(write, attempt())
        assert.deepEqual(outcome, {
          kind: 'not_sent',
          code: 'secret_unavailable',
          reason: 'the server refused the login (28P01)',
        })
      })

      it('are no more than the policy says; the rest wait', async () => {
        const connection = connect({ config: { ...config(database.port), connections: 2 } })
        const read = { read: `select count(*) as n from pg_stat_activity where usename = 'agent'` }
        const outcomes = await Promise.all(Array.from({ length: 8 }, () => connection.send(read, attempt(own))))
        assert.ok(outcomes.every(({ kind }) => kind === 'done'))
        const [open] = await database.sql(`select count(*)::int as n from pg_stat_activity where usename = 'agent'`)
        assert.deepEqual(open, { n: 2 })
      })

      it('to a server that says nothing end in time', async () => {
        const silent = createServer(() => {}).listen(0, '127.0.0.1')
        await new Promise((resolve) => silent.once('listening', resolve))
        const { port } = silent.address() as AddressInfo
        const outcome = await connect({ timeout_ms: 200, config: config(port) }).send(write, attempt())
        silent.close()
        assert.deepEqual(outcome, {
          kind: 'not_sent',
          code: 'backend_unavailable',
          reason: 'the backend did not answer in time, before anything was sent',
        })
      })
    })

    describe('the address', () => {
      const named = postgresOver({
        lookup: (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
      })
      const url = (text: string): JsonObject => ({ ...config(1), url: text })

      it('is checked for names and literals alike', async () => {
        for (const [host, isPrivate] of [
          ['db.test', false],
          ['127.0.0.1', false],
          ['[::1]', false],
          ['169.254.169.254', true],
        ] as const) {
          const outcome = await connect(
            { private: isPrivate, config: url(`postgres://${host}:1/postgres`) },
            canary,
            named,
          ).send(write, attempt())
          assert.ok(outcome.kind === 'not_sent')
          assert.match(outcome.reason, /which may not be called$/, host)
        }
      })

      it('is verified by TLS with the host’s name; no certificate, no login', async () => {
        const send = (host: string, change: JsonObject = {}): Promise<Outcome> =>
          connect(
            { config: { ...url(`postgres://${host}:${database.port}/postgres?sslmode=verify-full`), ...change } },
            canary,
            named,
          ).send(write, attempt())
        assert.equal((await send('db.test', { ca: database.ca })).kind, 'done')
        const refused = [
          await send('db.test'),
          await send('other.test', { ca: database.ca }),
          await send('127.0.0.1', { ca: database.ca }),
        ]
        assert.deepEqual(
          refused.map((outcome) => 'reason' in outcome && outcome.reason.replace(/\(.*\)/, '')),
          Array.from({ length: 3 }, () => 'the TLS handshake with the backend failed '),
        )
        assert.deepEqual(await notes(), ['hello'])
      })

      it('ends a TLS connection in time too', async () => {
        const change = { ...url(`postgres://db.test:${database.port}/postgres`), ca: database.ca }
        const connection = connect({ timeout_ms: 300, config: change }, canary, named)
        const end = AbortSignal.timeout(150)
        const sent = await connection.send(
          { ...write, write: `insert into notes (text, call) select $1, $2 from pg_sleep(3)` },
          attempt({ signal: end }),
        )
        assert.equal(sent.kind, 'not_sent')
        assert.equal((await connection.send(write, attempt())).kind, 'done')
      })

      it('does not go without TLS where nobody said so', async () => {
        const proxy = await startAnswering(Buffer.from('N'))
        const outcome = await connect({ config: url(`postgres://db.test:${proxy.port}/postgres`) }, canary, named).send(
          write,
          attempt(),
        )
        await proxy.close()
        assert.deepEqual(outcome, {
          kind: 'not_sent',
          code: 'backend_unavailable',
          reason: 'the server does not speak TLS; on a private network sslmode=disable does without',
        })
      })

      it('does not tell the password in the clear where there is no TLS', async () => {
        // AuthenticationCleartextPassword (54.7)
        const asking = await startAnswering(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]))
        const outcome = await connect({ config: config(asking.port) }).send(write, attempt())
        await asking.close()
        assert.deepEqual(outcome, {
          kind: 'not_sent',
          code: 'backend_unavailable',
          reason: 'the server asks for the password in the clear',
        })
        assert.equal(asking.messages(), 1)
      })

      const bad: readonly [string, boolean][] = [
        ['http://db.test/x', true],
        ['postgres://db.test', true],
        ['postgres://me:pw@db.test/x', true],
        ['postgres://db.test/x?sslmode=require', true],
        ['postgres://db.test/x?sslmode=verify-full&options=-c', true],
        ['postgres://db.test/x?sslmode=disable', false],
        ['postgres:///x', true],
      ]
      for (const [text, isPrivate] of bad) {
        it(`is refused at the start: ${text}${isPrivate ? '' : ', not private'}`, () => {
          assert.throws(() => connect({ private: isPrivate, config: url(text) }), TypeError)
        })
      }
    })

    async function open(count: number): Promise<void> {
      const query = `select from pg_stat_activity where usename = 'agent'`
      for (let tries = 0; tries < 100 && (await database.sql(query)).length !== count; tries++) await pause(20)
      assert.equal((await database.sql(query)).length, count)
    }

    /** Waits until that many connections carry the name. */
    async function seen(name: string, count = 1): Promise<void> {
      for (let tries = 0; tries < 100; tries++) {
        const found = await database.sql(
          `select from pg_stat_activity where application_name like $1 and state = 'active'`,
          [`%${name}%`],
        )
        if (found.length === count) return
        await pause(20)
      }
      assert.fail(`not ${count} of ${name}`)
    }
  })

  it('is spoken to with the login that Vault makes, and with another once that is gone', async () => {
    const vault = await startVault()
    for (const number of [1, 2])
      await database.sql(
        `create role "v-approle-orders-${number}" login password 'A1a-fake-${number}-password-of-the-tests'`,
      )
    const auth = { lease: 'vault://database/creds/orders' }
    const spec = backendSpec({ adapter: 'postgres', config: { ...config(database.port), auth } })
    const options = { now: () => performance.now(), onEvent: () => {}, environment: { VAULT_TOKEN: ROOT } }
    const secrets = await openSecrets(`vault:${vault.url}`, options)
    const backends = openBackends(
      new Map([['bench', spec]]),
      new Map([['postgres', postgres]]),
      secrets.get,
      secrets.refused,
    )
    const who = (): Promise<Outcome> =>
      backends.send('bench', { read: 'select current_user as user' }, { ...SENDING, permit: () => true })
    try {
      const first = await who()
      assert.match(JSON.stringify(first), /"done".*"user":"v-approle-orders-1"/)
      assert.ok(!JSON.stringify(first).includes('A1a-fake'))
      // as a revocation does it
      await database.sql(`alter role "v-approle-orders-1" nologin`)
      await database.sql(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'v-approle-orders-1'`)
      await database.sql(`drop role "v-approle-orders-1"`)
      const second = await who()
      assert.match(JSON.stringify(second), /"done".*"user":"v-approle-orders-2"/)
      // nobody made a third: it is refused, once more asked for, and left
      await database.sql(`alter role "v-approle-orders-2" nologin`)
      await database.sql(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'v-approle-orders-2'`)
      const third = await who()
      assert.equal(third.kind === 'not_sent' && third.code, 'secret_unavailable')
      assert.equal(vault.requests.filter(({ path }) => path === 'database/creds/orders').length, 3)
    } finally {
      await backends.close()
      await secrets.close()
    }
    assert.deepEqual(vault.leases, [])
    await vault.close()
  })
})

const SENDING = { call: 'call_01JD0000000000000000000001', attempt: 1, stamp: {} }

/** A server that answers the first message so, and nothing to further ones. */
async function startAnswering(
  answer: Buffer,
): Promise<{ port: number; messages: () => number; close(): Promise<void> }> {
  let messages = 0
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.write(answer))
    socket.on('data', () => (messages += 1))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    messages: () => messages,
    close: async () => void server.close(),
  }
}
