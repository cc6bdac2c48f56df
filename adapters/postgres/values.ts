import pg from 'pg'
import type { Json } from '../../gateway/core/types.ts'
import { readJson } from '../http/json.ts'

/**
 * A value of an answer, from PostgreSQL's text form, as JSON that changes nothing: an integer or a double that a JSON
 * number keeps exactly is one; bigint beyond 2^53−1 and numeric are text; points in time are ISO 8601 text; json is read,
 * with numbers that a double would change as text; common arrays are lists; everything else is the server's own text.
 *
 * @param type the object id of the column's type (pg_type.oid; fixed for built-in types)
 */
export function valueOf(type: number, text: string | null): Json {
  if (text === null) return null
  const element = ARRAYS.get(type)
  if (element === undefined) return readerOf(type)(text)
  return arrays.create(text, readerOf(element)).parse()
}

// the types that pg comes with are of another version of its parser
const arrays = pg.types.arrayParser as unknown as { create(text: string, reader: Reader): { parse(): Json } }

type Reader = (text: string) => Json

function readerOf(type: number): Reader {
  return READERS.get(type) ?? ((text) => text)
}

const exactNumber: Reader = (text) => {
  const number = Number(text)
  if (!Number.isFinite(number)) return text
  // -0 and 0 are one number to JSON's readers
  return Number.isInteger(number) && !Number.isSafeInteger(number) ? text : number + 0
}

/** `2026-11-23 15:00:00.123+00` → `2026-11-23T15:00:00.123Z`; `infinity` and years before Christ stay as they are. */
const moment: Reader = (text) => {
  const found = /^(\d{4,6}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(?:([+-]\d\d)(:\d\d)?)?$/.exec(text)
  if (found === null) return text
  const [, day = '', time = '', hours, minutes = ':00'] = found
  const zone = hours === undefined ? '' : hours === '+00' && minutes === ':00' ? 'Z' : hours + minutes
  return `${day}T${time}${zone}`
}

const json: Reader = (text) => readJson(Buffer.from(text)) ?? text

const READERS: ReadonlyMap<number, Reader> = new Map<number, Reader>([
  [16, (text) => text === 't'], // bool
  [20, exactNumber], // int8
  [21, exactNumber], // int2
  [23, exactNumber], // int4
  [26, exactNumber], // oid
  [700, exactNumber], // float4
  [701, exactNumber], // float8
  [114, json],
  [3802, json], // jsonb
  [1114, moment], // timestamp
  [1184, moment], // timestamptz
])

/** Array type → type of its elements. */
const ARRAYS: ReadonlyMap<number, number> = new Map([
  [1000, 16],
  [1016, 20],
  [1005, 21],
  [1007, 23],
  [1021, 700],
  [1022, 701],
  [199, 114],
  [3807, 3802],
  [1115, 1114],
  [1185, 1184],
  [1009, 25], // text
  [1015, 1043], // varchar
  [1231, 1700], // numeric
  [1182, 1082], // date
  [2951, 2950], // uuid
])
