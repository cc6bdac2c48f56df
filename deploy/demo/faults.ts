/** What can go wrong between a backend and its caller, on demand. Each is of the wire: the backend's own books stay right. */
const FAULT_KINDS = {
  slow: 'waits `ms` before the effect, which then happens whether or not the caller is still there',
  '500_before_effect': 'answers 500; nothing happened',
  '500_after_effect': 'answers 500; it happened',
  lost_answer: 'it happens, and the connection is reset instead of an answer',
  html: 'answers 200 with a web page, as a captive portal does; nothing happened',
  redirect: 'answers 302 to another address; nothing happened',
  '401_echo': 'answers 401 and repeats the credential in the body; nothing happened',
} as const

export interface Fault {
  readonly kind: keyof typeof FAULT_KINDS
  /** The beginning of a path; absent: every path outside /sandbox/. */
  readonly path?: string
  readonly method?: string
  /** Of `slow`, in milliseconds. */
  readonly ms: number
  /** How many requests it still meets. */
  times: number
}

/** @returns the first fault that fits the request, counted down; null when none does. */
export function takeFault(faults: Fault[], method: string, path: string): Fault | null {
  const at = faults.findIndex((fault) => (fault.method ?? method) === method && path.startsWith(fault.path ?? '/'))
  const fault = faults[at]
  if (!fault) return null
  fault.times -= 1
  if (fault.times <= 0) faults.splice(at, 1)
  return fault
}

/** The body of POST /sandbox/faults: `{kind, path?, method?, ms?, times?}`. @returns a sentence where it is not one. */
export function faultOf(body: unknown): Fault | string {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return 'A fault is a JSON object.'
  const { kind, path, method, ms = 1000, times = 1, ...rest } = body as Record<string, unknown>
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined) return `A fault has no member ${JSON.stringify(unknown)}.`
  if (typeof kind !== 'string' || !Object.hasOwn(FAULT_KINDS, kind))
    return `kind is one of ${Object.keys(FAULT_KINDS).join(', ')}.`
  if (path !== undefined && typeof path !== 'string') return 'path is a string.'
  if (method !== undefined && typeof method !== 'string') return 'method is a string.'
  if (!isCount(ms) || ms > 120_000) return 'ms is a whole number up to 120000.'
  if (!isCount(times) || times < 1) return 'times is a whole number, at least 1.'
  return {
    kind: kind as Fault['kind'],
    ...(path === undefined ? {} : { path }),
    ...(method === undefined ? {} : { method }),
    ms,
    times,
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
