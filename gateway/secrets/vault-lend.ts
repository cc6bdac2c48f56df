import { Secret } from '../../adapters/adapter.ts'
import type { Lender, Lending, Lent } from '../../adapters/adapter.ts'
import type { Outcome } from '../core/types.ts'
import { fieldOf, isObject, jsonOf } from './ask.ts'
import type { Answer } from './ask.ts'
import { refusalOf } from './vault-answer.ts'
import type { Ask, Body } from './vault.ts'

interface LendParts {
  readonly ask: Ask
  /** With a token that is not ours. */
  readonly send: (method: 'GET' | 'POST', path: string, token: string, body?: Body) => Promise<Answer>
  readonly hide: (value: string) => void
  /** Of Vault: a token role whose tokens outlive ours; null: they end with ours. */
  readonly tokenRole: string | null
}

type NotLent = Exclude<Outcome, { kind: 'done' }>

interface Child {
  readonly token: string
  readonly accessor: string
}

/** Children whose permit ran out while they were made; the next try at the same call takes them. */
const CHILDREN_MAX = 1000

/**
 * Logins that Vault makes for agents. Each is asked for with a token of its own, a child of ours that lives as long as
 * the login may: its accessor is written down before, so that whatever becomes of the answer, ending that token ends the
 * login, and nothing else with it. Vault ends both by itself where nobody does.
 */
export function openLending({ ask, send, hide, tokenRole }: LendParts): Lender {
  const children = new Map<string, Child>()

  const childFor = async ({ call, lifetime_s }: Lending): Promise<Child> => {
    const standing = children.get(call)
    if (standing !== undefined) return standing
    const ttl = `${lifetime_s}s`
    const body = {
      ttl,
      explicit_max_ttl: ttl,
      renewable: false,
      display_name: `keystay-${call}`,
      meta: { keystay_call: call },
    }
    const { answer } = await ask('POST', `auth/token/create${tokenRole === null ? '' : `/${tokenRole}`}`, body)
    if (answer.status !== 200) throw new Error(refusalOf(answer))
    const auth = jsonOf(answer.text)?.['auth']
    const token = isObject(auth) ? auth['client_token'] : null
    const accessor = isObject(auth) ? auth['accessor'] : null
    if (typeof token !== 'string' || typeof accessor !== 'string' || !/^[!-~]{1,512}$/.test(accessor)) {
      throw new Error('Vault answered with no token')
    }
    hide(token)
    const child = { token, accessor }
    children.set(call, child)
    const [oldest] = children.keys()
    if (children.size > CHILDREN_MAX && oldest !== undefined) children.delete(oldest)
    return child
  }
  const endOf = async (accessor: string): Promise<void> => {
    const { answer } = await ask('POST', 'auth/token/revoke-accessor', { accessor })
    const gone = answer.status === 400 && /invalid accessor/.test(answer.text)
    if (answer.status !== 204 && answer.status !== 200 && !gone) throw new Error(refusalOf(answer))
  }

  return {
    async lend(path, asked) {
      let child: Child
      try {
        child = await childFor(asked)
        await asked.note(child.accessor)
      } catch (error) {
        const reason = error instanceof Error ? error.message : 'it could not be prepared'
        return { kind: 'not_sent', code: 'secret_unavailable', reason }
      }
      // The first thing that makes a login; what came before makes none.
      if (!asked.permit()) return { kind: 'not_sent', code: 'permit', reason: 'the permit is too old' }
      children.delete(asked.call)
      const answer = await send('GET', path, child.token).catch((error: unknown) => error as Error)
      if (answer instanceof Error) return inDoubt(answer.message)
      if (CERTAIN.has(answer.status)) {
        await endOf(child.accessor).catch(() => {})
        return { kind: 'refused', status: answer.status, message: refusalOf(answer), evidence: {} }
      }
      return answer.status === 200 ? lentIn(answer.text, child, asked) : inDoubt(refusalOf(answer))
    },
    async takeBack(_path, handle) {
      const [accessor = '', ...lease] = handle.split(' ')
      const lease_id = lease.join(' ')
      if (lease_id !== '') {
        // Vault answers once the login is gone; else it would be gone soon.
        const { answer } = await ask('POST', 'sys/leases/revoke', { lease_id, sync: true })
        const gone = answer.status === 400 && /lease not found|invalid lease/.test(answer.text)
        if (answer.status !== 204 && answer.status !== 200 && !gone) throw new Error(refusalOf(answer))
      }
      await endOf(accessor)
    },
  }
}

/** Vault's no: it made nothing. Whatever else it answers may have made a login. */
const CERTAIN: ReadonlySet<number> = new Set([400, 403, 404, 405])

function inDoubt(reason: string): NotLent {
  return { kind: 'unknown', reason, evidence: {} }
}

function lentIn(text: string, { accessor }: Child, { lifetime_s }: Lending): Lent | NotLent {
  const found = jsonOf(text)
  const [lease_id, seconds, data] = [found?.['lease_id'], found?.['lease_duration'], found?.['data']]
  if (
    typeof lease_id !== 'string' ||
    !/^[!-~]{1,1024}$/.test(lease_id) ||
    typeof seconds !== 'number' ||
    seconds <= 0
  ) {
    return inDoubt('Vault answered with something that is no lease')
  }
  try {
    return {
      user: new Secret('#username', fieldOf(data, 'username')),
      password: new Secret('#password', fieldOf(data, 'password')),
      lifetime_s: Math.min(lifetime_s, Math.floor(seconds)),
      lease_id,
      handle: `${accessor} ${lease_id}`,
    }
  } catch {
    return inDoubt('Vault answered with a lease that is no login')
  }
}
