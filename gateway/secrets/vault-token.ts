import { jsonOf, isObject } from './ask.ts'
import type { Answer } from './ask.ts'
import type { Login } from './vault-login.ts'
import { refusalOf } from './vault-answer.ts'

/** Our sign-in at Vault. Its leases die with it. */
export interface Token {
  readonly value: string
  /** By a login of ours, so it is ours to revoke. */
  readonly ours: boolean
  readonly renewable: boolean
  /** Its whole life when it was made. */
  readonly first_ms: number
  /** Monotonic ms; Infinity for one that does not end. */
  readonly ends_at: number
  /** When to renew it, or to sign in again. */
  readonly due_at: number
}

export interface Tokens {
  /** One that lives: renewed at two thirds of its life; another sign-in once that is not possible. @throws Error */
  current(): Promise<Token>
  /** After a 403: whether it was about the token and not about what was asked. */
  isGone(token: Token): Promise<boolean>
  look(): void
  close(): Promise<void>
}

interface TokenParts {
  readonly send: (
    method: 'GET' | 'POST',
    path: string,
    token: string | null,
    body?: { readonly [name: string]: string },
  ) => Promise<Answer>
  readonly now: () => number
  readonly hide: (value: string) => void
}

const RENEW_AT = 2 / 3
/** A renewal that brings less of its first life than this meets the end of all renewals (max_ttl). */
const WORTH = 1 / 3
/** After a renewal or sign-in that failed. */
const RETRY_MS = 2000

export function openTokens(login: Login, { send, now, hide }: TokenParts): Tokens {
  let held: Token | null = null
  let changing: Promise<Token> | null = null
  let failed_at = -Infinity

  const tokenOf = (value: string, ours: boolean, life: Life, asked_at: number, first_ms?: number): Token => {
    hide(value)
    const ends_at = asked_at + life.lives_ms
    const whole_ms = first_ms ?? life.lives_ms
    const renewable = life.renewable && life.lives_ms >= whole_ms * WORTH
    return { value, ours, renewable, first_ms: whole_ms, ends_at, due_at: asked_at + life.lives_ms * RENEW_AT }
  }

  const signIn = async (): Promise<Token> => {
    const asked_at = now()
    if (login.kind === 'token') {
      const value = await login.token()
      const answer = await send('GET', 'auth/token/lookup-self', value)
      if (answer.status === 403)
        throw new Error(`Vault refuses the token of ${login.from} (403): it has ended, or is no token`)
      const data = answer.status === 200 ? jsonOf(answer.text)?.['data'] : null
      if (!isObject(data)) throw new Error(refusalOf(answer))
      return tokenOf(value, false, lifeOf(data['ttl'], data['renewable']), asked_at)
    }
    const answer = await send('POST', login.path, null, await login.body())
    if (answer.status === 400 || answer.status === 403) {
      throw new Error(`Vault refuses our sign-in by ${login.from} at ${login.path} (${answer.status})`)
    }
    const auth = answer.status === 200 ? jsonOf(answer.text)?.['auth'] : null
    const value = isObject(auth) ? auth['client_token'] : null
    if (typeof value !== 'string' || !/^[!-~]{1,4096}$/.test(value) || !isObject(auth)) {
      throw new Error(answer.status === 200 ? 'Vault answered our sign-in with no token' : refusalOf(answer))
    }
    return tokenOf(value, true, lifeOf(auth['lease_duration'], auth['renewable']), asked_at)
  }

  /** null: it cannot be renewed any more. */
  const renew = async (token: Token): Promise<Token | null> => {
    if (!token.renewable) return null
    const asked_at = now()
    const answer = await send('POST', 'auth/token/renew-self', token.value, {})
    if (answer.status === 400 || answer.status === 403) return null
    const auth = answer.status === 200 ? jsonOf(answer.text)?.['auth'] : null
    if (!isObject(auth)) throw new Error(refusalOf(answer))
    return tokenOf(token.value, token.ours, lifeOf(auth['lease_duration'], auth['renewable']), asked_at, token.first_ms)
  }

  /** A token that was given and cannot be renewed is used to its end: the next may come in its file. */
  const change = async (): Promise<Token> => {
    const before = held
    try {
      const renewed = before === null || now() >= before.ends_at ? null : await renew(before)
      const next = renewed ?? (await signIn())
      failed_at = -Infinity
      return (held = next)
    } catch (error) {
      failed_at = now()
      if (before !== null && held === before && now() < before.ends_at) return before
      throw error
    }
  }
  const changeOnce = (): Promise<Token> => (changing ??= change().finally(() => (changing = null)))

  return {
    async current() {
      const token = held
      if (token === null || now() >= token.ends_at) return changeOnce()
      if (now() < token.due_at || now() - failed_at < RETRY_MS) return token
      return changeOnce()
    },
    async isGone(token) {
      if (held !== token) return true
      const answer = await send('GET', 'auth/token/lookup-self', token.value)
      if (answer.status !== 403) return false
      if (held === token) held = null
      return true
    },
    look() {
      if (held === null || now() < held.due_at || now() - failed_at < RETRY_MS) return
      changeOnce().catch(() => {})
    },
    async close() {
      await changing?.catch(() => {})
      const token = held
      held = null
      // best effort: it ends by itself, and whatever it made with it
      if (token?.ours === true) await send('POST', 'auth/token/revoke-self', token.value).catch(() => {})
    },
  }
}

interface Life {
  readonly lives_ms: number
  readonly renewable: boolean
}

/** Vault's seconds; 0 is a token that does not end. @throws Error */
function lifeOf(seconds: unknown, renewable: unknown): Life {
  if (typeof seconds !== 'number' || !(seconds >= 0)) throw new Error('Vault answered with something that is no token')
  return { lives_ms: seconds === 0 ? Infinity : seconds * 1000, renewable: seconds > 0 && renewable === true }
}
