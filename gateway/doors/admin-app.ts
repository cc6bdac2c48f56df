import type { Express } from 'express'
import { devRoutes } from './dev.ts'
import { sameOrigin } from './edge.ts'
import { frame } from './frame.ts'
import type { DoorParts } from './frame.ts'
import { peopleRoutes } from './people.ts'

/** What people reach: calls and decisions (`/admin/v1/…`), health; under --dev the demo's sign-in. */
export function adminApp(parts: DoorParts): Express {
  const { devToken } = parts.identity
  return frame(parts, (route) => [
    ...(devToken === null ? [] : [devRoutes(devToken, parts.gateway, route)]),
    sameOrigin(parts.gateway),
    peopleRoutes(parts, route),
  ])
}
