import type { Json, JsonObject, Outcome } from '../../gateway/core/types.ts'
import type { Attempt, Lender } from '../adapter.ts'
import type { Address } from './address.ts'
import type { Connections, Login } from './connections.ts'
import type { Deadline } from './deadline.ts'
import { Late } from './deadline.ts'
import { loginNameOf, makeLogin, makingOf } from './lease.ts'
import { Unsendable } from './request.ts'
import { dropLogin } from './revoke.ts'

/** What a room of connections gives logins out with. */
export interface Lending {
  readonly address: Address
  readonly connections: Connections
  /** A vault, where `--secrets` names one. */
  readonly lender: Lender | undefined
}

/** Where a login stands. It is revoked there: another server of the same name in the policy knows nothing of it. */
export function placeOf({ host, port, database }: Address): string {
  return `${host}:${port}/${database}`
}

/**
 * Makes a login, here or at the vault, and answers it with what a client needs to use it. This output is the only place
 * where its password ever is. Never rejects, but with Unsendable.
 */
export async function lend(
  { address, connections, lender }: Lending,
  lease: JsonObject,
  own: () => Promise<Login>,
  attempt: Attempt,
  deadline: Deadline,
): Promise<Outcome> {
  const from = lease['from']
  const place = placeOf(address)
  const made =
    typeof from === 'string'
      ? await fromVault(lender, from, Number(lease['lifetime_s']), place, attempt)
      : await makeLogin(connections, makingOf(lease), await own(), attempt, deadline)
  if (made.kind !== 'done') return made
  const { host, port, database, ssl } = address
  const sslmode = ssl === false ? 'disable' : 'verify-full'
  const output = { ...(made.output as JsonObject), host, port, database, sslmode }
  return { ...made, output, evidence: { ...made.evidence, place } }
}

async function fromVault(
  lender: Lender | undefined,
  ref: string,
  lifetime_s: number,
  place: string,
  attempt: Attempt,
): Promise<Outcome> {
  if (lender === undefined) throw new Unsendable('no vault is open that could make this login')
  const { id: call, permit, note } = attempt
  const lent = await lender.lend(ref, {
    call,
    lifetime_s,
    permit,
    note: async (handle) => note?.({ from: ref, handle, place }),
  })
  if ('kind' in lent) return lent
  const { user, password } = lent
  const output = { user: user.open(), password: password.open() }
  return {
    kind: 'done',
    output,
    evidence: { login: output.user, from: ref, lease_id: lent.lease_id, lifetime_s: lent.lifetime_s },
  }
}

/** Takes the login of a call away, which may be gone already or never have been. `done`: nothing of it is left. Never rejects. */
export async function takeBack(
  { address, connections, lender }: Lending,
  revoke: JsonObject,
  own: () => Promise<Login>,
  call: string,
  deadline: Deadline,
): Promise<Outcome> {
  const { place, from, handle } = revoke as { readonly [name: string]: Json | undefined }
  if (place !== undefined && place !== null && place !== placeOf(address)) {
    return unsure(`it was made at ${String(place)}, which this backend is not any more`)
  }
  try {
    if (typeof from === 'string' && typeof handle === 'string') {
      if (lender === undefined) return unsure('no vault is open that could take it back')
      await deadline.wait(() => lender.takeBack(from, handle))
      return { kind: 'done', output: null, evidence: {} }
    }
    return await dropLogin(connections, loginNameOf(call), await own(), deadline)
  } catch (error) {
    return unsure(error instanceof Late ? error.message : error instanceof Error ? error.message : 'it failed')
  }
}

function unsure(reason: string): Outcome {
  return { kind: 'unknown', reason, evidence: {} }
}
