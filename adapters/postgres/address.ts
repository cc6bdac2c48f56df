import { isIP } from 'node:net'
import type { BackendSpec } from '../../gateway/core/types.ts'

/** Where the server is, and what its certificate must prove. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly database: string
  /** false: no TLS. Else the certificate is verified, with the host's name, whatever the environment says. */
  readonly ssl: false | { readonly rejectUnauthorized: true; readonly ca?: string }
}

/** @throws TypeError when the url is none, or would leave a public network path without TLS */
export function addressOf(backend: BackendSpec): Address {
  const fail = (why: string): never => {
    throw new TypeError(`backend ${backend.name}: ${why}`)
  }
  const text = backend.config['url']
  const url = typeof text === 'string' ? URL.parse(text) : null
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol)) return fail('url must be postgres://HOST:PORT/DATABASE')
  if (url.username !== '' || url.password !== '' || url.hash !== '') return fail('url holds no login')
  const database = url.pathname.slice(1)
  if (url.hostname === '' || !/^[A-Za-z0-9_.-]{1,63}$/.test(database))
    return fail('url must name a host and a database')
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')

  const [mode = defaultMode(host, backend.private), ...more] = url.searchParams.getAll('sslmode')
  if (more.length > 0 || [...url.searchParams.keys()].some((name) => name !== 'sslmode')) {
    return fail('url may say sslmode, once, and nothing else')
  }
  if (mode !== 'verify-full' && mode !== 'disable') return fail('sslmode is verify-full or disable')
  if (mode === 'disable' && !backend.private) return fail('sslmode=disable needs private: true')
  const ca = backend.config['ca']
  return {
    host,
    port: url.port === '' ? 5432 : Number(url.port),
    database,
    ssl: mode === 'disable' ? false : { rejectUnauthorized: true, ...(typeof ca === 'string' ? { ca } : {}) },
  }
}

/** What never leaves the machine needs no TLS. */
function defaultMode(host: string, isPrivate: boolean): 'verify-full' | 'disable' {
  const loopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
  return loopback && isPrivate ? 'disable' : 'verify-full'
}
