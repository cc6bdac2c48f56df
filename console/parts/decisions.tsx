import { Alert, Stack } from '@mantine/core'
import { useEffect } from 'react'
import { Refused } from '../api/ask.ts'
import { useDecisions } from '../api/decisions.ts'
import type { Decision } from '../api/decisions.ts'
import type { CallStory } from '../api/types.ts'
import { missingOf } from './missing.ts'
import { Words } from './text.tsx'

const SENDING = { approve: 'Sending your yes', reject: 'Sending your no', settle: 'Sending what you found' } as const

/** How each decision went, on whatever page its person is by now. What failed stays until it is put away. */
export function Decisions() {
  const { decisions, putAway } = useDecisions()
  const isSending = decisions.some(({ status }) => status === 'pending')
  const lastDone = decisions.findLast(({ status }) => status === 'success')?.id
  useEffect(() => {
    if (!isSending) return undefined
    const stay = (event: BeforeUnloadEvent) => event.preventDefault()
    window.addEventListener('beforeunload', stay)
    return () => window.removeEventListener('beforeunload', stay)
  }, [isSending])
  // Of what went well the newest is enough.
  const shown = decisions.filter(({ id, status }) => status !== 'success' || id === lastDone)
  return (
    <Stack gap="xs" mb={shown.length > 0 ? 'md' : 0} aria-live="polite" aria-label="Your decisions" component="section">
      {shown.map(({ id, status, asked, story, error }) => (
        <Alert
          key={id}
          color={status === 'error' ? 'red' : status === 'success' ? 'teal' : 'gray'}
          role={status === 'error' ? 'alert' : undefined}
          title={<Words>{titleOf(status, asked, story)}</Words>}
          withCloseButton={status !== 'pending'}
          closeButtonLabel="Put away"
          onClose={() => putAway(id)}
        >
          {error !== null && <Words>{whyNot(error)}</Words>}
          {story !== undefined && <Words>{told(story)}</Words>}
        </Alert>
      ))}
    </Stack>
  )
}

function titleOf(status: string, asked: Decision | undefined, story: CallStory | undefined): string {
  if (asked === undefined) return ''
  const { summary, verb } = asked
  if (status === 'pending') return `${SENDING[verb]}: ${summary}`
  if (status === 'error') return `Not decided: ${summary}`
  return `${summary}: ${story?.status.replaceAll('_', ' ') ?? ''}`
}

function told(story: CallStory): string {
  if (story.status === 'held') return `Your yes counts. Missing: ${missingOf(story.need).join('; ')}.`
  if (story.status === 'needs_human') return 'Noted. One more person must say the same.'
  return story.detail ?? ''
}

function whyNot(error: Error): string {
  if (error instanceof Refused) return `${error.message} (${error.code})`
  return 'The gateway did not answer. Whether it heard you is not known: look at the call again.'
}
