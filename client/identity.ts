import { KeystayError } from './error.ts'

/** A JWT that proves who this workload is, fresh at each call of it: the client asks again for every renewal. */
export type Identity = () => string | Promise<string>

/** A file that something else keeps fresh (Kubernetes, SPIFFE, a sidecar). Read each time. */
export function tokenFile(path: string): Identity {
  return async () => {
    const { readFile } = await import('node:fs/promises')
    return readFile(path, 'utf8').catch((error: { code?: string }) => {
      throw new KeystayError('identity', `The token file ${path} cannot be read (${error.code}).`)
    })
  }
}

/** Where docs/identity.md mounts the projected token of a pod; its audience must be the gateway's. */
const PROJECTED = '/var/run/secrets/keystay/token'

/** The token that Kubernetes projects into the pod, and renews there. */
export function kubernetes(path: string = PROJECTED): Identity {
  return tokenFile(path)
}

const EXEC_MS = 30_000
const TOKEN_MAX = 64 * 1024

/**
 * A program that prints the JWT: `exec(['gcloud', 'auth', 'print-identity-token', '--audiences=keystay'])`. No shell reads
 * it, so nothing in it is expanded. What it printed is in no error.
 */
export function exec(command: readonly [string, ...string[]]): Identity {
  const [program, ...parts] = command
  return async () => {
    const { execFile } = await import('node:child_process')
    return new Promise((resolve, reject) => {
      const options = { timeout: EXEC_MS, maxBuffer: TOKEN_MAX, windowsHide: true }
      execFile(program, parts, options, (error, out) => {
        if (error === null) return resolve(out)
        const why = error.killed === true ? 'took too long' : `failed (${error.code ?? error.signal})`
        reject(new KeystayError('identity', `${program} ${why}; it is to print one JWT.`))
      })
    })
  }
}

/** The token that GitHub gives a job with `permissions: { id-token: write }`, for this audience. */
export function gitHubActions({ audience }: { readonly audience: string }): Identity {
  return async () => {
    const { env } = await import('node:process')
    const [address, bearer] = [env['ACTIONS_ID_TOKEN_REQUEST_URL'], env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']]
    if (!address || !bearer || !URL.canParse(address)) {
      const text = 'ACTIONS_ID_TOKEN_REQUEST_URL is not set: the job needs permissions: { id-token: write }.'
      throw new KeystayError('identity', text)
    }
    const url = new URL(address)
    url.searchParams.set('audience', audience)
    const headers = { authorization: `Bearer ${bearer}`, accept: 'application/json' }
    const response = await fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(EXEC_MS) }).catch(
      () => {
        throw new KeystayError('identity', 'GitHub did not answer with a token.')
      },
    )
    const body = (await response.json().catch(() => null)) as { readonly value?: unknown } | null
    if (typeof body?.value === 'string') return body.value
    throw new KeystayError('identity', `GitHub answered ${response.status} and no token.`)
  }
}

/** @throws KeystayError `identity` where what comes is not one JWT; it may be anything, so it is not said what came. */
export async function proofOf(identity: Identity): Promise<string> {
  const given: unknown = await identity()
  const token = typeof given === 'string' ? given.trim() : ''
  if (token.length <= TOKEN_MAX && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return token
  throw new KeystayError('identity', 'The identity gave something else than one JWT.')
}
