import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Router } from 'express'
import { newRouter } from './frame.ts'
import type { Route } from './frame.ts'
import { discardBody } from './read-body.ts'
import { pageHeaders } from './security-headers.ts'

/** The console as it was built: a page, and files whose names change with what is in them. */
interface Built {
  readonly page: string
  readonly files: ReadonlyMap<string, { readonly type: string; readonly bytes: Buffer }>
}

const TYPES: { readonly [ending: string]: string } = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml; charset=utf-8',
}

/** In a clone beside the sources, in the package beside this very file. */
const PLACE = join(import.meta.dirname, '../..', import.meta.filename.endsWith('.ts') ? 'dist/console' : 'console')

/**
 * `GET /console/…`: the page of the people's console, whoever asks: what it shows comes from `/admin/v1`, with their
 * cookie. Its policy lets in its own script and its own styles (which carry the nonce of the answer), and nothing else.
 */
export function consoleRoutes(route: Route): Router {
  const built = builtConsole()
  const router = newRouter()
  const page = route(async () => {
    if (built === null)
      return {
        status: 404,
        type: 'text/plain',
        body: undefined,
        text: 'The console is not built: npm run build:console',
      }
    const nonce = randomBytes(16).toString('base64')
    const text = built.page.replace('__NONCE__', nonce)
    return { status: 200, type: 'text/html', body: undefined, text, policy: policyWith(nonce) }
  })
  router.get(
    '/console',
    route(async () => ({ status: 308, body: undefined, headers: { Location: '/console/' } })),
  )
  router.get(/^\/console\/.*$/, async (request, response, next) => {
    const file = built?.files.get(request.path.slice('/console/'.length))
    // Any other address is one of the page's own.
    if (file === undefined) return request.path.startsWith('/console/assets/') ? next() : page(request, response, next)
    await discardBody(request)
    // The names of assets are hashes of them.
    const life = request.path.startsWith('/console/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache'
    const kept = ['Cache-Control', life, 'Content-Type', file.type]
    const length = ['Content-Length', String(file.bytes.length)]
    response.writeHead(200, [...pageHeaders(policyWith(null)), ...kept, ...length]).end(file.bytes)
  })
  return router
}

function policyWith(nonce: string | null): string {
  const styles = nonce === null ? '' : ` 'nonce-${nonce}'`
  const own = ['script-src', 'connect-src', 'img-src', 'font-src', 'form-action'].map((name) => `${name} 'self'`)
  return ["default-src 'none'", `style-src 'self'${styles}`, ...own, "base-uri 'none'", "frame-ancestors 'none'"].join(
    '; ',
  )
}

function builtConsole(): Built | null {
  try {
    const files = readdirSync(PLACE, { recursive: true, withFileTypes: true }).flatMap(({ name, parentPath }) => {
      const type = TYPES[name.split('.').at(-1) ?? '']
      const path = join(parentPath, name)
      return type === undefined ? [] : [[relative(PLACE, path), { type, bytes: readFileSync(path) }] as const]
    })
    return { page: readFileSync(join(PLACE, 'index.html'), 'utf8'), files: new Map(files) }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
