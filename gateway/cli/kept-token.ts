import { mkdir, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { readPrivateFile } from '../secrets/private-file.ts'
import { writePrivateFile } from '../secrets/write-file.ts'
import { EXIT, Failure } from './exit.ts'

/** A person's sign-in, kept for the other verbs. A token goes only to the gateway that it was kept for. */
export interface Kept {
  readonly token: string
  /** ISO 8601; what the token itself says. */
  readonly expires_at: string
  readonly subject: string
}
type ByGateway = { readonly [origin: string]: Kept }

/** `$XDG_STATE_HOME/keystay/sign-in.json`, mode 0600. */
export function keptFile(environment: NodeJS.ProcessEnv): string {
  const state = environment['XDG_STATE_HOME']
  // A relative one is to be ignored (XDG Base Directory Specification).
  return join(state?.startsWith('/') ? state : join(homedir(), '.local', 'state'), 'keystay', 'sign-in.json')
}

/** What is kept for this gateway and has not expired. @throws Failure where it has: going on as nobody would surprise. */
export async function keptToken(adminUrl: string, now = Date.now()): Promise<string | null> {
  const kept = (await readKept(keptFile(process.env)))[originOf(adminUrl)]
  if (kept === undefined) return null
  if (Date.parse(kept.expires_at) > now) return kept.token
  throw new Failure(
    EXIT.usage,
    `Your sign-in at ${originOf(adminUrl)} ended at ${kept.expires_at}: keystay login again.`,
  )
}

export async function keepToken(adminUrl: string, kept: Kept): Promise<string> {
  const file = keptFile(process.env)
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const now = Date.now()
  const others = Object.entries(await readKept(file)).filter(([, { expires_at }]) => Date.parse(expires_at) > now)
  await write(file, { ...Object.fromEntries(others), [originOf(adminUrl)]: kept })
  return file
}

/** @returns whether there was one. */
export async function forgetToken(adminUrl: string | null): Promise<boolean> {
  const file = keptFile(process.env)
  const all = await readKept(file)
  const left = Object.entries(all).filter(([origin]) => adminUrl !== null && origin !== originOf(adminUrl))
  if (left.length === Object.keys(all).length) return false
  if (left.length === 0) await rm(file, { force: true })
  else await write(file, Object.fromEntries(left))
  return true
}

/** What a JWT says of itself. Not verified: the gateway does that at each use. */
export function claimsOf(token: string): { readonly expires_at: string; readonly subject: string } | null {
  try {
    const { exp, sub } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      exp?: unknown
      sub?: unknown
    }
    if (typeof exp !== 'number' || typeof sub !== 'string') return null
    return { expires_at: new Date(exp * 1000).toISOString(), subject: sub }
  } catch {
    return null
  }
}

function write(file: string, all: ByGateway): Promise<boolean> {
  return writePrivateFile(file, `${JSON.stringify(all, null, 2)}\n`, true)
}

async function readKept(file: string): Promise<ByGateway> {
  const text = await readPrivateFile(file).catch((error: Error) => {
    if (error.message.endsWith('does not exist')) return '{}'
    throw new Failure(EXIT.usage, `${error.message}.`)
  })
  try {
    return JSON.parse(text) as ByGateway
  } catch {
    throw new Failure(EXIT.usage, `${file} is not what keystay login wrote. Delete it, and log in again.`)
  }
}

function originOf(adminUrl: string): string {
  if (!URL.canParse(adminUrl))
    throw new Failure(EXIT.usage, `${adminUrl} is not a URL. Write for example http://127.0.0.1:8788.`)
  return new URL(adminUrl).origin
}
