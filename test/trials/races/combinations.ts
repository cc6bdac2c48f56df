import { setTimeout as sleep } from 'node:timers/promises'
import { action, role } from './company.ts'
import type { Answer, Held, Track } from './track.ts'

/** Who races against whom. `run` starts about `many` races and says of each who won it. */
export interface Combination {
  readonly name: string
  /** Each of them must have won at least once, or nothing was shown. */
  readonly sides: readonly string[]
  /** How much of a run it gets, beside the others. */
  readonly share: number
  readonly run: (track: Track, many: number) => Promise<string[]>
}

export const COMBINATIONS: readonly Combination[] = [
  {
    name: 'approve × approve, one person twice, one needed',
    sides: ['first', 'second'],
    share: 10,
    run: (track, many) =>
      each(track, many, {}, async (call) => {
        const yes = () => track.approve('dana', call)
        return oneOf(['first', 'second'], await atOnce(track, [yes, yes]))
      }),
  },
  {
    name: 'approve × approve, one person twice, two needed',
    sides: ['first', 'second'],
    share: 10,
    run: (track, many) =>
      each(track, many, { amount: 12_000 }, async (call) => {
        const yes = () => track.approve('dana', call)
        const won = oneOf(['first', 'second'], await atOnce(track, [yes, yes]))
        const { status, need } = await track.story(call.id)
        expect(status === 'held' && need[0].have === 1, `${call.id}: one person twice came to ${need[0]?.have}`)
        expect((await track.approve('omar', call)).body.status === 'done', `${call.id}: the second person's yes`)
        return won
      }),
  },
  {
    name: 'approve × approve, two persons, one needed',
    sides: ['Dana', 'Omar'],
    share: 10,
    run: (track, many) =>
      each(track, many, {}, async (call) => {
        const [dana, omar] = [() => track.approve('dana', call), () => track.approve('omar', call)]
        return oneOf(['Dana', 'Omar'], await atOnce(track, [dana, omar]))
      }),
  },
  {
    name: 'approve × approve, two persons, two needed, and who may not',
    sides: ['Dana was last', 'Omar was last'],
    share: 10,
    run: (track, many) =>
      each(track, many, { amount: 12_000 }, async (call) => {
        const [dana, omar, lee, sam] = await atOnce(
          track,
          ['dana', 'omar', 'lee', 'sam'].map((person) => () => track.approve(person, call)),
        )
        expect(lee?.status !== 200 && sam?.status !== 200, `${call.id}: a yes of who may not decide`)
        expect(dana?.status === 200 && omar?.status === 200, `${call.id}: one of two needed was refused`)
        expect((await track.rested(call.id)).status === 'done', `${call.id}: not done after two of two`)
        return dana?.body.status === 'done' ? 'Dana was last' : 'Omar was last'
      }),
  },
  {
    name: 'approve by who may × by who asked, owns or is acted for',
    sides: ['may', 'may not'],
    share: 6,
    async run(track, many) {
      const kinds = [
        { asked: { as: 'ada' }, person: 'ada' },
        { asked: { behalf: 'omar' }, person: 'omar' },
        { asked: {}, person: 'lee' },
      ]
      const won = kinds.map(({ asked, person }, at) =>
        each(track, Math.ceil((many - at) / kinds.length), asked, async (call) => {
          let first = ''
          const [dana, other] = await atOnce(track, [
            () => track.approve('dana', call).finally(() => (first ||= 'may')),
            () => later(track, 150, () => track.approve(person, call).finally(() => (first ||= 'may not'))),
          ])
          expect(dana?.status === 200 && other?.status !== 200, `${call.id}: ${person} ${other?.status}`)
          return first
        }),
      )
      return (await Promise.all(won)).flat()
    },
  },
  against('reject', 'rejected', 10, (track, call) => track.reject('omar', call)),
  against('cancel', 'cancelled', 10, (track, call) => track.cancel(call)),
  {
    name: 'reject × reject',
    sides: ['Dana', 'Omar'],
    share: 4,
    run: (track, many) =>
      each(track, many, {}, async (call) =>
        oneOf(
          ['Dana', 'Omar'],
          await atOnce(
            track,
            ['dana', 'omar'].map((person) => () => track.reject(person, call)),
          ),
        ),
      ),
  },
  {
    name: 'reject × cancel',
    sides: ['rejected', 'cancelled'],
    share: 4,
    run: (track, many) =>
      each(track, many, {}, async (call) => {
        await atOnce(track, [() => track.reject('dana', call), () => track.cancel(call)])
        return (await track.rested(call.id)).status
      }),
  },
  ...(['approve', 'reject', 'cancel'] as const).map((verb): Combination => {
    const [done, most] = verb === 'approve' ? ['done', 8] : verb === 'reject' ? ['rejected', 3] : ['cancelled', 3]
    return {
      name: `${verb} × expire`,
      sides: [done, 'expired'],
      share: most,
      run: (track, many) =>
        each(track, many, { role: 'brief' }, async (call) => {
          await sleep(Math.max(0, call.expires_at - Date.now() - 130 + track.random.next() * 180))
          await (verb === 'cancel' ? track.cancel(call) : track[verb]('dana', call))
          // Nobody else decides: what was too late is the clock's.
          for (let tries = 0; tries < 500; tries++) {
            const { status } = await track.rested(call.id)
            if (status !== 'held') return status
            await sleep(20)
          }
          throw new Error(`${call.id} does not expire`)
        }),
    }
  }),
  {
    name: 'approve × revoke of the session',
    sides: ['done', 'cancelled'],
    share: 8,
    async run(track, many) {
      const revoked = async (): Promise<string[]> => {
        const calls = await track.hold(4)
        const revokes = async (): Promise<Answer> => {
          await track.moment(100)
          return track.admin('sam', 'POST', `/admin/v1/sessions/${calls[0]?.session}/revoke`, {})
        }
        await Promise.all([revokes(), ...calls.map((call) => later(track, 60, () => track.approve('dana', call)))])
        return Promise.all(calls.map(async ({ id }) => (await track.rested(id)).status))
      }
      return (await Promise.all(Array.from({ length: Math.ceil(many / 4) }, revoked))).flat()
    },
  },
  {
    name: 'approve × freeze',
    sides: ['done', 'frozen'],
    share: 8,
    async run(track, many) {
      const calls = await track.hold(many, { role: 'tight' })
      const set = (on: boolean) =>
        track.admin('sam', 'PUT', '/admin/v1/switches/role:tight', { on, reason: 'we look at something' })
      const freezes = later(track, 60, () => set(true))
      const answers = await Promise.all(
        calls.map((call) => later(track, 120, () => track.approve(track.random.pick(['dana', 'omar']), call))),
      )
      await freezes
      const stands = await Promise.all(calls.map(({ id }) => track.rested(id)))
      expect((await set(false)).status === 200, 'the thaw')
      return Promise.all(
        calls.map(async (call, at) => {
          const status = stands[at].status
          if (status !== 'held') return status === 'done' ? 'done' : `${status} (before its first byte)`
          expect(answers[at]?.body?.code === 'frozen', `${call.id}: held, and answered ${answers[at]?.status}`)
          expect((await track.approve('dana', call)).body.status === 'done', `${call.id}: after the thaw`)
          return 'frozen'
        }),
      )
    },
  },
  reload('needs one more', 'held afresh', 6, (to) => ({
    'roles/leaver.yaml': role('leaver', to === 'other' ? { count: 2 } : {}),
  })),
  reload('costs twice as much', 'held afresh', 6, (to) => ({
    'actions/pay.yaml': action(to === 'other' ? { cost: 'input.amount * 2' } : {}),
  })),
  reload('allows less', 'denied', 6, (to) => ({
    'roles/leaver.yaml': role('leaver', to === 'other' ? { max: '55.00' } : {}),
  })),
  reload('has the role no more', 'cancelled', 6, (to) => ({
    'roles/leaver.yaml': to === 'other' ? null : role('leaver'),
  })),
  reload('changes nothing', 'by the new policy', 6, (to) => ({
    'roles/leaver.yaml': role('leaver', to === 'other' ? { remark: ' In other words.' } : {}),
  })),
  {
    name: 'approve × stop of the gateway',
    sides: ['done', 'held'],
    share: 6,
    async run(track, many) {
      const calls = await track.hold(many)
      const which = track.random.below(track.gates.all.length)
      const at = track.gates.all[which]
      const clicks: Promise<Answer>[] = []
      const begin = (call: Held): void => {
        const gate = track.random.chance(0.7) && at !== undefined ? at : track.random.pick(track.gates.all)
        clicks.push(later(track, 60, () => track.approve('dana', call, { at: gate })))
      }
      for (const call of calls) begin(call)
      await track.moment(30)
      await track.gates.restart(which)
      await Promise.all(clicks)
      return Promise.all(
        calls.map(async (call) => {
          const { status } = await track.rested(call.id)
          if (status !== 'held') return status
          expect((await track.approve('omar', call)).body.status === 'done', `${call.id}: after the start`)
          return 'held'
        }),
      )
    },
  },
]

