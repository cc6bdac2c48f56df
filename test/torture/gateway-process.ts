import { serve } from '../../gateway/main.ts'
import { dieAt } from '../kill/die.ts'

/** A gateway as a process of its own: `node gateway-process.ts POLICIES STORE PORT ADMINPORT LEDGERKEY`. It ends with its standard input. */
const [, , policies = '', store = '', port = '0', adminPort = '0', ledgerKey = ''] = process.argv
const running = await serve({
  policies,
  store,
  listen: `127.0.0.1:${port}`,
  adminListen: `127.0.0.1:${adminPort}`,
  secrets: 'env:',
  ledgerKey,
  dev: true,
  strictClock: false,
  log: (line) => process.stderr.write(`${line}\n`),
  step: dieAt,
  workerUrl: new URL('./stepped-worker.ts', import.meta.url),
})
process.stdout.write('ready\n')
process.once('SIGTERM', () => void running.stop(5000).then(() => process.exit(0)))
process.stdin.on('end', () => process.exit(0)).resume()
