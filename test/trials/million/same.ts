import type { GatewayProcess } from '../../kill/process.ts'
import { first } from './ask.ts'
import type { Asking } from './ask.ts'
import { actionAt, ASKS_ABOVE, grantsOf, looksOnly, MOST, roleAt } from './company.ts'

/** One that may give back and look. */
const ROLE = 4

type Story = { readonly [member: string]: unknown }

/**
 * Makes one call of each kind through the gateway, and holds the newest seeded one of that kind against it: row and whole
 * story must have the same members of the same types, and the entries the same kinds in the same order.
 *
 * @returns what differs, in words.
 */
export async function differences(gate: GatewayProcess, asked: Asking): Promise<string[]> {
  const grants = grantsOf(ROLE)
  const action = actionAt(grants.find((at) => !looksOnly(at)) ?? 0)
  const look = actionAt(grants.find(looksOnly) ?? 9)
  const token = await gate.token('bot', roleAt(ROLE))
  const run = Date.now().toString(36)
  const pay = async (amount: number): Promise<string> => {
    const { body } = await gate.call(token, action, { order: `or_${run}`, amount, note: 'n' }, `${run}-${amount}`)
    return body.call
  }
  const kinds: { readonly [kind: string]: { readonly query: string; readonly make: () => Promise<string> } } = {
    done: { query: `status=done&action=${action}&max=${ASKS_ABOVE / 100}`, make: () => pay(700) },
    looked: {
      query: `status=done&action=${look}`,
      make: async () => (await gate.call(token, look, { order: `or_${run}` })).body.call,
    },
    denied: { query: `status=denied&action=${action}`, make: () => pay(MOST + 1) },
    held: { query: 'status=held', make: () => pay(ASKS_ABOVE + 1) },
    approved: {
      query: `status=done&min=${ASKS_ABOVE / 100 + 0.01}`,
      async make() {
        const call = await pay(ASKS_ABOVE + 2)
        await gate.approve('dana', call)
        return call
      },
    },
    rejected: {
      query: 'status=rejected',
      async make() {
        const call = await pay(ASKS_ABOVE + 3)
        await gate.admin('omar', 'POST', `/admin/v1/calls/${call}/reject`, { reason: 'The order was delivered.' })
        return call
      },
    },
  }
  const wrong: string[] = []
  for (const [kind, { query, make }] of Object.entries(kinds)) {
    const seeded = await first(asked, query)
    if (seeded === undefined) {
      wrong.push(`${kind}: none was seeded`)
      continue
    }
    const id = await make()
    const row = await first(asked, `q=${id}`)
    const story = async (call: unknown): Promise<Story> =>
      JSON.parse((await asked.get(`/admin/v1/calls/${String(call)}`)).text) as Story
    for (const [what, theirs, ours] of [
      ['row', row, seeded],
      ['story', await story(id), await story(seeded['call'])],
    ] as const) {
      const [made, there] = [shapesOf(theirs), shapesOf(ours)]
      for (const place of new Set([...made.keys(), ...there.keys()]))
        if (!fits(place, made.get(place), there.get(place)))
          wrong.push(
            `${kind}, ${what}, ${place}: ${there.get(place) ?? 'absent'}, and ${made.get(place) ?? 'absent'} of the gateway`,
          )
    }
  }
  return wrong
}

/** By place: the type of what stands there; entries by their kinds. */
function shapesOf(value: unknown, place = '', shapes = new Map<string, string>()): Map<string, string> {
  if (Array.isArray(value)) {
    shapes.set(place, 'list')
    for (const [at, member] of value.entries()) {
      const kind = (member as { kind?: unknown } | null)?.kind
      shapesOf(member, `${place}[${typeof kind === 'string' && place === '.entries' ? `${at} ${kind}` : ''}]`, shapes)
    }
  } else if (value !== null && typeof value === 'object') {
    shapes.set(place, 'object')
    for (const [name, member] of Object.entries(value)) shapesOf(member, `${place}.${name}`, shapes)
  } else shapes.set(place, value === null ? 'null' : typeof value)
  return shapes
}

/** Nothing stands where something may; who acts for nobody has no word of it. */
function fits(place: string, made: string | undefined, there: string | undefined): boolean {
  return (
    place.endsWith('.acting_for') ||
    made === there ||
    (made !== undefined && there === 'null') ||
    (there !== undefined && made === 'null')
  )
}
