import { Failure } from '../exit.ts'
import { hold } from '../run/hold.ts'
import type { Held } from '../run/hold.ts'
import { startWatch } from '../run/watch.ts'
import type { OpenSession } from '../sign-in.ts'

export interface SessionParts {
  readonly gateway: string
  /** Signs in; `session` is what is to go on, where something is. */
  readonly open: (session?: string) => Promise<OpenSession>
  readonly say: (text: string) => void
}

/** The bridge's one session: opened when it is first needed, renewed while it is held, ended with the process. */
export interface HeldSession {
  /** @throws Failure why there is none; the next one to ask tries again. */
  token(): Promise<string>
  /**
   * The gateway took this token no more. What has expired, or is not known there any more, is opened anew; what people have
   * ended stays ended.
   */
  refused(token: string, code: string): Promise<void>
  end(): Promise<void>
}

export function heldSession({ gateway, open, say }: SessionParts): HeldSession {
  // Another process, which ends the session when this one is killed. The token goes there through a pipe.
  const watch = startWatch(process.env)
  let held: Held | null = null
  let id: string | undefined
  let opening: Promise<void> | null = null

  const begin = async (session?: string): Promise<void> => {
    const opened = await open(session).catch(async (error: unknown) => {
      // Its lineage is over, or the gateway has forgotten it.
      const over = error instanceof Failure && codeOf(error) === 'invalid_grant' && session !== undefined
      if (over) return open()
      throw error
    })
    if (held !== null) held.drop()
    watch.tell({ gateway, token: opened.token, agent: null })
    id = opened.session
    say(`session ${opened.session} ${opened.role}, ${opened.expires_in} s, renewed until the client leaves`)
    held = hold(opened, {
      gateway,
      renew: (before) => open(before),
      renewed: ({ token, session }) => {
        id = session
        watch.tell({ gateway, token, agent: null })
      },
      failed: (why, again) => say(`The session is not renewed${again ? ', and it is tried again' : ''}: ${why}`),
      random: Math.random,
    })
  }
  const once = (session?: string): Promise<void> => {
    opening ??= begin(session).finally(() => (opening = null))
    return opening
  }
  return {
    async token() {
      if (held === null) await once()
      else if (opening !== null) await opening
      return held?.token() ?? ''
    },
    async refused(token, code) {
      if (held?.token() === token && code !== 'session_revoked') await once(id)
    },
    async end() {
      const ended = held === null || (await held.end())
      watch.tell({ gateway, token: ended ? null : (held?.token() ?? null), agent: null })
      watch.leave()
    },
  }
}

function codeOf({ body }: Failure): string | undefined {
  return (body as { problem?: { error?: string } } | undefined)?.problem?.error
}
