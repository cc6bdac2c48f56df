import { challengeOf } from '../core/assertion.ts'
import type { Assertion, Attestation, Passkey, PasskeyPlace, PasskeyWord } from '../core/passkey.ts'
import { Problem } from '../core/problem.ts'
import type { Call, Json, Person } from '../core/types.ts'
import { freshUntil } from '../core/visit.ts'
import type { House } from './house.ts'
import { mayOrRefuse, refusedClick } from './rights.ts'

/** The browser that a person is in, where they are in one: by the hash of its cookie, and until when its sign-in is fresh, ms. */
export interface Browsing {
  readonly visit: string
  readonly fresh_until: number
}

/** Passkeys of people: theirs to register in a browser of their own, lately signed in. */
export interface PasskeyGateway {
  /** Theirs; of somebody else with the right to freeze. */
  list(person: Person, browsing: Browsing | null, whose?: string): Promise<PasskeyList>
  /** What a browser makes a passkey by: PublicKeyCredentialCreationOptionsJSON. */
  creation(person: Person, browsing: Browsing | null): Promise<Json>
  register(person: Person, browsing: Browsing | null, name: string, made: Attestation): Promise<PasskeyView>
  /** What a browser signs with, to show that it is still them: PublicKeyCredentialRequestOptionsJSON. */
  confirmation(person: Person, browsing: Browsing | null): Promise<Json>
  confirm(person: Person, browsing: Browsing | null, signed: Assertion): Promise<PasskeyList>
  /** One's own, lately signed in; somebody else's with the right to freeze and a reason. */
  remove(person: Person, browsing: Browsing | null, id: string, reason: string | null): Promise<PasskeyView>
  /** What a browser signs a card with. @throws Problem passkey_required where this person has none. */
  toApprove(person: Person, call: string): Promise<{ readonly card: string | null; readonly options: Json }>
}

export interface PasskeyList {
  readonly passkeys: readonly PasskeyView[]
  /** Where they can be used; null: nowhere, as people's listener is named. */
  readonly at: PasskeyPlace | null
  /** Until when one may be registered or removed without another sign-in; null: not now. */
  readonly fresh_until: string | null
}

export interface PasskeyView {
  readonly id: string
  readonly person: string
  readonly name: string
  readonly added_at: string
  readonly used_at: string | null
  readonly aaguid: string
  readonly synced: boolean
  readonly rp: string
}

export function passkeyGateway(house: House): PasskeyGateway {
  const { ceremonies, store } = house
  const place = (): PasskeyPlace => {
    const at = ceremonies.place()
    if (at === null) throw new Problem('not_eligible', NOWHERE)
    return at
  }
  /** Those that can be used at this name. */
  const usable = async (person: Person): Promise<Passkey[]> => {
    const { rp } = place()
    return (await store.passkeys(person.id)).filter((passkey) => passkey.rp === rp)
  }
  const refuse = async (person: Person, what: string, detail: string, why = detail): Promise<never> => {
    await refusedClick(house, person, what, 'not_eligible', undefined, why)
    throw new Problem('not_eligible', detail)
  }
  const inBrowser = async (person: Person, browsing: Browsing | null, what: string): Promise<Browsing> =>
    browsing ??
    refuse(person, what, 'Passkeys are registered, removed and confirmed in the browser that one is signed in with.')
  const lately = async (person: Person, browsing: Browsing | null, what: string): Promise<Browsing> => {
    const here = await inBrowser(person, browsing, what)
    return house.clock.now() < here.fresh_until ? here : refuse(person, what, NOT_FRESH)
  }
  const challenge = async ({ visit }: Browsing, what: 'register' | 'confirm'): Promise<string> => {
    const value = Buffer.from(house.random(32)).toString('base64url')
    await store.write({ op: 'visit.challenge', visit, challenge: { for: what, value } })
    return value
  }
  const listOf = async (person: string, fresh_until: number | null): Promise<PasskeyList> => {
    const isFresh = fresh_until !== null && house.clock.now() < fresh_until
    return {
      passkeys: (await store.passkeys(person)).map(viewOf),
      at: ceremonies.place(),
      fresh_until: isFresh ? new Date(fresh_until).toISOString() : null,
    }
  }
  /** The challenge that this browser was given last. */
  const given = async ({ visit }: Browsing): Promise<string> => (await store.visit(visit))?.challenge?.value ?? ''

  return {
    async list(person, browsing, whose = person.id) {
      if (whose !== person.id) await mayOrRefuse(house, person, 'freeze', 'see the passkeys of others')
      return listOf(whose, whose === person.id ? (browsing?.fresh_until ?? null) : null)
    },
    async creation(person, browsing) {
      const here = await lately(person, browsing, 'register a passkey')
      return ceremonies.creation(
        person,
        handleOf(house, person),
        await usable(person),
        await challenge(here, 'register'),
      )
    },
    async register(person, browsing, name, attestation) {
      const what = 'register a passkey'
      const here = await lately(person, browsing, what)
      place()
      const said = await given(here)
      const checked = await ceremonies.register(attestation, said)
      if (!checked.ok) return refuse(person, what, `The passkey is refused: ${checked.why}.`, checked.why)
      const passkey = { ...checked.made, person: person.id, name }
      const added = await store.write({ op: 'passkey.add', visit: here.visit, challenge: said, passkey })
      if (added.kind === 'added') return viewOf(added.passkey)
      return refuse(person, what, NOT_ADDED[added.kind])
    },
    async confirmation(person, browsing) {
      const what = 'confirm with a passkey'
      const here = await inBrowser(person, browsing, what)
      const passkeys = await usable(person)
      if (passkeys.length === 0)
        return refuse(person, what, 'You have no passkey here. Sign in again: /login?again=true.')
      return ceremonies.request(passkeys, await challenge(here, 'confirm'))
    },
    async confirm(person, browsing, assertion) {
      const what = 'confirm with a passkey'
      const here = await inBrowser(person, browsing, what)
      const said = await given(here)
      const signed = await signedBy(house, person, assertion, said, await usable(person))
      if (!signed.ok) return refuse(person, what, `The passkey is refused: ${signed.why}.`, signed.why)
      const { word } = signed
      const done = await store.write({
        op: 'visit.confirm',
        visit: here.visit,
        person: person.id,
        challenge: said,
        word,
      })
      if (done.kind !== 'confirmed') return refuse(person, what, NOT_ADDED.no_challenge)
      const visit = await store.visit(here.visit)
      return listOf(person.id, visit === null ? null : freshUntil(visit))
    },
    async remove(person, browsing, id, reason) {
      const passkey = /^[0-9a-f]{64}$/.test(id) ? await store.passkey(id) : null
      const isOwn = passkey?.person === person.id
      const what = isOwn ? 'remove a passkey' : 'remove the passkey of somebody else'
      if (!isOwn) await mayOrRefuse(house, person, 'freeze', what)
      if (!isOwn && reason === null) throw new Problem('malformed', 'Removing it needs a reason: its owner will ask.')
      if (passkey === null) throw new Problem('no_such_call', 'There is no such passkey.')
      const visit = isOwn ? (await lately(person, browsing, what)).visit : null
      const removed = await store.write({ op: 'passkey.remove', passkey: id, by: person.id, reason, visit })
      if (removed.kind === 'removed') return viewOf(removed.passkey)
      if (removed.kind === 'not_fresh') return refuse(person, what, NOT_FRESH)
      throw new Problem('no_such_call', 'There is no such passkey.')
    },
    async toApprove(person, id) {
      const call = await store.call(id)
      if (call === null) throw new Problem('no_such_call', 'There is no such call.')
      const { card } = call
      if (call.state !== 'held' || card === null)
        throw new Problem('already_decided', 'This call does not wait for you any more.', { call: id })
      if (!call.need.some(({ of }) => person.groups.includes(of)))
        throw new Problem('not_eligible', 'None of the groups that this call waits for is yours.', { call: id })
      place()
      const passkeys = await usable(person)
      if (passkeys.length === 0) throw new Problem('passkey_required', withoutOne(house, call), { call: id })
      return { card, options: await ceremonies.request(passkeys, challengeOf(card)) }
    },
  }
}

