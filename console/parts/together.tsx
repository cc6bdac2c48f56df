import { Button, List, Modal, Stack, Text, Textarea } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { ask } from '../api/ask.ts'
import { storyQuery } from '../api/queries.ts'
import type { CallStory, CallSummary } from '../api/types.ts'
import { Failure } from './failure.tsx'
import { sumsOf } from './sums.ts'
import { Words } from './text.tsx'

export const TOGETHER_MAX = 20

/** May these be decided in one go? Of one action, for the same reasons, and not too many to read. */
export function areAlike(calls: readonly CallSummary[]): boolean {
  const kinds = new Set(
    calls.map(({ action, need }) => JSON.stringify([action, need.map(({ line, of }) => [line, of])])),
  )
  return calls.length > 1 && calls.length <= TOGETHER_MAX && kinds.size === 1
}

/** Several calls of one rule and action: each line and the sum is shown, and each is decided, and written down, by itself. */
export function Together({ calls, done }: { readonly calls: readonly CallSummary[]; readonly done: () => void }) {
  const [asking, setAsking] = useState<'approve' | 'reject' | null>(null)
  const [reason, setReason] = useState('')
  const queries = useQueryClient()
  const decision = useMutation({
    mutationFn: async (verb: 'approve' | 'reject') => {
      for (const { call } of calls) {
        const { card } = await queries.fetchQuery({ ...storyQuery(call), staleTime: 60_000 })
        const body = verb === 'approve' ? { card } : { reason }
        await ask<CallStory>(`/admin/v1/calls/${call}/${verb}`, { method: 'POST', body })
      }
    },
    onSettled: () => queries.invalidateQueries(),
    onSuccess: () => {
      setAsking(null)
      done()
    },
  })
  return (
    <>
      <Button variant="default" onClick={() => setAsking('approve')}>
        Approve {calls.length} together
      </Button>
      <Button variant="default" onClick={() => setAsking('reject')}>
        Reject {calls.length} together
      </Button>
      <Modal
        opened={asking !== null}
        onClose={() => setAsking(null)}
        size="lg"
        title={asking === 'reject' ? 'Reject all of these' : 'Approve all of these'}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Stack>
          {decision.error !== null && <Failure of={decision.error} />}
          <List size="sm">
            {calls.map(({ call, summary }) => (
              <List.Item key={call}>
                <Words>{summary}</Words>
              </List.Item>
            ))}
          </List>
          <Text fw={600}>In all: {sumsOf(calls) || `${calls.length} calls`}</Text>
          {asking === 'reject' && (
            <Textarea
              label="Reason (the agents read it)"
              value={reason}
              maxLength={500}
              onChange={({ currentTarget }) => setReason(currentTarget.value)}
            />
          )}
          <Button
            disabled={decision.isPending || (asking === 'reject' && reason.trim() === '')}
            onClick={() => decision.mutate(asking ?? 'reject')}
          >
            {asking === 'reject' ? `Reject ${calls.length}` : `Approve ${calls.length}`}
          </Button>
        </Stack>
      </Modal>
    </>
  )
}
