import { parseArgs } from 'node:util'
import type { Sandbox } from './sandbox.ts'

/** Starts a sandbox as a process of its own, when its file is what node was told to run. `--host --port --key`. */
export async function runAlone(
  meta: ImportMeta,
  sandbox: { port: number; start: (options: { host: string; port: number; key: string }) => Promise<Sandbox> },
): Promise<void> {
  if (!meta.main) return
  const { values } = parseArgs({
    options: { host: { type: 'string' }, port: { type: 'string' }, key: { type: 'string' } },
  })
  if (!values.key) {
    process.stderr.write('Say which key to accept: --key sk_test_…\n')
    process.exit(2)
  }
  const running = await sandbox.start({
    host: values.host ?? '127.0.0.1',
    port: Number(values.port ?? sandbox.port),
    key: values.key,
  })
  process.stdout.write(`${running.url}\n`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void running.close())
}