/** Against one thing that ends a held call otherwise. */
function against(
  verb: string,
  end: string,
  share: number,
  ends: (track: Track, call: Held) => Promise<Answer>,
): Combination {
  return {
    name: `approve × ${verb}`,
    sides: ['done', end],
    share,
    run: (track, many) =>
      each(track, many, {}, async (call) => {
        await atOnce(track, [() => track.approve('dana', call), () => later(track, 120, () => ends(track, call))])
        return (await track.rested(call.id)).status
      }),
  }
}

/** Against a policy that is another after it than before. */
function reload(
  what: string,
  otherwise: string,
  share: number,
  files: (to: 'other' | 'same') => { readonly [path: string]: string | null },
): Combination {
  return {
    name: `approve × a policy that ${what}`,
    sides: ['done', otherwise],
    share,
    async run(track, many) {
      const calls = await track.hold(many, { role: 'leaver' })
      const before = (await track.admin('dana', 'GET', '/admin/v1/policy')).body.digest
      const changes = track.gates.policy(files('other'))
      const taking = { on: true }
      const over = changes.finally(() => (taking.on = false))
      // The clicks come while it is taken up, and those that are left at the moment when every gateway has it.
      const [least, most] = track.gates.taken_ms
      const clicks = calls.map(async (call, at) => {
        const until = performance.now() + least + ((most - least) * at) / many
        while (taking.on && performance.now() < until) await sleep(5)
        return track.approve('dana', call)
      })
      await over
      await Promise.all(clicks)
      const won = await Promise.all(calls.map((call) => ended(track, call, before)))
      await track.gates.policy(files('same'))
      return won
    },
  }
}

