import { Button, Group, Text } from '@mantine/core'
import { useEffect, useRef, useState } from 'react'
import { ask } from '../api/ask.ts'
import type { Filter } from '../api/filter.ts'
import { queryOf } from '../api/queries.ts'
import type { Page } from '../api/queries.ts'
import { Failure } from './failure.tsx'
import { addUp, sayTotals } from './sums.ts'
import type { Totals } from './sums.ts'

interface Counting {
  readonly totals: Totals
  readonly isOver: boolean
  readonly error: Error | null
}

/** Sums of everything that the filter finds, page by page, for as long as somebody wants to wait. */
export function WholeSum({ of: filter }: { readonly of: Filter }) {
  const [counting, setCounting] = useState<Counting | null>(null)
  const running = useRef<AbortController | null>(null)
  useEffect(() => () => running.current?.abort(), [])
  const count = async (): Promise<void> => {
    const control = new AbortController()
    running.current = control
    let totals: Totals = new Map()
    let cursor: string | undefined
    try {
      do {
        const query = queryOf({ ...filter, limit: '500', cursor })
        // Each page begins where the one before it ended.
        const page = await ask<Page>(`/admin/v1/calls${query}`, undefined, control.signal)
        totals = addUp(totals, page.calls)
        cursor = page.cursor ?? undefined
        setCounting({ totals, isOver: cursor === undefined, error: null })
      } while (cursor !== undefined)
    } catch (error) {
      if (!control.signal.aborted) setCounting({ totals, isOver: false, error: error as Error })
    }
    running.current = null
  }
  if (counting === null)
    return (
      <Button size="compact-sm" variant="default" className="no-print" onClick={() => void count()}>
        Sum of the whole filter
      </Button>
    )
  const { totals, isOver, error } = counting
  return (
    <Group gap="xs" role="status">
      <Text size="sm">
        {isOver ? 'The whole filter' : 'Counted so far'}: {sayTotals(totals)}
      </Text>
      {error !== null && <Failure of={error} />}
      {!isOver && error === null && (
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => {
            running.current?.abort()
            setCounting(null)
          }}
        >
          Stop
        </Button>
      )}
    </Group>
  )
}
