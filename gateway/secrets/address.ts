import { isIPv4 } from 'node:net'

/**
 * Why no source of secrets can be asked at this address, or null. Whoever can read on the way would read the secrets: TLS,
 * but for this machine itself. An address is an origin; what is asked there is not the operator's to say.
 */
export function originProblem(text: string): string | null {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) return 'is not an https: address'
  if (url.username !== '' || url.password !== '') return 'holds a login, which has its own settings'
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') return 'is more than a scheme, a host and a port'
  if (url.protocol === 'http:' && !isThisMachine(url.hostname)) return 'needs https: (http: is for this machine alone)'
  return null
}

/** `eu-central-1`, `us-gov-west-1`: a part of a host name, so nothing else. */
export function isRegion(text: string): boolean {
  return /^[a-z]{2,4}(-[a-z]{2,12}){1,3}-\d{1,2}$/.test(text)
}

function isThisMachine(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'))
}
