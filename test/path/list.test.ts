import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { join } from 'node:path'
import { idFrom } from '../../gateway/core/id.ts'
import type { Call } from '../../gateway/core/types.ts'
import type { PeopleFilter } from '../../gateway/pipeline/gateway.ts'
import type { House } from '../../gateway/pipeline/house.ts'
import { everyCall, listOf } from '../../gateway/pipeline/list.ts'
import { writeCalls } from '../../gateway/store/calls.ts'
import { readingThread } from '../../gateway/store/reading-thread.ts'
import { migrate } from '../../gateway/store/schema.ts'
import { openSqlite } from '../../gateway/store/sqlite.ts'
import { StoreUnavailable } from '../../gateway/store/store.ts'
import type { Store } from '../../gateway/store/store.ts'
import { freshDirectory, freshFile, open } from '../store/operations.ts'

const CALLS = 20_000
const BEGAN = Date.parse('2026-01-01T00:00:00Z')

/** Whose calls are a third of all, and long ago. */
const OLD = { id: idFrom('ses', BEGAN - 1000, new Uint8Array(10)), requester: 'ci:old', expires_at: BEGAN + 60_100_000 }

/** All done and of one action, but for one in a thousand. */
const calls = Array.from({ length: CALLS }, (_, at) => {
  const created_at = BEGAN + at * 10_000
  const call = {
    id: idFrom('call', created_at, new Uint8Array(10).fill(at % 256)),
    state: at % 1000 === 7 ? 'refused' : 'done',
    action: at === 3 ? 'pay.once' : 'pay.refund',
    role: 'agent',
    principal: 'ci:bot',
    requester: 'ci:bot',
    session: at < 6000 ? OLD.id : 'ses_1',
    key: `T-${at}`,
    bound: true,
    cost: { unit: 'USD', amount: 100 + (at % 900) },
    summary: `Refund on ch_${at}`,
    detail: null,
    because: [],
    need: [],
    evidence: { request_id: `req_${at}` },
    created_at,
    expires_at: null,
  }
  return call as unknown as Call
})

