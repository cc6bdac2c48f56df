import type { Express } from 'express'
import { frame } from './frame.ts'
import type { DoorParts } from './frame.ts'
import { oauthRoutes } from './oauth.ts'
import { openApiRoute } from './openapi.ts'
import { restRoutes } from './rest.ts'

/** What agents reach: sessions (`/oauth/…`), actions and calls (`/v1/…`), their description, health. */
export function agentApp(parts: DoorParts): Express {
  return frame(parts, (route) => [restRoutes(parts, route), oauthRoutes(parts), openApiRoute(parts, route)])
}
