import type { Operation, ResultOf } from '../../gateway/core/operations.ts'
import type { Working } from '../../gateway/core/working.ts'
import type { Folding } from '../../gateway/store/batch.ts'
import type { Planted } from './process.ts'

type Fold = Folding['fold']

/** Something else happens in a transaction than what production does. */
export function folded(
  instead: (fold: Fold, working: Working, operation: Operation) => ResultOf<Operation>,
): Pick<Planted, 'folding'> {
  return {
    folding: (folding) => ({
      ...folding,
      fold: (working, operation) => instead(folding.fold, working, operation),
    }),
  }
}
