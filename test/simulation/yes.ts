import type { GrantRules } from './company.ts'
import type { Database } from './database.ts'
import type { EntryRow, Fields } from './entries.ts'
import { groupsOf, isBarred } from './track.ts'
import type { Track, Violated } from './track.ts'

/** Who said yes to what (I6, I11). */
export interface Yes {
  /** A person clicks yes under this card. */
  clicks(person: string, call: string, card: string): void
  /** People are asked: what was said before counts no more. */
  held(track: Track, row: EntryRow, fields: Fields): void
  approved(track: Track, row: EntryRow, fields: Fields): void
  /** The call begins: were there enough of them? */
  enough(track: Track, grant: GrantRules): void
}

export function yes(database: Pick<Database, 'rows'>, violated: Violated): Yes {
  const clicked = new Set<string>()
  return {
    clicks: (person, call, card) => void clicked.add(`${person} ${call} ${card}`),
    held(track, { at }, { card = null, expires_at = '', policy = '' }) {
      Object.assign(track, { card, policy, expiresAt: Date.parse(expires_at), approvals: [] })
      if (track.expiresAt < at) violated('I11', `${track.id} is held until before now`)
    },
    approved(track, { at }, { person = '', card, policy = '' }) {
      track.policy = policy
      if (card !== track.card) violated('I6', `a yes to ${track.id} is about another card`)
      if (!clicked.has(`${person} ${track.id} ${card}`)) {
        violated('I6', `${person} never said yes to this card of ${track.id}`)
      }
      if (track.approvals.includes(person)) violated('I6', `${person} said yes to ${track.id} twice`)
      if (isBarred(track, person)) violated('I6', `${person} may not decide about ${track.id}`)
      if (at >= track.expiresAt) return violated('I11', `${track.id} was approved after its time`)
      track.approvals.push(person)
    },
    enough(track, grant) {
      const { id, amount, approvals } = track
      const [body] = database.rows<{ facts: string | null }>('SELECT facts FROM bodies WHERE call = ?', id)
      const facts = JSON.parse(body?.facts ?? '{}') as { charge?: { risky?: boolean } }
      for (const { count, of } of grant.needs(amount, facts.charge?.risky === true)) {
        const persons = approvals.filter((person) => groupsOf(person).includes(of) && !isBarred(track, person))
        const said = new Set(persons).size
        if (said < count) violated('I6', `${id} of ${amount} began with ${said} of ${count} ${of}`)
      }
    },
  }
}
