import type { Brought } from '../../../adapters/adapter.ts'
import type { Channel, Notice } from '../../core/notice.ts'
import { Problem } from '../../core/problem.ts'
import type { Person } from '../../core/types.ts'
import type { House } from '../house.ts'
import { mayOrRefuse } from '../rights.ts'

/** What people see of notices. All of it asks for the right to view. */
export interface NoticesGateway {
  /** Newest calls first, after `cursor`, 100 when `limit` is not said. */
  list(
    person: Person,
    filter: { readonly status?: Notice['state']; readonly cursor?: string; readonly limit?: number },
  ): Promise<{ readonly notices: readonly NoticeView[]; readonly cursor: string | null }>
  /** A dead letter goes out again, while it says anything still. */
  retry(person: Person, id: string): Promise<NoticeView>
  /** Sends a test notice now, once. */
  test(
    person: Person,
    channel: string,
  ): Promise<{ readonly channel: string; readonly delivered: boolean; readonly said: string }>
}

export interface NoticeView {
  readonly notice: string
  readonly status: Notice['state']
  readonly kind: Notice['kind']
  readonly channel: string
  readonly call: string
  readonly action: string
  readonly role: string
  readonly made_at: string
  /** When it is tried next, or what became of it. */
  readonly due_at: string
  readonly tries: number
  readonly said: string | null
}

export function noticesGateway(house: House, test: (channel: Channel) => Promise<Brought>): NoticesGateway {
  const testing = new Set<string>()
  return {
    async list(person, { status, cursor, limit = 100 }) {
      await mayOrRefuse(house, person, 'view', 'see notices')
      const found = await house.store.told.notices({
        ...(status === undefined ? {} : { state: status }),
        ...(cursor === undefined ? {} : { before: cursor }),
        limit: Math.max(1, Math.min(limit, 500)),
      })
      const last = found.length < limit ? null : (found.at(-1)?.id ?? null)
      return { notices: found.map(viewOf), cursor: last }
    },
    async retry(person, id) {
      await mayOrRefuse(house, person, 'view', 'have a notice sent again')
      const found = await house.store.told.notice(id)
      if (found === null) throw new Problem('no_such_call', 'There is no such notice.')
      // Nobody would send it.
      channelOf(house, found.channel)
      const { retried, notice } = await house.store.write({ op: 'notice.retry', id, call: found.call })
      if (notice === null) throw new Problem('no_such_call', 'There is no such notice.')
      if (retried === 'not_dead') throw new Problem('already_decided', 'This notice is no dead letter.')
      if (retried === 'too_late')
        throw new Problem('already_decided', 'Its call does not wait any more: there is nothing to tell.')
      return viewOf(notice)
    },
    async test(person, name) {
      await mayOrRefuse(house, person, 'view', 'test a channel')
      const channel = channelOf(house, name)
      if (testing.has(name)) throw new Problem('rate_limited', `${name} is being tested already.`, { retry_after: 10 })
      testing.add(name)
      try {
        const { kind, said } = await test(channel)
        return { channel: name, delivered: kind === 'delivered', said }
      } finally {
        testing.delete(name)
      }
    },
  }
}

/** @throws Problem malformed where the policy of now has no such channel. */
function channelOf(house: House, name: string): Channel {
  const channels = house.policy().notify?.channels
  const channel = channels?.get(name)
  if (channel !== undefined) return channel
  const known = [...(channels?.keys() ?? [])].slice(0, 30).join(', ')
  throw new Problem('malformed', `There is no channel ${name.slice(0, 100)}. There are: ${known || 'none'}.`)
}

function viewOf({ id, state, kind, channel, call, about, made_at, due_at, tries, said }: Notice): NoticeView {
  return {
    notice: id,
    status: state,
    kind,
    channel,
    call,
    action: about.action,
    role: about.role,
    made_at: new Date(made_at).toISOString(),
    due_at: new Date(due_at).toISOString(),
    tries,
    said,
  }
}
