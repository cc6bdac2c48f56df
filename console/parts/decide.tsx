import { Button, Group, Stack, Text, Textarea } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { ask } from '../api/ask.ts'
import type { CallStory } from '../api/types.ts'
import { useCountdown } from './countdown.ts'
import { Failure } from './failure.tsx'

/** Yes or no to exactly this card. No button is the default one, and no key presses any. */
export function Decide({ on: story, done }: { readonly on: CallStory; readonly done: () => void }) {
  const left = useCountdown(`${story.call} ${story.card}`)
  const [reason, setReason] = useState('')
  const queries = useQueryClient()
  const decision = useMutation({
    mutationFn: ({ verb, body }: { verb: 'approve' | 'reject'; body: object }) =>
      ask<CallStory>(`/admin/v1/calls/${story.call}/${verb}`, { method: 'POST', body }),
    onSettled: () => queries.invalidateQueries(),
    onSuccess: done,
  })
  const amount = story.cost === null ? '' : ` ${story.cost.text}`
  return (
    <Stack gap="xs" className="no-print">
      {decision.error !== null && <Failure of={decision.error} />}
      <Group align="flex-end" justify="space-between">
        <Group align="flex-end" gap="xs">
          <Textarea
            label="Reason for a no (the agent reads it)"
            autosize
            minRows={1}
            maxLength={500}
            value={reason}
            data-key="reason"
            onChange={({ currentTarget }) => setReason(currentTarget.value)}
          />
          <Button
            color="red"
            variant="outline"
            disabled={reason.trim() === '' || decision.isPending}
            onClick={() => decision.mutate({ verb: 'reject', body: { reason } })}
          >
            Reject with reason
          </Button>
        </Group>
        <Button
          data-key="approve"
          disabled={left > 0 || decision.isPending}
          onClick={() => decision.mutate({ verb: 'approve', body: { card: story.card } })}
        >
          {left > 0 ? `Approve${amount} (look first: ${left})` : `Approve${amount}`}
        </Button>
      </Group>
      <Missing of={story} />
    </Stack>
  )
}

/** Whose yes is still missing. */
function Missing({ of: { need } }: { readonly of: CallStory }) {
  const missing = need.filter(({ count, have }) => have < count)
  if (missing.length === 0) return null
  const said = missing.map(({ of, count, have }) => `${count - have} more of ${of}`)
  return <Text size="sm">Missing: {said.join('; ')}.</Text>
}

/** A call that nobody can look up: two people say what became of it. */
export function Settle({ on: story }: { readonly on: CallStory }) {
  const [reason, setReason] = useState('')
  const queries = useQueryClient()
  const settling = useMutation({
    mutationFn: (outcome: 'done' | 'refused') =>
      ask<CallStory>(`/admin/v1/calls/${story.call}/settle`, { method: 'POST', body: { outcome, reason } }),
    onSettled: () => queries.invalidateQueries(),
  })
  const isMissing = reason.trim() === '' || settling.isPending
  return (
    <Stack gap="xs" className="no-print">
      <Text size="sm">
        Nobody could tell whether it happened. Look it up in the backend; two people must say the same.
      </Text>
      {settling.error !== null && <Failure of={settling.error} />}
      <Textarea
        label="What you found, and where"
        autosize
        value={reason}
        maxLength={500}
        onChange={({ currentTarget }) => setReason(currentTarget.value)}
      />
      <Group>
        <Button variant="outline" disabled={isMissing} onClick={() => settling.mutate('done')}>
          It happened
        </Button>
        <Button variant="outline" disabled={isMissing} onClick={() => settling.mutate('refused')}>
          It did not happen
        </Button>
      </Group>
    </Stack>
  )
}