describe('the log of calls, however long it is', () => {
  let store: Store & { close(): Promise<void> }
  let looks: number
  /** Each question of the time takes ten of its milliseconds. */
  const house = (): Pick<House, 'store' | 'clock'> & House => {
    let now = 0
    looks = 0
    const counted = {
      ...store,
      look: (...given: Parameters<Store['look']>) => {
        looks++
        return store.look(...given)
      },
    }
    return {
      store: counted,
      clock: { now: () => now, monotonic: () => (now += 10), sleep: async () => {} },
    } as unknown as House
  }

  before(async () => {
    const file = join(freshDirectory(), 'keystay.db')
    const driver = openSqlite(file)
    await migrate(driver)
    await driver.transaction(async (db) => {
      await writeCalls(db, calls, () => true)
      await db.run(
        `INSERT INTO sessions (id, token_hash, role, lineage, principal, requester, issuer, expires_at, data)
         VALUES ($1, 'hash', 'agent', $2, 'ci:bot', $3, 'i', $4, '{}')`,
        [OLD.id, OLD.id, OLD.requester, OLD.expires_at],
      )
    })
    await driver.close()
    store = await open(file)
  })

  it('answers a search that finds nothing in time, with a cursor that leads to the end', async () => {
    for (const filter of [
      { q: 'found nowhere' },
      { min: '1000' },
      { evidence: 'req_nowhere', status: 'done' },
      { q: 'Zoë', role: 'agent', person: 'nobody' },
    ] satisfies PeopleFilter[]) {
      let pages = 0
      for (let cursor: string | null = ''; cursor !== null; pages++) {
        const page: { calls: string[]; cursor: string | null } = await listOf(
          house(),
          cursor === '' ? filter : { ...filter, cursor },
          ({ id }) => id,
        )
        deepEqual(page.calls, [])
        ok(looks <= 12, `${looks} looks for one page`)
        ok(pages < 100)
        cursor = page.cursor
      }
      ok(pages > 1 || 'person' in filter, `${pages} pages`)
    }
  })

  it('finds what is rare, each once, page by page', async () => {
    for (const [filter, wanted] of [
      [{ status: 'refused' }, calls.filter(({ state }) => state === 'refused')],
      [{ q: 'REQ_7' }, calls.filter((_, at) => `req_${at}`.includes('req_7'))],
      [{ action: 'pay.once', q: 'ch_3' }, calls.slice(3, 4)],
      [{ min: '9.99' }, calls.filter(({ cost }) => cost?.amount === 999)],
    ] satisfies [PeopleFilter, Call[]][]) {
      const found: string[] = []
      for (let cursor: string | null = ''; cursor !== null;) {
        const asked: PeopleFilter = { ...filter, limit: 7, ...(cursor === '' ? {} : { cursor }) }
        const page: { calls: string[]; cursor: string | null } = await listOf(house(), asked, ({ id }) => id)
        found.push(...page.calls)
        cursor = page.cursor
      }
      deepEqual(found, wanted.map(({ id }) => id).toReversed(), JSON.stringify(filter))
    }
  })

  it('begins where the sessions of a person were, however much came after them', async () => {
    const first = await listOf(house(), { person: OLD.requester, limit: 2 }, ({ id }) => id)
    deepEqual([first.calls, looks], [[calls[5999]?.id, calls[5998]?.id], 1])
    const found: string[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const asked: PeopleFilter = { person: OLD.requester, limit: 1000, ...(cursor === '' ? {} : { cursor }) }
      const page: { calls: string[]; cursor: string | null } = await listOf(house(), asked, ({ id }) => id)
      found.push(...page.calls)
      cursor = page.cursor
    }
    equal(found.length, 6000)
    deepEqual(await listOf(house(), { person: 'nobody' }, ({ id }) => id), { calls: [], cursor: null })
    equal(looks, 1)
  })

  it('reads no more of what matches than a page shows, or little more', async () => {
    let most = 0
    const here = house()
    const { look } = here.store
    const counting = async (...given: Parameters<Store['look']>) => {
      const glance = await look(...given)
      most = Math.max(most, glance.calls.length)
      return glance
    }
    // The first stretches have none, and grow; the one after them has nothing else.
    const page = await listOf(
      { ...here, store: { ...here.store, look: counting } },
      { q: 'ch_', min: '1', limit: 5 },
      ({ id }) => id,
    )
    deepEqual([page.calls.length, most <= 10], [5, true])
  })

  it('is asked by an agent for a key that none has, and reads all of it in turns', async () => {
    deepEqual(await everyCall(house(), { principal: 'ci:bot', role: 'agent', key: 'T-none' }, 100), [])
    ok(looks > 5, `${looks} looks`)
    const [found] = await everyCall(house(), { principal: 'ci:bot', role: 'agent', key: 'T-0' }, 100)
    equal(found?.id, calls[0]?.id)
    equal((await everyCall(house(), { principal: 'ci:bot' }, 3)).length, 3)
  })
})

describe('the thread that reads', () => {
  it('ends when nobody asks, begins again when somebody does, and answers nobody once it is closed', async () => {
    const file = freshFile()
    const store = await open(file)
    const thread = readingThread(file, undefined, 1)
    for (let turn = 0; turn < 2; turn++) {
      deepEqual(await thread.look({}, 10), { calls: [], before: null })
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    equal((await thread.proof('call_1'))?.entries.length ?? 0, 0)
    await thread.close()
    await rejects(thread.look({}, 10), StoreUnavailable)
    await store.close()
  })

  it('says that the store is not available where the file is not there', async () => {
    const thread = readingThread('/nowhere/keystay.db')
    await rejects(thread.look({}, 10), StoreUnavailable)
    await rejects(thread.proof('call_1'), StoreUnavailable)
    await thread.close()
  })
})
