import type { Operation, ResultOf } from '../core/operations.ts'
import type { Store } from '../store/store.ts'
import type { Leases } from './leases.ts'

/** The store, where the end of a session is looked at right away: what hangs on it must not wait for the next look. */
export function hurrying<S extends Store>(store: S, leases: Pick<Leases, 'hurry'>): S {
  return {
    ...store,
    async write<O extends Operation>(operation: O): Promise<ResultOf<O>> {
      const result = await store.write(operation)
      if (operation.op === 'session.end') leases.hurry()
      return result
    },
  }
}
