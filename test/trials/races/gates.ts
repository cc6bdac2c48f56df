import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadPolicy } from '../../../gateway/policy-dir.ts'
import { startPostgres } from '../../backends/postgres.ts'
import type { Database } from '../../backends/postgres.ts'
import { BACKEND_KEY, writePolicies } from '../../house/company.ts'
import { house } from '../../house/gateway.ts'
import { gatewayProcess } from '../../kill/process.ts'

/** One gateway of the trial, as whoever speaks HTTP to it sees it. */
export interface Gate {
  readonly agentUrl: string
  readonly adminUrl: string
  stop(): Promise<void>
}

/** Gateways over one store, and the directory of their policy. */
export interface Gates {
  readonly all: Gate[]
  readonly store: string
  readonly policies: string
  /** How soon and how late every gateway has taken up a new policy, about. */
  readonly taken_ms: readonly [number, number]
  /** Stops this one as an operator would, and starts another in its place. `meanwhile` once it is told to stop. */
  restart(which: number, meanwhile?: () => void): Promise<void>
  /** Writes these files, and returns once every gateway decides by them. */
  policy(files: { readonly [path: string]: string | null }): Promise<void>
  /** Every gateway stops; the store is still there. */
  stop(): Promise<void>
  close(): Promise<void>
}

export interface OpenGates {
  /** Two replicas on PostgreSQL, or one gateway on SQLite. */
  readonly store: 'sqlite' | 'postgres'
  /** As processes of their own; else within this one, where a new policy is taken up sooner. */
  readonly processes: boolean
  readonly files: { readonly [path: string]: string }
}

export async function openGates({ store: kind, processes, files }: OpenGates): Promise<Gates> {
  const dir = await mkdtemp(join(tmpdir(), 'keystay-races-'))
  const policies = join(dir, 'policies')
  await writePolicies(policies, files)
  const server: Database | null = kind === 'postgres' ? await startPostgres(['log_statement=none']) : null
  const store = server === null ? `sqlite:${join(dir, 'keystay.db')}` : await server.fresh()
  process.env['KEYSTAY_TEST_KEY'] = BACKEND_KEY
  const open = async (): Promise<Gate> => {
    if (processes) {
      const { agentUrl, adminUrl, stop } = await gatewayProcess({ dir, policies, store })
      return { agentUrl, adminUrl, stop }
    }
    const ledgerKey = `file://${join(dir, 'keystay.db.ledger-key')}`
    const { running, stop } = await house({ dir, policies }, { store, ledgerKey, lookEvery_ms: 25 })
    return { agentUrl: running.agentUrl, adminUrl: running.adminUrl, stop }
  }
  const all = [await open()]
  if (kind === 'postgres') all.push(await open())
  const stop = async (): Promise<void> => {
    await Promise.all(all.map((gate) => gate.stop()))
  }
  return {
    all,
    store,
    policies,
    taken_ms: processes ? [500, 1500] : [20, 250],
    stop,
    async restart(which, meanwhile) {
      const stopped = all[which]?.stop()
      meanwhile?.()
      await stopped
      all[which] = await open()
    },
    async policy(changed) {
      for (const [path, text] of Object.entries(changed)) {
        if (text === null) {
          await rm(join(policies, path))
          continue
        }
        // A half of it that stood still for a moment would be a policy too.
        await writeFile(join(dir, 'draft'), text)
        await rename(join(dir, 'draft'), join(policies, path))
      }
      const wanted = await loadPolicy(policies)
      if (!wanted.ok) throw new Error(`the policy of the trial is invalid: ${JSON.stringify(wanted.findings)}`)
      for (let tries = 0; tries < 1000; tries++) {
        const now = await Promise.all(all.map(digestAt))
        if (now.every((digest) => digest === wanted.policy.digest)) return
        await sleep(20)
      }
      throw new Error(`the policy was not taken up: ${Object.keys(changed).join(', ')}`)
    },
    async close() {
      await stop()
      await server?.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function digestAt({ adminUrl }: Gate): Promise<string> {
  const url = `${adminUrl}/admin/v1/policy`
  return ((await get(url, await personToken(adminUrl, 'dana'))) as { digest: string }).digest
}

async function get(url: string, token: string): Promise<unknown> {
  return (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).json()
}

/** A person's token at this gateway, made anew each minute. */
export async function personToken(adminUrl: string, account: string): Promise<string> {
  const name = `${adminUrl} ${account}`
  const known = tokens.get(name)
  if (known !== undefined && performance.now() < known.until) return known.token
  const answer = await fetch(`${adminUrl}/dev/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ account }),
  })
  const { subject_token: token } = (await answer.json()) as { subject_token: string }
  if (answer.status !== 200) throw new Error(`no token for ${account}: ${answer.status}`)
  tokens.set(name, { token, until: performance.now() + 60_000 })
  return token
}

const tokens = new Map<string, { token: string; until: number }>()
