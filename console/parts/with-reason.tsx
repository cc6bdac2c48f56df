import { Button, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Failure } from './failure.tsx'

interface WithReasonProps {
  /** On the button, and as the title of what it opens. */
  readonly what: string
  readonly verb: string
  readonly color: string
  /** Said beside the question, when it opens. */
  readonly note?: string | null
  readonly send: (reason: string) => Promise<unknown>
}

/** Something that stops others: it asks why, since whoever it stops is told. */
export function WithReason({ what, verb, color, note = null, send }: WithReasonProps) {
  const queries = useQueryClient()
  const [isOpen, setOpen] = useState(false)
  /** What was meant when it opened: another's click meanwhile must not turn it round. */
  const [meant, setMeant] = useState({ what, verb, send })
  const [reason, setReason] = useState('')
  const sending = useMutation({
    mutationFn: () => meant.send(reason),
    onSettled: () => queries.invalidateQueries(),
    onSuccess: () => {
      setOpen(false)
      setReason('')
    },
  })
  const begin = () => {
    sending.reset()
    setMeant({ what, verb, send })
    setOpen(true)
  }
  return (
    <>
      <Button size="compact-sm" variant="outline" color={color} className="no-print" onClick={begin}>
        {what}
      </Button>
      <Modal
        opened={isOpen}
        onClose={() => setOpen(false)}
        title={meant.what}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Stack>
          {sending.error !== null && <Failure of={sending.error} />}
          {meant.what !== what && <Text size="sm">Somebody has done so already; this would add your reason.</Text>}
          {note !== null && <Text size="sm">{note}</Text>}
          <TextInput
            label="Why (whoever it stops is told)"
            value={reason}
            maxLength={500}
            data-autofocus
            onChange={({ currentTarget }) => setReason(currentTarget.value)}
          />
          <Button disabled={reason.trim() === '' || sending.isPending} onClick={() => sending.mutate()}>
            {meant.verb}
          </Button>
        </Stack>
      </Modal>
    </>
  )
}
