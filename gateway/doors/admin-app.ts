import type { Express } from 'express'
import { authorizeRoutes } from './authorize.ts'
import { devRoutes } from './dev.ts'
import { consoleRoutes } from './console.ts'
import { deviceRoutes } from './device.ts'
import { sameOrigin } from './edge.ts'
import { frame } from './frame.ts'
import type { DoorParts } from './frame.ts'
import { exportRoutes } from './export.ts'
import { issuersRoute } from './issuers.ts'
import { ledgerRoutes } from './ledger.ts'
import { loginRoutes } from './login.ts'
import { meRoute } from './me.ts'
import { metricsRoute } from './metrics.ts'
import { passkeyRoutes } from './passkeys.ts'
import { noticeRoutes } from './notices.ts'
import { peopleRoutes } from './people.ts'

/** What people reach: calls and decisions (`/admin/v1/…`), health, metrics, the ledger’s signed head; under --dev the demo's sign-in. */
export function adminApp(parts: DoorParts): Express {
  const { devToken } = parts.identity
  const { signIn, adminUrl, agentUrl } = parts
  const link = (account: string): string | null => {
    const code = signIn?.links?.make(account) ?? null
    return code === null || adminUrl === undefined ? null : `${adminUrl()}/in/${code}`
  }
  return frame(parts, (route) => [
    ...(devToken === null ? [] : [devRoutes(devToken, link, parts.gateway, route)]),
    sameOrigin(parts.gateway),
    ...(parts.metrics === undefined ? [] : [metricsRoute(parts, parts.metrics, route)]),
    ...(parts.ledger === undefined ? [] : [ledgerRoutes(parts, parts.ledger, route)]),
    ...(signIn === undefined || adminUrl === undefined || agentUrl === undefined
      ? []
      : [
          issuersRoute(signIn, route),
          ...[loginRoutes, deviceRoutes, authorizeRoutes].map((routes) => {
            return routes({ ...parts, signIn, adminUrl, agentUrl })
          }),
        ]),
    consoleRoutes(route),
    meRoute(parts, route),
    exportRoutes(parts),
    passkeyRoutes(parts, route),
    ...(parts.gateway.notices === undefined ? [] : [noticeRoutes(parts, parts.gateway.notices, route)]),
    peopleRoutes(parts, route),
  ])
}
