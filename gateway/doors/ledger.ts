import type { Router } from 'express'
import { Problem } from '../core/problem.ts'
import { newRouter } from './frame.ts'
import type { Route } from './frame.ts'
import { readQuery } from './query.ts'

/** The newest signed head (a C2SP tlog-checkpoint; null before the first), and the key that signs it (a C2SP vkey). */
export interface LedgerHead {
  checkpoint(): Promise<string | null>
  vkey(): Promise<string>
}

/**
 * `GET /ledger/checkpoint`, at the place and in the form of C2SP tlog-tiles, so that witnesses and other programs can read
 * it: a size, a hash and a signature, and nothing that was ever said. So it asks for no token. `/ledger/key.pub` is for
 * the first look only: who must have signed is learnt another way than from the ledger.
 */
export function ledgerRoutes(ledger: LedgerHead, route: Route): Router {
  const router = newRouter()
  router.get(
    '/ledger/checkpoint',
    route(async (request) => {
      readQuery(request, [])
      const text = await ledger.checkpoint()
      if (text === null)
        throw new Problem('no_such_route', 'The ledger has not been signed yet; look again in a second.')
      return { status: 200, type: 'text/plain', body: undefined, text }
    }),
  )
  router.get(
    '/ledger/key.pub',
    route(async (request) => {
      readQuery(request, [])
      return { status: 200, type: 'text/plain', body: undefined, text: `${await ledger.vkey()}\n` }
    }),
  )
  return router
}
