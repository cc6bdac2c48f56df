import { admit } from '../core/admit.ts'
import type { Grant } from '../core/types.ts'
import type { Asked } from './asked.ts'
import type { Considered } from './consider.ts'
import type { Reply } from './gateway.ts'
import type { House } from './house.ts'
import { refuse } from './refuse.ts'
import type { Known } from './refuse.ts'
import { limitsOf } from './reply.ts'

/** The decision and the request that would be sent. Nothing is counted but `attempts`, and no key is touched. */
export async function dryRun(
  house: House,
  asked: Asked,
  considered: Extract<Considered, { kind: 'plan' }>,
  grant: Grant,
  known: Known,
): Promise<Reply> {
  const because = [`grants.${grant.action}.dry_run`]
  if (!grant.dry_run) {
    return refuse(house, asked, { code: 'denied', detail: 'This grant has no dry run.', because }, known)
  }
  const { plan } = considered
  const states = await house.store.limits([...plan.want, plan.holds].map(({ limit }) => limit))
  const limit = (id: string) => states.get(id) ?? { held: 0, buckets: new Map<number, number>() }
  const now = house.clock.now()
  const decision = admit(plan, { now, limit, approvals: [], own: [] })
  // A guesser pays for a dry run as for a refusal; the entry says that it was one, and what it came to.
  const detail = 'A dry run: nothing was sent, and nothing is counted but the attempt.'
  const written = await refuse(house, asked, { code: 'denied', detail, because, dry_run: decision.verdict }, known)
  if (written.problem?.code !== 'denied') return written
  const { problem: _problem, ...envelope } = written.envelope
  const lines = decision.verdict === 'deny' ? decision.because.map((line) => line.because) : []
  return {
    replayed: false,
    problem: null,
    envelope: {
      ...envelope,
      status: 'not_sent',
      limits: await limitsOf(house, plan.want, now),
      dry_run: { verdict: decision.verdict, request: plan.request, because: lines },
    },
  }
}
