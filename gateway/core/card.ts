import { digestOf } from './entry.ts'
import type { Amount, Json, NeedState } from './types.ts'

/**
 * What people say yes to (R12): the call, the backend and the exact request, the cost, who is needed, until when. `have` is no part of
 * it: another yes is not another card.
 */
export interface Card {
  readonly call: string
  readonly backend: string
  readonly request: Json
  readonly cost: Amount | null
  readonly need: readonly NeedState[]
  readonly expires_at: number
}

/** @returns the card's digest under the call's salt, `hmac-sha256:…`. */
export function cardOf(card: Card, salt: string): string {
  const { call, backend, request, cost, expires_at } = card
  const need = card.need.map(({ line, count, of, passkey }) => [line, count, of, passkey])
  return digestOf(salt, JSON.stringify({ call, backend, request, cost, need, expires_at }))
}
