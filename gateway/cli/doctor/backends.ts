import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { checkedLookup, refusedLiteral } from '../../../adapters/egress.ts'
import type { BackendSpec } from '../../core/types.ts'
import { fail, ok, warn, why } from './finding.ts'
import type { Finding } from './finding.ts'

const TIMEOUT_MS = 4000
const PORTS: { readonly [protocol: string]: number } = {
  'https:': 443,
  'http:': 80,
  'postgres:': 5432,
  'postgresql:': 5432,
}

/** A connection to each, by the rules that calls keep to, closed again: nothing is asked, and no credential is opened. */
export function checkBackends(backends: ReadonlyMap<string, BackendSpec>): Promise<Finding[]> {
  return Promise.all([...backends.values()].map(checkBackend))
}

async function checkBackend({ name, config, private: isPrivate }: BackendSpec): Promise<Finding> {
  const url = typeof config['url'] === 'string' ? URL.parse(config['url']) : null
  const port = Number(url?.port) || PORTS[url?.protocol ?? ''] || 0
  if (url === null || port === 0) return warn('backends', `${name} has no address to look at`, 'See backends.yaml')
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const at = `${name} at ${url.hostname}:${port}`
  const tls = url.protocol === 'https:'
  try {
    const refused = refusedLiteral(host, isPrivate)
    if (refused !== null) throw refused
    await reach(host, port, tls, isPrivate)
    return ok('backends', `${at} answers${tls ? ', its certificate is valid' : ''}`)
  } catch (error) {
    return fail('backends', `${at}: ${messageOf(error)}`, fixOf(error, name))
  }
}

function reach(host: string, port: number, tls: boolean, isPrivate: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const where = { host, port, lookup: checkedLookup(isPrivate), timeout: TIMEOUT_MS }
    const socket = tls ? connectTls({ ...where, servername: /^[\d.]+$|:/.test(host) ? '' : host }) : connect(where)
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      socket.destroy()
      resolve()
    })
    socket.once('timeout', () => socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })))
    socket.once('error', reject)
  })
}

function messageOf(error: unknown): string {
  const code = why(error)
  if (code === 'EGRESS_REFUSED') return (error as Error).message
  if (isCertificate(code)) return `its certificate does not hold (${code})`
  return WORDS[code] ?? code
}

function fixOf(error: unknown, name: string): string {
  const code = why(error)
  if (code === 'EGRESS_REFUSED') return `If it is meant to be there: private: true in backends.yaml, at ${name}`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `Mend url: in backends.yaml, at ${name}, or the name server`
  if (isCertificate(code))
    return 'Have it show a certificate that this machine trusts, for this name (NODE_EXTRA_CA_CERTS)'
  return 'Start it, or let this machine through to it'
}

function isCertificate(code: string): boolean {
  return /CERT|SIGNED|ALTNAME|VERIFY|ISSUER/.test(code)
}

const WORDS: { readonly [code: string]: string } = {
  ENOTFOUND: 'there is no such name (ENOTFOUND)',
  EAI_AGAIN: 'the name cannot be looked up now (EAI_AGAIN)',
  ECONNREFUSED: 'nobody listens there (ECONNREFUSED)',
  ETIMEDOUT: 'no answer in time (ETIMEDOUT)',
  ECONNRESET: 'it hung up (ECONNRESET)',
}