/** A card that a passkey of this person signed, for long enough theirs. */
export async function signedCard(house: House, person: Person, assertion: Assertion, card: string): Promise<Signed> {
  const passkeys = await house.store.passkeys(person.id)
  const signed = await signedBy(house, person, assertion, challengeOf(card), passkeys)
  const { passkeys_after_ms: after_ms = 0 } = house.policy().people
  if (!signed.ok || house.clock.now() >= signed.word.added_at + after_ms) return signed
  const until = new Date(signed.word.added_at + after_ms).toISOString()
  return { ok: false, why: `it was registered lately, and counts from ${until}` }
}

type Signed =
  | { readonly ok: true; readonly word: PasskeyWord; readonly text: string }
  | { readonly ok: false; readonly why: string }

/**
 * That one of these passkeys of theirs signed this challenge. What it was checked against may change until it is written: the
 * transaction looks again (core/fold/passkey.ts).
 */
async function signedBy(
  house: House,
  person: Person,
  assertion: Assertion,
  challenge: string,
  passkeys: readonly Passkey[],
): Promise<Signed> {
  if (house.ceremonies.place() === null) return { ok: false, why: 'nobody can use one here' }
  const passkey = passkeys.find(({ credential }) => credential === assertion.id)
  if (passkey === undefined) return { ok: false, why: 'it is no passkey of yours' }
  const checked = await house.ceremonies.check(assertion, passkey, challenge, handleOf(house, person))
  if (!checked.ok) return checked
  const { counter, text } = checked
  return { ok: true, text, word: { passkey: passkey.id, added_at: passkey.added_at, counter } }
}

/** 32 bytes that stand for a person at their authenticators, and tell nobody who they are. */
function handleOf({ store }: House, person: Person): string {
  return Buffer.from(store.fingerprint(`passkey ${person.id}`), 'hex').toString('base64url')
}

/** What somebody does whose yes lacks a passkey's signature. */
export function withoutOne(house: House, { id }: Call): string {
  const at = house.ceremonies.place()
  return at === null
    ? `The policy asks for a yes that a passkey signs. ${NOWHERE}`
    : `The policy asks for a yes that a passkey signs: open ${at.url}/console/?call=${id} in a browser and approve it there. Without a passkey yet: ${at.url}/console/you.`
}

const NOWHERE =
  'Passkeys need a name, and people’s listener has none: give it one with --admin-url (https://NAME, or http://localhost:PORT on this machine).'
const NOT_FRESH =
  'That needs a sign-in of the last five minutes: sign in again (/login?again=true), or confirm with a passkey that you have.'
const NOT_ADDED = {
  no_visit: 'Your sign-in has ended. Sign in again: /login.',
  not_fresh: NOT_FRESH,
  no_challenge: 'This was begun too long ago, or in another window. Begin again.',
  known: 'This passkey is registered already.',
  too_many: 'You have 20 passkeys. Remove one first.',
} as const

function viewOf({ id, person, name, added_at, used_at, aaguid, synced, rp }: Passkey): PasskeyView {
  const at = (ms: number): string => new Date(ms).toISOString()
  return {
    id,
    person,
    name,
    added_at: at(added_at),
    used_at: used_at === null ? null : at(used_at),
    aaguid,
    synced,
    rp,
  }
}
