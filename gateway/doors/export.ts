import { pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import type { Request, Response, Router } from 'express'
import { visible, visibleJson } from '../core/visible.ts'
import type { CallExport } from '../pipeline/gateway.ts'
import { newRouter } from './frame.ts'
import type { DoorParts } from './frame.ts'
import { callFilter } from './people.ts'
import { discardBody } from './read-body.ts'
import { SECURITY_HEADERS } from './security-headers.ts'
import { personAt } from './who.ts'

/** Calls read at a time; the answer is written as it is read. */
const PAGE = 500
/** Calls made into lines at a time: so long agents wait, a few milliseconds. */
const LINES = 50

/**
 * `GET /admin/v1/calls.csv` and `.jsonl`: exactly the filter, newest first, without a cap. What happens after the first
 * page was read is not in it, and a page that fails cuts the connection: half a list must not look whole.
 *
 * @throws Problem token_missing, token_invalid, not_eligible, malformed; before the first byte
 */
export function exportRoutes(parts: DoorParts): Router {
  const { gateway, scrub, fault } = parts
  const router = newRouter()
  for (const [name, { type, head, line }] of Object.entries(FORMATS)) {
    router.get(`/admin/v1/calls.${name}`, async (request: Request, response: Response) => {
      const person = await personAt(request, parts)
      const filter = { ...callFilter(request, false), limit: PAGE }
      let page = await gateway.people.exported(person, filter)
      const whole = await discardBody(request)
      const disposition = `attachment; filename="calls.${name}"`
      const own = ['Cache-Control', 'no-store', 'Content-Type', type, 'Content-Disposition', disposition]
      response.writeHead(200, [...SECURITY_HEADERS, ...own, ...(whole ? [] : ['Connection', 'close'])])
      const lines = async function* () {
        yield head
        for (;;) {
          // The store reads on meanwhile, one page ahead of whoever reads here.
          const { calls, cursor } = page
          const next = cursor === null ? null : gateway.people.exported(person, { ...filter, cursor })
          next?.catch(() => {})
          for (let start = 0; start < calls.length; start += LINES) {
            // Others have their turn, also where every page is there at once.
            await turn()
            const some = calls.slice(start, start + LINES)
            yield scrub(some.map(line).join(''))
          }
          if (next === null) return
          page = await next
        }
      }
      // Waits while the reader is slower than the store. What fails destroys the answer; a reader who left is no fault.
      await pipeline(lines, response).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') fault(error)
      })
    })
  }
  return router
}

/** The columns, in this order; docs/cli.md has them. A new one is the last. */
const COLUMNS = [
  ...(['call', 'at', 'updated_at', 'action', 'role', 'requester', 'session', 'key', 'status', 'summary'] as const),
  ...(['amount', 'currency', 'because', 'approved_by', 'detail', 'evidence', 'entry', 'acting_for'] as const),
] satisfies readonly (keyof CallExport)[]

const FORMATS = {
  csv: {
    type: 'text/csv; charset=utf-8; header=present',
    head: `${COLUMNS.join(',')}\r\n`,
    line: (call: CallExport) => `${COLUMNS.map((name) => cell(call[name])).join(',')}\r\n`,
  },
  jsonl: {
    type: 'application/jsonl; charset=utf-8',
    head: '',
    line: (call: CallExport) => `${visibleJson(Object.fromEntries(COLUMNS.map((name) => [name, call[name]])))}\n`,
  },
} as const

/**
 * RFC 4180, every cell quoted. A spreadsheet runs a cell that begins with = + - @ (or their wide forms, or after blanks)
 * as a formula, and quotes do not stop it: such a text gets an apostrophe in front. Control and direction characters are
 * made visible, so a cell is one line and reads in one way.
 */
function cell(value: CallExport[keyof CallExport]): string {
  if (value === null) return ''
  const text = typeof value === 'string' ? value : isList(value) ? value.join(' ') : textOf(value)
  const shown = visible(text)
  const safe = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20|%]/.test(shown) ? `'${shown}` : shown
  return `"${safe.replaceAll('"', '""')}"`
}

function isList(value: CallExport[keyof CallExport]): value is readonly string[] {
  return Array.isArray(value)
}

function textOf(value: object): string {
  return Object.keys(value).length === 0 ? '' : JSON.stringify(value)
}
