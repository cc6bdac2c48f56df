import { join } from 'node:path'
import { serve } from '../../gateway/main.ts'
import { clientOf } from '../house/gateway.ts'
import { KEY, writeCompany } from './company.ts'

/** The whole gateway as `keystay serve` composes it, on a SQLite file of its own, and a session's token. */
export async function governed(backend: string, dir: string): Promise<{ url: string; token: string }> {
  const policies = join(dir, 'policies')
  await writeCompany(policies, backend)
  process.env[KEY.name] = KEY.value
  const { agentUrl, adminUrl } = await serve({
    policies,
    store: `sqlite:${join(dir, 'keystay.db')}`,
    listen: '127.0.0.1:0',
    adminListen: '127.0.0.1:0',
    secrets: 'env:',
    dev: true,
    strictClock: false,
    log: () => {},
  })
  return { url: agentUrl, token: await clientOf(agentUrl, adminUrl).token() }
}
