import { Failure, EXIT } from '../exit.ts'
import type { OpenSession } from '../sign-in.ts'
import { endSessionOnce } from './end-session.ts'

/** A session that is renewed for as long as it is held. */
export interface Held {
  /** The newest. */
  token(): string
  /** @returns whether it is over for sure. */
  end(): Promise<boolean>
  /** No more renewals: another session has taken its place. */
  drop(): void
}

export interface HoldParts {
  readonly gateway: string
  /** Renews the session of this id on its lineage; null where nobody is there to prove it again. */
  readonly renew: ((session: string) => Promise<OpenSession>) | null
  readonly renewed: (open: OpenSession) => void
  /** It will not be renewed any more, or not now; a sentence. */
  readonly failed: (why: string, again: boolean) => void
  /** 0 ≤ x < 1. */
  readonly random: () => number
}

/** Renews at two thirds of each life. A gateway that is away is asked again, past the end too: what expired may be renewed. */
export function hold(first: OpenSession, parts: HoldParts): Held {
  let open = first
  let timer: NodeJS.Timeout | null = null
  let renewing: Promise<void> = Promise.resolve()
  let over = false

  const plan = (ms: number): void => {
    if (parts.renew === null) return
    timer = setTimeout(() => void (renewing = renew()), Math.min(ms, TIMER_MAX_MS))
    timer.unref()
  }
  const renew = async (): Promise<void> => {
    try {
      open = (await parts.renew?.(open.session)) ?? open
      parts.renewed(open)
      if (!over) plan(renewIn_ms(open.expires_in, parts.random()))
    } catch (error) {
      const again = mayPass(error)
      if (over) return
      parts.failed(error instanceof Error ? error.message : String(error), again)
      if (again) plan(AGAIN_MS * (0.5 + parts.random()))
    }
  }
  plan(renewIn_ms(first.expires_in, parts.random()))
  const drop = (): void => {
    over = true
    if (timer !== null) clearTimeout(timer)
  }
  return {
    token: () => open.token,
    drop,
    async end() {
      drop()
      // One that is under way may bring another token; it is not waited for long.
      await Promise.race([renewing, new Promise((resolve) => setTimeout(resolve, 1_000).unref())])
      return endSessionOnce(parts.gateway, open.token)
    },
  }
}

/** Two thirds of a life, a tenth of that more or less, so that agents that began together do not renew together. */
export function renewIn_ms(life_s: number, random: number): number {
  return Math.round(life_s * 1000 * (2 / 3) * (0.9 + random * 0.2))
}

const AGAIN_MS = 5_000
/** The longest that a timer of Node takes; anything longer would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1

/** Away, overloaded, an issuer that does not answer, a token file that is just being replaced. A no of the gateway stays one. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof Failure)) return false
  const { error: code } = ((error.body as { problem?: unknown } | undefined)?.problem ?? {}) as { error?: string }
  return error.exit === EXIT.unreachable || error.exit === EXIT.usage || code === 'temporarily_unavailable'
}
