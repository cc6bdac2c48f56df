import { existsSync } from 'node:fs'
import { keptFile } from '../kept-token.ts'
import { duration, screen } from '../print.ts'
import { openSession, type OpenSession, type SessionWish, type WorkloadOptions } from '../sign-in.ts'
import { visible, visibleJson } from '../visible.ts'
import { exitOf, PASSED_ON, startAgent, type Agent } from './agent.ts'
import { beginAnew, beginning, type Beginning } from './begin-anew.ts'
import { openDoors, withoutProxy } from './doors.ts'
import { hold } from './hold.ts'
import { closeInherited } from './inherited.ts'
import type { Named } from './strip.ts'
import { startWatch, type Watch } from './watch.ts'

export interface RunOptions extends WorkloadOptions {
  readonly json?: boolean
  readonly keep: readonly string[]
  /** Seconds. */
  readonly ttl?: number
  readonly stripeUrl?: string
}

/**
 * Starts the agent, and ends when it does. Its exit code is ours then.
 *
 * @throws Failure where there is no session, or no such command.
 */
export async function start(command: readonly string[], options: RunOptions): Promise<void> {
  const signals = listen()
  // First of all: from here on nothing that goes wrong can show what the environment held.
  const began = await beginning(process.env, options.keep)
  beginAnew(began)
  closeInherited()
  const watch = startWatch(process.env)
  try {
    const open = await signals.until(openSession(options, wishOf(options)))
    await live(open, command, began, { options, watch, signals })
  } finally {
    watch.leave()
  }
}

/** From the session's first moment to its last. */
async function live(
  open: OpenSession,
  command: readonly string[],
  began: Beginning,
  { options, watch, signals }: { options: RunOptions; watch: Watch; signals: Signals },
): Promise<void> {
  const gateway = options.url
  let agent: Agent | null = null
  const told = (token: string | null) => watch.tell({ gateway, token, agent: agent?.watched ?? null })
  told(open.token)
  const held = hold(open, {
    gateway,
    // A person's yes is for once: they would be asked again and again, at a terminal that is the agent's.
    renew: options.device === true ? null : (session) => openSession(options, { ...wishOf(options), session }),
    renewed: ({ token }) => told(token),
    failed: (why, again) => say(`The session is not renewed${again ? ', and it is tried again' : ''}: ${why}`),
    random: Math.random,
  })
  try {
    const doors = await openDoors(gateway, options.stripeUrl ?? null, held.token)
    try {
      report(open, began, options)
      agent = await startAgent(command, { ...withoutProxy(began.environment), ...doors.environment })
      told(held.token())
      signals.to(agent)
      process.exitCode = await agent.ended
      agent = null
    } finally {
      await doors.close()
    }
  } finally {
    const ended = await held.end()
    told(ended ? null : held.token())
    if (!ended) say(`The gateway did not end ${open.session}; a process stays for ten minutes and goes on asking.`)
  }
}

function wishOf({ ttl }: RunOptions): SessionWish {
  return ttl === undefined ? {} : { ttl_s: ttl }
}

interface Signals {
  /** Waits for it; a signal before it is there ends us at once. What the gateway may have issued then nobody has. */
  until<T>(promise: Promise<T>): Promise<T>
  /** Passes on to the agent what came and what will come. */
  to(agent: Agent): void
}

/** From the first moment on, so that a signal never leaves a session open behind a process that is gone. */
function listen(): Signals {
  let first: NodeJS.Signals | null = null
  let agent: Agent | null = null
  let waiting = true
  for (const signal of PASSED_ON) {
    process.on(signal, () => {
      first ??= signal
      if (waiting) process.exit(exitOf(signal))
      agent?.signal(signal)
    })
  }
  return {
    async until(promise) {
      const value = await promise
      waiting = false
      return value
    },
    to(one) {
      agent = one
      if (first !== null) one.signal(first)
    },
  }
}

/** On standard error: standard output is the agent's. */
function report(open: OpenSession, { stripped, kept, missing }: Beginning, { json, device }: RunOptions): void {
  const { session, role, expires_in } = open
  const sign_in = existsSync(keptFile(process.env)) ? keptFile(process.env) : null
  if (json === true) {
    const told = { session, role, expires_in, stripped, kept, ...(sign_in === null ? {} : { sign_in }) }
    return screen.err(`${visibleJson(told)}
`)
  }
  if (sign_in !== null)
    say(
      `${sign_in} holds a person's sign-in: an agent of this user can read it, and decide as them. keystay logout forgets it; an agent with a user of its own cannot read it.`,
    )
  say(
    `session ${session} ${role}, ${duration(expires_in)}, ${device === true ? 'not renewed: a person gave it' : 'renewed until the agent ends'}`,
  )
  say(stripped.length === 0 ? 'its environment held no credentials' : `taken out of its environment: ${list(stripped)}`)
  if (kept.length > 0) say(`LEFT IN its environment, as --keep says: ${list(kept)}`)
  if (missing.length > 0) say(`--keep names what is not there: ${missing.join(', ')}`)
}

function list(all: readonly Named[]): string {
  return all.map(({ name, kind }) => `${name} (${kind})`).join(', ')
}

function say(text: string): void {
  screen.err(`keystay: ${visible(text)}\n`)
}
