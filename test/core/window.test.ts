import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { Window } from '../../gateway/core/types.ts'
import {
  bucketOf,
  parseDuration,
  parseLimit,
  parseRate,
  parseWindow,
  resetsAt,
  staleBefore,
  usedAt,
} from '../../gateway/core/window.ts'

const at = (text: string): number => Date.parse(text)
const text = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString().replace('.000Z', 'Z')
const calendar = (every: 'day' | 'week' | 'month', timezone: string): Window => ({ kind: 'calendar', every, timezone })
const rolling = (length_ms: number): Window => ({ kind: 'rolling', length_ms })
const HOUR = 3_600_000

describe('a calendar window', () => {
  // window, an instant in it, its start, its end (checked against the IANA database by hand)
  const table: [Window, string, string, string][] = [
    [calendar('day', 'UTC'), '2026-11-23T15:00:00Z', '2026-11-23T00:00:00Z', '2026-11-24T00:00:00Z'],
    [calendar('day', 'UTC'), '2026-11-23T00:00:00Z', '2026-11-23T00:00:00Z', '2026-11-24T00:00:00Z'],
    [calendar('day', 'UTC'), '2026-12-31T23:59:59.999Z', '2026-12-31T00:00:00Z', '2027-01-01T00:00:00Z'],
    // New York: spring forward (23 h), fall back (25 h)
    [calendar('day', 'America/New_York'), '2026-03-08T12:00:00Z', '2026-03-08T05:00:00Z', '2026-03-09T04:00:00Z'],
    [calendar('day', 'America/New_York'), '2026-11-01T12:00:00Z', '2026-11-01T04:00:00Z', '2026-11-02T05:00:00Z'],
    [calendar('day', 'America/New_York'), '2026-11-01T05:30:00Z', '2026-11-01T04:00:00Z', '2026-11-02T05:00:00Z'],
    [calendar('day', 'America/New_York'), '2026-11-01T06:30:00Z', '2026-11-01T04:00:00Z', '2026-11-02T05:00:00Z'],
    [calendar('week', 'America/New_York'), '2026-03-08T12:00:00Z', '2026-03-02T05:00:00Z', '2026-03-09T04:00:00Z'],
    [calendar('week', 'America/New_York'), '2026-11-02T05:00:00Z', '2026-11-02T05:00:00Z', '2026-11-09T05:00:00Z'],
    [calendar('week', 'America/New_York'), '2026-11-02T04:59:59.999Z', '2026-10-26T04:00:00Z', '2026-11-02T05:00:00Z'],
    [calendar('month', 'America/New_York'), '2026-11-01T03:59:59Z', '2026-10-01T04:00:00Z', '2026-11-01T04:00:00Z'],
    [calendar('month', 'America/New_York'), '2026-11-15T00:00:00Z', '2026-11-01T04:00:00Z', '2026-12-01T05:00:00Z'],
    [calendar('month', 'UTC'), '2026-12-31T23:00:00Z', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    [calendar('month', 'UTC'), '2028-02-29T12:00:00Z', '2028-02-01T00:00:00Z', '2028-03-01T00:00:00Z'],
    [calendar('week', 'UTC'), '2027-01-01T12:00:00Z', '2026-12-28T00:00:00Z', '2027-01-04T00:00:00Z'],
    // east and west of everybody
    [calendar('day', 'Pacific/Kiritimati'), '2026-11-23T09:59:59Z', '2026-11-22T10:00:00Z', '2026-11-23T10:00:00Z'],
    [calendar('day', 'Pacific/Pago_Pago'), '2026-11-23T10:59:59Z', '2026-11-22T11:00:00Z', '2026-11-23T11:00:00Z'],
    [calendar('day', 'Asia/Kathmandu'), '2026-11-23T00:00:00Z', '2026-11-22T18:15:00Z', '2026-11-23T18:15:00Z'],
    [calendar('month', 'Asia/Tokyo'), '2026-12-31T15:00:00Z', '2026-12-31T15:00:00Z', '2027-01-31T15:00:00Z'],
    // the clocks skip midnight: the day begins at 01:00
    [calendar('day', 'Africa/Cairo'), '2026-04-24T12:00:00Z', '2026-04-23T22:00:00Z', '2026-04-24T21:00:00Z'],
    // the clocks go back over midnight
    [calendar('day', 'America/Havana'), '2026-11-01T12:00:00Z', '2026-11-01T04:00:00Z', '2026-11-02T05:00:00Z'],
    // a day that never was: Samoa went from the 29th to the 31st of December 2011
    [calendar('day', 'Pacific/Apia'), '2011-12-30T12:00:00Z', '2011-12-30T10:00:00Z', '2011-12-31T10:00:00Z'],
    [calendar('day', 'Pacific/Apia'), '2011-12-30T09:00:00Z', '2011-12-29T10:00:00Z', '2011-12-30T10:00:00Z'],
  ]
  for (const [window, now, start, end] of table) {
    const name = window.kind === 'calendar' ? `${window.every} in ${window.timezone}` : ''
    it(`${name} at ${now} is ${start} to ${end}`, () => {
      assert.equal(text(bucketOf(window, at(now))), start)
      assert.equal(text(resetsAt(window, new Map(), at(now))), end)
      assert.equal(staleBefore(window, at(now)), at(start))
    })
  }

  it('counts what was used in it, and nothing of the last one', () => {
    const window = calendar('day', 'America/New_York')
    const buckets = new Map([
      [at('2026-11-22T05:00:00Z'), 100],
      [at('2026-11-23T05:00:00Z'), 30],
    ])
    assert.equal(usedAt(window, buckets, at('2026-11-24T04:59:59.999Z')), 30)
    assert.equal(usedAt(window, buckets, at('2026-11-24T05:00:00Z')), 0)
  })

  it('still counts a use when the clock is a little behind it', () => {
    const window = calendar('day', 'UTC')
    const buckets = new Map([[at('2026-11-23T00:00:00Z'), 30]])
    assert.equal(usedAt(window, buckets, at('2026-11-22T23:59:59Z')), 30)
  })

  it('divides time without gap or overlap, in any zone', () => {
    const zones = fc.constantFrom(
      'UTC',
      'America/New_York',
      'Europe/Berlin',
      'Asia/Kolkata',
      'Pacific/Kiritimati',
      'America/Santiago',
      'Africa/Cairo',
      'Australia/Lord_Howe',
      'America/Havana',
    )
    const instants = fc.integer({ min: at('2020-01-01T00:00:00Z'), max: at('2036-01-01T00:00:00Z') })
    fc.assert(
      fc.property(
        zones,
        fc.constantFrom('day' as const, 'week' as const, 'month' as const),
        instants,
        (zone, every, now) => {
          const window = calendar(every, zone)
          const start = bucketOf(window, now)
          const end = resetsAt(window, new Map(), now) ?? 0
          assert.ok(start <= now && now < end)
          assert.equal(bucketOf(window, start), start)
          assert.equal(bucketOf(window, end - 1), start)
          assert.equal(bucketOf(window, end), end)
          assert.equal(resetsAt(window, new Map(), start - 1), start)
          assert.equal(usedAt(window, new Map([[start, 7]]), now), 7)
          assert.equal(usedAt(window, new Map([[start, 7]]), end), 0)
          const hours = (end - start) / HOUR
          const [least, most] = { day: [22, 26], week: [166, 170], month: [27 * 24, 32 * 24] }[every] as [
            number,
            number,
          ]
          assert.ok(hours >= least && hours <= most, `${hours} hours`)
        },
      ),
      { numRuns: 150 },
    )
  })
})

describe('a rolling window', () => {
  const lengths = fc.oneof(
    fc.constantFrom(60_000, HOUR, 24 * HOUR, 90 * 24 * HOUR),
    fc.integer({ min: 60_000, max: 90 * 24 * HOUR }),
  )
  const instants = fc.integer({ min: at('2020-01-01T00:00:00Z'), max: at('2036-01-01T00:00:00Z') })

  it('counts a use for at least its length, and not much longer', () => {
    fc.assert(
      fc.property(
        lengths,
        instants,
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (length_ms, use, part) => {
          const window = rolling(length_ms)
          const buckets = new Map([[bucketOf(window, use), 5]])
          assert.equal(usedAt(window, buckets, use), 5)
          assert.equal(usedAt(window, buckets, use + Math.floor(part * length_ms)), 5)
          assert.equal(usedAt(window, buckets, use + length_ms - 1), 5)
          assert.equal(usedAt(window, buckets, use + length_ms + Math.ceil(length_ms / 95)), 0)
        },
      ),
    )
  })

  it('holds at most 96 live buckets, however densely it is used', () => {
    fc.assert(
      fc.property(lengths, instants, (length_ms, now) => {
        const window = rolling(length_ms)
        const buckets = new Map<number, number>()
        for (let use = now - 2 * length_ms; use <= now; use += Math.max(1, Math.floor(length_ms / 200)))
          buckets.set(bucketOf(window, use), 1)
        buckets.set(bucketOf(window, now), 1)
        const live = usedAt(window, buckets, now)
        assert.ok(live <= 96, `${live} buckets`)
        const left = [...buckets.keys()].filter((start) => start >= staleBefore(window, now))
        assert.equal(left.length, live)
      }),
      { numRuns: 60 },
    )
  })

  it('reaches 96, so that the bound is no accident', () => {
    const window = rolling(95_000)
    const now = 960_000 + 1
    const buckets = new Map(Array.from({ length: 400 }, (_, second) => [now - 1 - second * 1000, 1]))
    assert.equal(usedAt(window, buckets, now), 96)
  })

  it('only ever lets go as time passes', () => {
    fc.assert(
      fc.property(
        lengths,
        instants,
        fc.array(fc.tuple(fc.double({ min: 0, max: 2, noNaN: true }), fc.integer({ min: 0, max: 100 })), {
          maxLength: 20,
        }),
        (length_ms, now, uses) => {
          const window = rolling(length_ms)
          const buckets = new Map<number, number>()
          for (const [ago, amount] of uses) {
            const bucket = bucketOf(window, now - Math.floor(ago * length_ms))
            buckets.set(bucket, (buckets.get(bucket) ?? 0) + amount)
          }
          let before = usedAt(window, buckets, now)
          for (let step = 1; step <= 40; step += 1) {
            const later = now + Math.floor((step * length_ms) / 20)
            const used = usedAt(window, buckets, later)
            assert.ok(used <= before)
            // deleting what is stale changes nothing
            const pruned = new Map([...buckets].filter(([start]) => start >= staleBefore(window, later)))
            assert.equal(usedAt(window, pruned, later), used)
            before = used
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('says when the oldest use leaves: one instant earlier it still counts', () => {
    fc.assert(
      fc.property(lengths, instants, (length_ms, use) => {
        const window = rolling(length_ms)
        const buckets = new Map([
          [bucketOf(window, use), 5],
          [bucketOf(window, use) - 10 * length_ms, 9],
        ])
        const free = resetsAt(window, buckets, use) ?? 0
        assert.ok(free > use)
        assert.equal(usedAt(window, buckets, free - 1), 5)
        assert.equal(usedAt(window, buckets, free), 0)
        assert.equal(resetsAt(window, buckets, free), null)
      }),
    )
  })

  it('resets never while nothing is used', () => {
    assert.equal(resetsAt(rolling(HOUR), new Map(), 0), null)
    assert.equal(
      resetsAt(
        rolling(HOUR),
        new Map([[bucketOf(rolling(HOUR), at('2026-01-01T00:00:00Z')), 0]]),
        at('2026-01-01T00:00:00Z'),
      ),
      null,
    )
  })
})

describe('a gauge', () => {
  it('knows no time', () => {
    const gauge: Window = { kind: 'gauge' }
    assert.deepEqual(
      [bucketOf(gauge, 5), usedAt(gauge, new Map([[0, 5]]), 5), resetsAt(gauge, new Map(), 5), staleBefore(gauge, 5)],
      [0, 0, null, 0],
    )
  })
})

describe('what the policy writes about time', () => {
  it('durations', () => {
    const table: [string, number | null][] = [
      ['4h', 4 * HOUR],
      ['30m', 30 * 60_000],
      ['10s', 10_000],
      ['7d', 7 * 24 * HOUR],
      ['24h', 24 * HOUR],
      ['250ms', 250],
      ['0s', 0],
      ['', null],
      ['4', null],
      ['4 h', null],
      ['-4h', null],
      ['1.5h', null],
      ['04h', null],
      ['4H', null],
      ['1h30m', null],
      ['4w', null],
      ['1e3s', null],
      ['9999999999d', null],
      ['٤h', null],
    ]
    assert.deepEqual(
      table.map(([duration]) => [duration, parseDuration(duration)]),
      table,
    )
  })

  it('windows', () => {
    assert.deepEqual(parseWindow('day', 'America/New_York'), {
      ok: true,
      window: calendar('day', 'America/New_York'),
      per: 'day',
    })
    assert.deepEqual(parseWindow('rolling 24h', 'UTC'), { ok: true, window: rolling(24 * HOUR), per: 'rolling 24h' })
    assert.deepEqual(parseWindow('rolling 90d', 'UTC'), {
      ok: true,
      window: rolling(90 * 24 * HOUR),
      per: 'rolling 90d',
    })
    const refused: [string, string][] = [
      ['rolling 59m', 'a rolling window is 1h to 90d long'],
      ['rolling 91d', 'a rolling window is 1h to 90d long'],
      ['rolling', 'write day, week, month, or rolling 24h'],
      ['rolling  24h', 'write rolling 24h, or rolling 30d'],
      ['24h', 'write rolling 24h'],
      ['30d', 'write rolling 720h'],
      ['hour', 'write rolling 1h'],
      ['minute', 'write day, week, month, or rolling 24h'],
      ['Day', 'write day, week, month, or rolling 24h'],
      ['year', 'write day, week, month, or rolling 24h'],
      ['constructor', 'write day, week, month, or rolling 24h'],
    ]
    assert.deepEqual(
      refused.map(([window]) => [window, parseWindow(window, 'UTC')]),
      refused.map(([window, hint]) => [window, { ok: false, message: `"${window}" is not a window`, hint }]),
    )
    assert.deepEqual(parseWindow('day', 'Mars/Olympus'), {
      ok: false,
      message: '"Mars/Olympus" is not a time zone',
      hint: 'write a name such as America/New_York',
    })
  })

  it('limits', () => {
    assert.deepEqual(parseLimit('500.00 USD per day', 'UTC'), {
      ok: true,
      max: { USD: 50000 },
      window: calendar('day', 'UTC'),
      per: 'day',
    })
    assert.deepEqual(parseLimit('500.00 USD or 450.00 EUR per rolling 30d', 'UTC'), {
      ok: true,
      max: { USD: 50000, EUR: 45000 },
      window: rolling(30 * 24 * HOUR),
      per: 'rolling 30d',
    })
    assert.deepEqual(parseLimit('50 rows per rolling 1h', 'UTC'), {
      ok: true,
      max: { rows: 50 },
      window: rolling(HOUR),
      per: 'rolling 1h',
    })
    for (const limit of [
      '500.00 USD',
      '500 USD per day',
      '500.00 USD per',
      '500.00 USD a day',
      'per day',
      '500.00 USD per day per week',
    ]) {
      assert.equal(parseLimit(limit, 'UTC').ok, false, limit)
    }
  })

  it('rates', () => {
    assert.deepEqual(parseRate('20 per hour'), { ok: true, max: 20, window: rolling(HOUR), per: 'hour' })
    assert.deepEqual(parseRate('5 per minute'), { ok: true, max: 5, window: rolling(60_000), per: 'minute' })
    assert.deepEqual(parseRate('1000 per day'), { ok: true, max: 1000, window: rolling(24 * HOUR), per: 'day' })
    for (const rate of [
      '0 per hour',
      '-1 per hour',
      '1.5 per hour',
      '20 per week',
      '20/hour',
      '20',
      'per hour',
      '20 per  hour',
      '9007199254740992 per day',
      '1e3 per day',
    ]) {
      assert.equal(parseRate(rate).ok, false, rate)
    }
  })
})
