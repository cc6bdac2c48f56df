import { admit } from '../core/admit.ts'
import type { Grant } from '../core/types.ts'
import type { Asked } from './call.ts'
import type { Considered } from './consider.ts'
import type { Reply } from './gateway.ts'
import type { House } from './house.ts'
import { refuse } from './refuse.ts'

/** The decision and the request that would be sent. Nothing is counted but `attempts`, and the key stays free. */
export async function dryRun(
  house: House,
  asked: Asked,
  considered: Extract<Considered, { kind: 'plan' }>,
  grant: Grant,
): Promise<Reply> {
  const because = [`grants.${grant.action}.dry_run`]
  if (!grant.dry_run) {
    return refuse(house, asked, { code: 'denied', detail: 'This grant has no dry run.', because })
  }
  const { plan } = considered
  const ids = [...plan.want, plan.holds].map(({ limit }) => limit)
  const states = await house.store.limits(ids)
  const limit = (id: string) => states.get(id) ?? { held: 0, buckets: new Map<number, number>() }
  const decision = admit(plan, { now: house.clock.now(), limit, approvals: [], own: [] })
  // A guesser pays for a dry run as for a refusal; the entry says that it was one.
  const detail = 'A dry run: nothing was sent and nothing is counted but the attempt.'
  const { envelope } = await refuse(house, asked, { code: 'denied', detail, because })
  const lines = decision.verdict === 'deny' ? decision.because.map((line) => line.because) : []
  const { problem: _problem, ...rest } = envelope
  return {
    replayed: false,
    problem: null,
    envelope: { ...rest, dry_run: { verdict: decision.verdict, request: plan.request, because: lines } },
  }
}