async function ended(track: Track, call: Held, before: string): Promise<string> {
  const story = await track.rested(call.id)
  const approved = story.entries.find(({ kind }: { kind: string }) => kind === 'call.approved')
  if (story.status === 'done') return approved.policy === before ? 'done' : 'by the new policy'
  // Turned away while the policy changed, or held afresh: a card that nobody has seen yet.
  if (story.status !== 'held') return story.status
  const wasNew = story.card !== call.card
  for (const person of ['dana', 'omar']) {
    const { card, status } = await track.story(call.id)
    if (status === 'held') await track.approve(person, call, { card })
  }
  const end = (await track.rested(call.id)).status
  expect(wasNew ? end === 'done' : true, `${call.id}: held afresh, and then ${end}`)
  return wasNew ? 'held afresh' : end === 'done' ? 'by the new policy' : end
}

/** Each of so many held calls by itself, all at the same time. */
async function each(
  track: Track,
  many: number,
  asked: Parameters<Track['hold']>[1],
  race: (call: Held) => Promise<string>,
): Promise<string[]> {
  const calls = await track.hold(many, asked)
  return Promise.all(calls.map(race))
}

/** All of these, begun at once by turns, or each after a moment of its own: a yes takes longer than what ends a call. */
async function atOnce<T>(track: Track, all: readonly (() => Promise<T>)[]): Promise<T[]> {
  const most_ms = track.random.pick([0, 0, 10, 50, 150])
  if (most_ms > 0) return Promise.all(all.map((one) => later(track, most_ms, one)))
  const first = track.random.below(all.length)
  const begun = new Map<number, Promise<T>>()
  for (let at = 0; at < all.length; at++) {
    const which = (first + at) % all.length
    const one = all[which]
    if (one !== undefined) begun.set(which, one())
  }
  return Promise.all(all.map((_, which) => begun.get(which) as Promise<T>))
}

async function later<T>(track: Track, most_ms: number, one: () => Promise<T>): Promise<T> {
  await track.moment(most_ms)
  return one()
}

/** Exactly one of the clicks counted, and which. */
function oneOf(names: readonly string[], answers: readonly Answer[]): string {
  const won = answers.flatMap(({ status }, at) => (status === 200 ? [names[at] ?? ''] : []))
  expect(won.length === 1, `${won.length} of ${answers.length} clicks counted`)
  return won[0] ?? ''
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}
