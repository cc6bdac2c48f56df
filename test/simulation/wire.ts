import { createHmac } from 'node:crypto'
import type { Effect, Sent } from './backend.ts'
import type { Database } from './database.ts'
import { isSame } from './joins.ts'
import type { Stops } from './stops.ts'
import { isOpen, isWithoutEffect } from './track.ts'
import type { Track, Violated } from './track.ts'

export interface Asked {
  readonly client: string
  readonly input: { readonly [member: string]: string | number }
}

/** What leaves for a backend, and what comes of it there. */
export interface Wire {
  /** An agent asks for this. */
  asks(asked: Asked): void
  sent(sent: Sent): void
  happened(effect: Effect): void
}

export interface WireParts {
  readonly calls: ReadonlyMap<string, Track>
  readonly database: Pick<Database, 'rows'>
  readonly stops: Stops
  /** The call has something reserved, or takes nothing of any limit. */
  readonly isReserved: (track: Track) => boolean
  readonly violated: Violated
}

export function wire({ calls, database, stops, isReserved, violated }: WireParts): Wire {
  const asked = new Map<string, Asked[]>()
  const byClient = new Map<string, number>()

  /** I5: sent = recorded = decided = asked for. */
  function checkRequest({ call, request }: Sent, track: Track): void {
    const [body] = database.rows<{ salt: string; request: string | null; input: string | null }>(
      'SELECT salt, request, input FROM bodies WHERE call = ?',
      call,
    )
    const text = body?.request ?? 'null'
    const hmac = createHmac('sha256', Buffer.from(body?.salt ?? '', 'hex')).update(text)
    if (`hmac-sha256:${hmac.digest('hex')}` !== track.request) {
      violated('I5', `what is kept of ${call} is not what was decided`)
    }
    const kept = (JSON.parse(text) as { json?: unknown } | null)?.json
    if (JSON.stringify(kept) !== JSON.stringify(request)) violated('I5', `what ${call} sent is not what was recorded`)
    const input = JSON.parse(body?.input ?? '{}') as Asked['input']
    const client = String(request['client'])
    const same = (asked.get(client) ?? []).some((one) => sorted(one.input) === sorted(input))
    if (!same || request['amount'] !== input['amount']) violated('I5', `nobody asked for what ${call} sent`)
    if (!client.startsWith(`${track.principal}/${track.role}/${track.action}/`)) {
      violated('I8', `${call} of ${track.principal} sent what ${client} wanted`)
    }
  }

  return {
    asks(one) {
      asked.set(one.client, [...(asked.get(one.client) ?? []), one])
    },
    sent(sent) {
      const { call, attempt, at, host } = sent
      const track = calls.get(call)
      if (track === undefined || attempt < 1 || attempt > track.attempt) {
        return violated('I1', `attempt ${attempt} of ${call} was sent, and no intent of it is durable`)
      }
      const forbidden = stops.forbids(track, at)
      if (forbidden !== null) violated('I7', `${host.name} sent ${call} ${forbidden}`)
      checkRequest(sent, track)
    },
    happened({ call, client }) {
      const track = calls.get(call)
      const times = (byClient.get(client) ?? 0) + 1
      byClient.set(client, times)
      if (times > 1 && !isSame(client)) violated('I2', `${client} happened ${times} times`)
      if (track === undefined) return violated('I1', `${call} happened, and the ledger does not know it`)
      track.effects++
      if (track.effects > 1) violated('I2', `${call} happened ${track.effects} times`)
      if (isWithoutEffect(track)) violated('I4', `${call} happened, and it is ${track.state}`)
      if (isOpen(track) && !isReserved(track)) violated('I3', `${call} happened, and nothing is reserved for it`)
    },
  }
}

function sorted(input: Asked['input']): string {
  return JSON.stringify(Object.entries(input).sort(([a], [b]) => (a < b ? -1 : 1)))
}
