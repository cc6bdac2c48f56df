import { Problem } from '../../gateway/core/problem.ts'
import { overBy } from '../../gateway/core/session-over.ts'
import type { Session } from '../../gateway/core/types.ts'
import { StoreUnavailable } from '../../gateway/store/store.ts'
import type { Process } from './process.ts'
import type { Random } from './random.ts'
import { as } from './time.ts'
import type { Host, Time } from './time.ts'
import type { Violated } from './track.ts'

/** How agents and people reach a process, and what they were told. */
export interface Door {
  /** Asks one process, as a door would: over a line that is cut when the process dies. */
  at<T>(process: Process, work: () => Promise<T>): Promise<T>
  /** Runs what somebody does; an answer that nobody could expect is a fault of the house. */
  does(who: string, work: () => Promise<unknown>): void
  /** Some process that serves. */
  somewhere(but?: Process): Process | null
  /** An answer of this kind. */
  count(answer: string): void
  /** This process is no more: whoever waits for it hears nothing. */
  cut(host: Host): void
  /** Requests that were not answered yet. */
  readonly waiting: () => number
  readonly answers: ReadonlyMap<string, number>
}

export interface DoorParts {
  readonly time: Time
  readonly random: Random
  readonly processes: () => readonly Process[]
  readonly violated: Violated
  readonly trace: (line: string) => void
}

/** The request was cut off: its process died. Whoever asked knows nothing. */
class Cut extends Error {}

export function openDoor({ time, random, processes, violated, trace }: DoorParts): Door {
  const answers = new Map<string, number>()
  let waiting = 0

  /** Asks one process, as a door would: over a line that is cut when the process dies. */
  async function at<T>({ host }: Process, work: () => Promise<T>): Promise<T> {
    const answered = async (): Promise<T> => {
      await time.after(random.between(0, 3), host)
      return as(host, work)
    }
    if (!host.alive) throw new Cut()
    return Promise.race([answered(), cutOff(host)])
  }
  const cuts = new Map<Host, { promise: Promise<never>; cut: () => void }>()
  function cutOff(host: Host): Promise<never> {
    const known = cuts.get(host)
    if (known !== undefined) return known.promise
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => {})
    cuts.set(host, { promise, cut: () => reject(new Cut()) })
    return promise
  }

  /** Runs what somebody does; an answer that nobody could expect is a fault of the house. */
  function does(who: string, work: () => Promise<unknown>): void {
    waiting++
    void as(null, work)
      .catch((error: unknown) => {
        if (error instanceof Cut) return count('cut off')
        if (error instanceof Problem) {
          trace(`${who}: ${error.code}`)
          return count(error.code)
        }
        if (error instanceof StoreUnavailable) {
          trace(`${who}: 503 ${error.reason}`)
          return count(`503 ${error.reason}`)
        }
        violated(
          'I18',
          `${who} was answered with a fault of ours: ${error instanceof Error ? error.stack : String(error)}`,
        )
      })
      .finally(() => waiting--)
  }
  const count = (name: string): void => void answers.set(name, (answers.get(name) ?? 0) + 1)

  function somewhere(but?: Process): Process | null {
    const all = processes().filter((process) => process !== but && process.host.alive)
    return all.length === 0 ? null : random.pick(all)
  }

  return { at, does, somewhere, count, cut: (host) => cuts.get(host)?.cut(), waiting: () => waiting, answers }
}

/** As identity/authenticate.ts: the session whose token this is, if it lives. */
export async function authenticated({ store, house }: Process, token: string): Promise<Session> {
  const row = await store.sessionByToken(token)
  if (row === null) throw new Problem('token_invalid', 'no such session')
  const over = overBy(row, house.clock.now())
  if (over !== null) throw new Problem(over, 'it is over')
  const { id, lineage, role, principal, requester, acting_for, attributes, issued_at, expires_at } = row
  return { id, lineage, role, principal, requester, acting_for, attributes, issued_at, expires_at }
}
