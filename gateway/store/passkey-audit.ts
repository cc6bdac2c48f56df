import { assertionProblem, sha256Of } from '../core/assertion.ts'
import type { KeptAssertion } from '../core/working.ts'

/** The passkeys of a ledger, followed from entry to entry, and every yes that one signed checked again. */
export interface PasskeyAudit {
  /** The next entry, whatever it is of. */
  entry(entry: PasskeyEntry, index: number): void
  /** What is kept of a yes, after the last entry. */
  assertion(kept: KeptAssertion): void
  finish(): PasskeyReport
}

export interface PasskeyReport {
  /** Signatures that were verified anew. */
  readonly checked: number
  /** Those of which only the digest is left. */
  readonly erased: number
}

export interface PasskeyEntry {
  readonly id: string
  readonly kind: string
  readonly call: string | null
  readonly fields: { readonly [name: string]: unknown }
}

/** What an entry says of a signed yes, and the ledger of its passkey at that moment. */
interface Yes {
  readonly index: number
  readonly call: string | null
  readonly digest: string
  readonly card: string
  readonly credential: string
  readonly key: string
  readonly rp: string
}

/** @param problem what does not hold, and the place of its entry. */
export function passkeyAudit(problem: (message: string, entry: number | null) => void): PasskeyAudit {
  const standing = new Map<string, { readonly person: string; readonly key: string; readonly rp: string }>()
  const signed = new Map<string, Yes>()
  /** Of held calls: their card, and the lines of it that count only what a passkey signed. */
  const asked = new Map<string, { readonly card: string; readonly lines: ReadonlySet<string>; yes: number }>()
  let checked = 0

  function approved({ id, kind, call, fields }: PasskeyEntry, index: number): void {
    const { person, card } = fields
    const hold = asked.get(call ?? '')
    const passkey = fields['passkey'] as { readonly [name: string]: unknown } | undefined
    if (passkey !== undefined) {
      const credential = textOf(passkey['credential'])
      const registered = standing.get(credential)
      if (registered === undefined || registered.person !== person)
        problem('a passkey signed it that was not registered to this person then', index)
      if (hold !== undefined && card !== hold.card)
        problem('a passkey signed another card than the one that was held', index)
      const { key, rp } = registered ?? { key: '', rp: '' }
      signed.set(id, { index, call, digest: textOf(passkey['digest']), card: textOf(card), credential, key, rp })
    }
    if (hold === undefined || kind !== 'call.approved') return
    if (passkey !== undefined) hold.yes++
    for (const { line, have } of listOf(fields['have'])) {
      if (hold.lines.has(textOf(line)) && typeof have === 'number' && have > hold.yes)
        problem('it counts a yes that no passkey signed in a line that asks for one', index)
    }
  }

  return {
    entry(entry, index) {
      const { kind, call, fields } = entry
      const credential = textOf(fields['credential'])
      switch (kind) {
        case 'person.passkey_added':
          if (standing.has(credential)) problem('it adds a passkey that is registered already', index)
          standing.set(credential, {
            person: textOf(fields['person']),
            key: textOf(fields['key']),
            rp: textOf(fields['rp']),
          })
          return
        case 'person.passkey_removed':
          if (!standing.delete(credential)) problem('it removes a passkey that is not registered', index)
          return
        case 'call.held': {
          const lines = listOf(fields['need']).flatMap((need) =>
            need['passkey'] === true ? [textOf(need['line'])] : [],
          )
          // What asks for none is not kept in mind: most calls.
          if (lines.length > 0) asked.set(call ?? '', { card: textOf(fields['card']), lines: new Set(lines), yes: 0 })
          else asked.delete(call ?? '')
          return
        }
        case 'call.approved':
        case 'call.denied':
          approved(entry, index)
      }
    },
    assertion({ entry, call, text }) {
      const yes = signed.get(entry)
      if (yes === undefined || yes.call !== call)
        return problem(
          `a passkey’s signature is kept of ${entry}, which the ledger does not know as a signed yes`,
          null,
        )
      signed.delete(entry)
      checked++
      if (sha256Of(text, 'utf8') !== yes.digest)
        return problem('what its passkey signed does not match its digest', yes.index)
      const wrong = yes.key === '' ? null : assertionProblem(text, yes)
      if (wrong !== null) problem(`what its passkey signed ${wrong}`, yes.index)
    },
    finish: () => ({ checked, erased: signed.size }),
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function listOf(value: unknown): readonly { readonly [name: string]: unknown }[] {
  return Array.isArray(value)
    ? value.filter((one): one is { [name: string]: unknown } => typeof one === 'object' && one !== null)
    : []
}
