import { Button, Group, Stack, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import { useDecide } from '../api/decisions.ts'
import type { CallStory } from '../api/types.ts'
import { Approve } from './approve.tsx'
import { missingOf } from './missing.ts'

/** Yes or no to exactly this card. No button is the default one, and no key presses any. */
export function Decide({ on: story, done }: { readonly on: CallStory; readonly done: () => void }) {
  const [reason, setReason] = useState('')
  const decision = useDecide()
  // How it went is told by parts/decisions.tsx, wherever its person is by then; these buttons may be gone before.
  const decide = (verb: 'approve' | 'reject', body: object) =>
    void decision.mutateAsync({ call: story.call, summary: story.summary, verb, body }).then(done, () => {})
  return (
    <Stack gap="xs" className="no-print">
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
            onClick={() => decide('reject', { reason })}
          >
            Reject with reason
          </Button>
        </Group>
        <Approve on={story} isSending={decision.isPending} send={(body) => decide('approve', body)} />
      </Group>
      <Missing of={story} />
    </Stack>
  )
}

/** Whose yes is still missing. */
function Missing({ of: { need } }: { readonly of: CallStory }) {
  const missing = missingOf(need)
  if (missing.length === 0) return null
  return <Text size="sm">Missing: {missing.join('; ')}.</Text>
}

/** A call that nobody can look up: two people say what became of it. */
export function Settle({ on: story }: { readonly on: CallStory }) {
  const [reason, setReason] = useState('')
  const settling = useDecide()
  const settle = (outcome: 'done' | 'refused') =>
    settling.mutate({ call: story.call, summary: story.summary, verb: 'settle', body: { outcome, reason } })
  const isMissing = reason.trim() === '' || settling.isPending
  return (
    <Stack gap="xs" className="no-print">
      <Text size="sm">
        Nobody could tell whether it happened. Look it up in the backend; two people must say the same.
      </Text>
      <Textarea
        label="What you found, and where"
        autosize
        value={reason}
        maxLength={500}
        onChange={({ currentTarget }) => setReason(currentTarget.value)}
      />
      <Group>
        <Button variant="outline" disabled={isMissing} onClick={() => settle('done')}>
          It happened
        </Button>
        <Button variant="outline" disabled={isMissing} onClick={() => settle('refused')}>
          It did not happen
        </Button>
      </Group>
    </Stack>
  )
}
