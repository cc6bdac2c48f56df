import type { Express } from 'express'
import { docsRoutes } from './docs.ts'
import { frame } from './frame.ts'
import type { DoorParts } from './frame.ts'
import { mcpRoutes } from './mcp.ts'
import { metadataRoutes, resourceMetadata } from './metadata.ts'
import { oauthRoutes } from './oauth.ts'
import { openApiRoute } from './openapi.ts'
import { proxyRoutes } from './proxy.ts'
import { restRoutes } from './rest.ts'
import { slots } from './slots.ts'

/** What agents reach: sessions (`/oauth/…`), actions and calls (`/v1/…`, `/mcp`), their description, health. */
export function agentApp(parts: DoorParts): Express {
  const waiting = slots(parts.waiting_max)
  const { agentUrl } = parts
  const metadata = agentUrl === undefined ? undefined : () => resourceMetadata(agentUrl)
  return frame(
    parts,
    (route) => [
      restRoutes(parts, route, waiting),
      mcpRoutes(parts, waiting, metadata),
      oauthRoutes(parts, metadata),
      openApiRoute(parts, route),
      docsRoutes(route),
      proxyRoutes(parts, route, waiting),
      ...(agentUrl === undefined ? [] : [metadataRoutes(agentUrl, parts, route)]),
    ],
    metadata,
  )
}
