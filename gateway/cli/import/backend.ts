import { stringify } from 'yaml'
import type { JsonObject } from '../../core/types.ts'
import { isObject, listAt, objectAt, resolved } from './document.ts'
import type { OpenApi } from './document.ts'
import { refuse } from './refused.ts'

/** A backend from the document's first server and the way it is signed in to. @throws Refused. */
export function backendOf(api: OpenApi, name: string, secret: string): string {
  const [server] = listAt(api.root, 'servers')
  const url = isObject(server) && typeof server['url'] === 'string' ? server['url'] : ''
  const parsed = URL.parse(url)
  const plain = parsed !== null && parsed.protocol === 'https:' && parsed.username === '' && parsed.search === ''
  if (!plain || /[{}]/.test(url)) {
    refuse(
      'servers',
      `the first is ${JSON.stringify(url.slice(0, 100))}`,
      'It is no plain https address. Write the backend into the policy by hand.',
    )
  }
  const backend: JsonObject = { adapter: 'http', url: url.replace(/\/+$/, ''), auth: authOf(api, secret) }
  const text = stringify({ backends: { [name]: backend } }, { lineWidth: 120 })
  return `# From the servers of an OpenAPI document. Look at it: calls go there with your credential.\n${text}`
}

function authOf(api: OpenApi, secret: string): JsonObject {
  const schemes = Object.entries(objectAt(objectAt(api.root, 'components'), 'securitySchemes'))
  for (const [scheme, value] of schemes) {
    const { type, scheme: kind, in: place, name } = resolved(api, value, `components.securitySchemes.${scheme}`)
    if (type === 'http' && String(kind).toLowerCase() === 'bearer') return { bearer: secret }
    if (type === 'oauth2' || type === 'openIdConnect') return { bearer: secret }
    if (type === 'apiKey' && place === 'header' && typeof name === 'string') return { header: name, value: secret }
  }
  return { bearer: secret }
}
