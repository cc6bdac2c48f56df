import type { Router } from 'express'
import { Problem } from '../core/problem.ts'
import { parseTile } from '../core/tile.ts'
import type { Tile } from '../core/tile.ts'
import { newRouter } from './frame.ts'
import type { DoorParts, Route } from './frame.ts'
import { readQuery } from './query.ts'
import { personAt } from './who.ts'

/** The newest signed head (a C2SP tlog-checkpoint; null before the first), and the key that signs it (a C2SP vkey). */
export interface LedgerHead {
  checkpoint(): Promise<string | null>
  vkey(): Promise<string>
  /** Base64; null where the signed tree does not reach so far. */
  tile(tile: Tile): Promise<string | null>
}

/**
 * `GET /ledger/checkpoint`, at the place and in the form of C2SP tlog-tiles, so that witnesses and other programs can read
 * it: a size, a hash and a signature, and nothing that was ever said. So it asks for no token. `/ledger/key.pub` is for
 * the first look only: who must have signed is learnt another way than from the ledger. Tiles of hashes say no more than it
 * does; a tile of entries says who did what, and is for whoever may export.
 *
 * @throws Problem token_missing, token_invalid, not_eligible
 */
export function ledgerRoutes(parts: DoorParts, ledger: LedgerHead, route: Route): Router {
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
  router.get(
    /^\/ledger\/tile\/(.{1,100})$/,
    route(async (request) => {
      readQuery(request, [])
      const tile = parseTile(request.params[0] ?? '')
      if (tile?.of === 'entries') await parts.gateway.people.mayReadEntries(await personAt(request, parts))
      const held = tile === null ? null : await ledger.tile(tile)
      if (held === null) throw new Problem('no_such_route', 'The signed tree has no such tile.')
      const bytes = Buffer.from(held, 'base64')
      // A secret never comes here. If one did, bytes that are not those that were hashed would help nobody.
      if (tile?.of === 'entries' && parts.scrub(bytes.toString()) !== bytes.toString())
        throw new Error('an entry of the ledger holds a secret')
      return { status: 200, type: 'application/octet-stream', body: undefined, bytes }
    }),
  )
  return router
}
