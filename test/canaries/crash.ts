import { readFileSync } from 'node:fs'

/**
 * For `node --import`: at SIGUSR2 the process warns of everything that it must not say, and then throws it (or rejects
 * with it), as a fault in a package deep below would.
 */
const [file, how] = [process.env['CANARY_FILE'] ?? '', process.env['CANARY_CRASH']]
process.on('SIGUSR2', () => {
  const all = readFileSync(file, 'utf8')
  process.emitWarning(`${all} ${Buffer.from(all).toString('hex')}`)
  const error = new Error(all, { cause: new Error(encodeURIComponent(all)) })
  setTimeout(() => {
    if (how === 'reject') void Promise.reject(error)
    else throw error
  }, 20)
})
