import { flushCompileCache } from 'node:module'
import { serve } from '../../gateway/main.ts'
import { dieAt } from './die.ts'

/** A gateway as a process of its own, which dies at a step: `node gateway-process.ts DIR POLICIES [STORE]`. */
const [, , dir = '', policies = '', store = `sqlite:${dir}/keystay.db`] = process.argv
const running = await serve({
  policies,
  store,
  ledgerKey: `file://${dir}/keystay.db.ledger-key`,
  listen: '127.0.0.1:0',
  adminListen: '127.0.0.1:0',
  stripeListen: '127.0.0.1:0',
  secrets: 'env:',
  dev: true,
  strictClock: false,
  log: (line) => process.stderr.write(`${line}\n`),
  step: dieAt,
  workerUrl: new URL('./stepped-worker.ts', import.meta.url),
})
process.stdout.write(
  `${JSON.stringify({ agentUrl: running.agentUrl, adminUrl: running.adminUrl, stripeUrl: running.stripeUrl })}\n`,
)
// Most that are started here are killed, and would leave the next to compile it all again.
flushCompileCache()
process.once('SIGTERM', () => void running.stop(2000).then(() => process.exit(0)))
