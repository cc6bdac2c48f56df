import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

const NAME = 'keystay_'
/** From half a millisecond to the longest that anybody waits. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export type Instruments = ReturnType<typeof instruments>

/** Every metric of ours, with its labels; docs/operations.md has the same list. */
export function instruments(registry: Registry) {
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: NAME + name, help, labelNames, registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge({ name: NAME + name, help, labelNames, registers })
  const histogram = <L extends string>(name: string, help: string, buckets: number[], labelNames: readonly L[] = []) =>
    new Histogram({ name: NAME + name, help, buckets, labelNames, registers })
  return {
    calls: counter('calls_total', 'Calls by the status they came to; a held call that ran counts under both.', [
      'action',
      'role',
      'status',
      'code',
    ]),
    calls_seconds: histogram(
      'call_seconds',
      'From a call to its answer, where nobody was waited for; replays are left out.',
      SECONDS,
      ['status'],
    ),
    overhead: histogram(
      'call_overhead_seconds',
      'The same less the time in which a backend was asked: what the gateway itself takes, its ledger included.',
      SECONDS,
      ['status'],
    ),
    requests: counter('backend_requests_total', 'Requests to backends: attempts of calls, and reads of the gateway.', [
      'backend',
      'kind',
      'outcome',
    ]),
    backend: histogram(
      'backend_request_seconds',
      'From handing a request to the adapter, its turn in the queue included, to the outcome.',
      SECONDS,
      ['backend', 'kind'],
    ),
    breaker: gauge('backend_breaker_open', '1 while a backend is left alone because it fails too often.', ['backend']),
    places: gauge('backend_calls', 'Calls that are on their way to a backend, queue and doubt included.', ['backend']),
    shed: counter('calls_shed_total', 'Calls that were turned away because too many wait for their backend.', [
      'backend',
    ]),
    waits: gauge('requests_waiting', 'Requests that wait for a call to change.'),
    refused: counter('requests_refused_total', 'Requests that never became a call.', ['code']),
    events: counter('events_total', 'Entries of the ledger that are no call’s.', ['kind']),
    writes: histogram('ledger_write_seconds', 'From an operation to its durable answer.', SECONDS),
    failures: counter('ledger_write_failures_total', 'Operations that the ledger did not take.', ['reason']),
    waiting: gauge('ledger_waiting_operations', 'Operations that wait for their durable answer.'),
    batches: histogram('ledger_batch_operations', 'Operations in one transaction.', [1, 2, 4, 8, 16, 32, 64]),
    entries: gauge('ledger_entries', 'Entries in the ledger.'),
    unsigned: gauge('ledger_unsigned_entries', 'Entries that no signed head covers yet.'),
    head_age: gauge(
      'ledger_head_age_seconds',
      'For how long a signed head has not covered every entry; 0 when it does.',
    ),
    anchor_age: gauge(
      'anchor_age_seconds',
      'For how long the anchor has not had the newest signed head; 0 when it does.',
    ),
    restored: gauge('restored', '1 while a restored ledger waits for two people and no write is admitted.'),
    open: gauge('calls_open', 'Calls that are not settled.', ['status']),
    oldest: gauge('calls_open_oldest_seconds', 'Age of the oldest of them.', ['status']),
    sessions: gauge('sessions_live', 'Sessions that are neither ended nor expired; counted up to 10000.', ['role']),
    leases: gauge('leases_standing', 'Logins that were given out and are not revoked; counted up to 10000.'),
    leases_due: gauge('leases_overdue', 'Of those, the ones that must be gone and are not yet.'),
    notices: counter('notices_total', 'Tries to tell people that a call waits, by what came of them.', [
      'channel',
      'outcome',
    ]),
    notices_waiting: gauge('notices_waiting', 'Notices that are still to be sent; reminders count from the hold on.', [
      'channel',
    ]),
    notices_dead: gauge('notices_dead', 'Notices of the last month that came to nobody.', ['channel']),
    limit_used: gauge('limit_used', 'Used of a limit that counts by role: calls, or minor units of a currency.', [
      'role',
      'action',
      'limit',
      'unit',
    ]),
    limit_held: gauge('limit_held', 'Held of it by calls that are not settled.', ['role', 'action', 'limit', 'unit']),
    limit_max: gauge('limit_max', 'Its maximum.', ['role', 'action', 'limit', 'unit']),
    policy: gauge('policy_info', '1 for the policy that decides.', ['digest']),
    invalid: gauge('policy_invalid', '1 while the policy directory was refused and the policy before it decides.'),
    build: gauge('build_info', '1 for the version that runs.', ['version']),
    ready: gauge('ready', '1 while calls are admitted.'),
  }
}

let process_: Registry | null = null

/** Memory, CPU, event loop and garbage collection of the process; their probes are set up once, when first asked for. */
export function ofProcess(): Registry {
  if (process_ === null) {
    process_ = new Registry()
    collectDefaultMetrics({ register: process_ })
  }
  return process_
}
