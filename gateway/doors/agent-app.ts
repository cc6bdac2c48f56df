import type { Express } from 'express'
import { frame } from './frame.ts'
import type { DoorParts } from './frame.ts'
import { oauthRoutes } from './oauth.ts'
import { restRoutes } from './rest.ts'

/** What agents reach: sessions (`/oauth/…`), actions and calls (`/v1/…`), health. */
export function agentApp(parts: DoorParts): Express {
  return frame(parts, (route) => [oauthRoutes(parts), restRoutes(parts, route)])
}
