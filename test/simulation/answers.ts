import type { Json } from '../../gateway/core/types.ts'
import type { Reply } from '../../gateway/pipeline/gateway.ts'
import type { Effect } from './backend.ts'
import { isWrite } from './track.ts'
import type { Track, Violated } from './track.ts'
import type { Database } from './database.ts'

/** One thing that an agent wants done, under its key. */
export interface Wish {
  readonly token: string
  readonly principal: string
  readonly role: string
  readonly action: string
  readonly key: string
  readonly client: string
  readonly input: { readonly [member: string]: string | number }
}

export interface AnswerParts {
  readonly database: Pick<Database, 'rows'>
  readonly calls: ReadonlyMap<string, Track>
  readonly effects: readonly Effect[]
  readonly violated: Violated
}

/** What an agent was told is about what it asked, and true (I8, I9, I12, I14). */
export function checkReply(wish: Wish, { envelope, problem }: Reply, parts: AnswerParts): void {
  const { database, calls, effects, violated } = parts
  const { call, status } = envelope
  const [row] = database.rows<{ principal: string; role: string; action: string; state: string }>(
    'SELECT principal, role, action, state FROM calls WHERE id = ?',
    call,
  )
  if (row === undefined) return violated('I14', `${wish.client} was answered with ${call}, which is nowhere`)
  const { principal, role, action } = row
  if (principal !== wish.principal || role !== wish.role || action !== wish.action) {
    violated('I8', `${wish.client} was answered with a call of ${principal}/${role}/${action}`)
  }
  const [entry] = database.rows('SELECT id FROM entries WHERE id = ? AND call = ?', envelope.entry, call)
  if (entry === undefined) violated('I14', `${wish.client} was answered with an entry that is nowhere`)
  const [body] = database.rows<{ input: string | null }>('SELECT input FROM bodies WHERE call = ?', call)
  const input = body?.input == null ? null : (JSON.parse(body.input) as Wish['input'])
  if (input !== null && !sameInput(input, wish.input)) {
    violated('I9', `${wish.client} was answered with ${call}, which asked for something else`)
  }
  if (problem?.code === 'key_reused') {
    const named = database.rows<{ id: string; state: string }>(
      'SELECT id, state FROM calls WHERE principal = ? AND role = ? AND action = ? AND key = ?',
      wish.principal,
      wish.role,
      wish.action,
      wish.key,
    )
    // A key that was bound once stays so, also when the call was denied after people were asked.
    const bound = named.some(({ id, state }) => state !== 'denied' || calls.get(id)?.card !== null)
    if (!bound) violated('I8', `${wish.client} names no other call of its own`)
  }
  if (status === 'done' && problem === null && isWrite({ action })) {
    const client = (envelope.output as { client?: Json } | undefined)?.client
    if (client !== undefined && client !== wish.client)
      violated('I8', `${wish.client} got the output of ${String(client)}`)
    const happened = effects.filter((effect) => effect.call === call).length
    if (happened !== 1) violated('I12', `${wish.client} was told done, and ${call} happened ${happened} times`)
  }
}

function sameInput(one: Wish['input'], other: Wish['input']): boolean {
  const text = (input: Wish['input']) => JSON.stringify(Object.entries(input).sort(([a], [b]) => (a < b ? -1 : 1)))
  return text(one) === text(other)
}
