import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { Router } from 'express'
import { newRouter } from './frame.ts'
import type { Route } from './frame.ts'
import { SCRIPT, STYLE, TEXT } from './docs/page.ts'
import { readQuery } from './query.ts'
import { discardBody } from './read-body.ts'
import { pageHeaders } from './security-headers.ts'

/**
 * `GET /docs/`: the actions and routes of a role on a page for people who look, drawn by swagger-ui from the files of its
 * package. The page itself tells nothing and needs no token; it asks for one, asks `/openapi.json` with it, and forgets
 * it. Nothing can be tried from it: it holds no token to try with.
 */
export function docsRoutes(route: Route): Router {
  const router = newRouter()
  const page = route(async (request) => {
    readQuery(request, [])
    return { status: 200, type: 'text/html', body: undefined, text: TEXT, policy: POLICY }
  })
  router.get('/docs', page)
  router.get('/docs/', page)
  for (const [name, { type, bytes }] of Object.entries(FILES)) {
    router.get(`/docs/${name}`, async (request, response) => {
      readQuery(request, [])
      await discardBody(request)
      const body = await bytes()
      // As it lies in a package: there is nothing of ours in it that could be hidden.
      const lines = [
        'Cache-Control',
        'public, max-age=3600',
        'Content-Type',
        type,
        'Content-Length',
        String(body.length),
      ]
      response.writeHead(200, [...pageHeaders(POLICY), ...lines]).end(body)
    })
  }
  return router
}

/** Its own script and styles, pictures that stand in the styles, and one address to ask: where it came from. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

interface File {
  readonly type: string
  readonly bytes: () => Promise<Buffer>
}

const [JAVASCRIPT, CSS] = ['text/javascript; charset=utf-8', 'text/css; charset=utf-8']
const FILES: { readonly [name: string]: File } = {
  'page.js': { type: JAVASCRIPT, bytes: async () => Buffer.from(SCRIPT) },
  'page.css': { type: CSS, bytes: async () => Buffer.from(STYLE) },
  'swagger-ui-bundle.js': { type: JAVASCRIPT, bytes: packaged('swagger-ui-dist/swagger-ui-bundle.js') },
  'swagger-ui.css': { type: CSS, bytes: packaged('swagger-ui-dist/swagger-ui.css') },
}

/** Read when it is asked for first: most gateways never are. */
function packaged(name: string): () => Promise<Buffer> {
  let read: Promise<Buffer> | undefined
  return () => (read ??= readFile(createRequire(import.meta.url).resolve(name)))
}
