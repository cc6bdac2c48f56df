import { Button, List, Modal, Stack, Text, Textarea } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { ask } from '../api/ask.ts'
import { useDecide } from '../api/decisions.ts'
import type { CallStory, CallSummary } from '../api/types.ts'
import { useCountdown } from './countdown.ts'
import { Request } from './card.tsx'
import { Failure } from './failure.tsx'
import { Loading } from './loading.tsx'
import { sumsOf } from './sums.ts'
import { Members, Words } from './text.tsx'

const TOGETHER_MAX = 20

/** May these be decided in one go? Of one action, for the same reasons, not too many to read, and none that is to be signed. */
function areAlike(calls: readonly CallSummary[]): boolean {
  const kinds = new Set(
    calls.map(({ action, need }) => JSON.stringify([action, need.map(({ line, of }) => [line, of])])),
  )
  const isSigned = calls.some(({ need }) => need.some(({ passkey }) => passkey === true))
  return calls.length > 1 && calls.length <= TOGETHER_MAX && kinds.size === 1 && !isSigned
}

interface Asking {
  readonly verb: 'approve' | 'reject'
  /** As they were marked: what comes and goes meanwhile changes nothing here. */
  readonly ids: readonly string[]
}

/** Several calls of one rule and action: each is shown as it will be sent, and each is decided, and written down, by itself. */
export function Together({ calls, done }: { readonly calls: readonly CallSummary[]; readonly done: () => void }) {
  const [asking, setAsking] = useState<Asking | null>(null)
  const begin = (verb: Asking['verb']) => setAsking({ verb, ids: calls.map(({ call }) => call) })
  return (
    <>
      {areAlike(calls) && (
        <>
          <Button variant="default" onClick={() => begin('approve')}>
            Approve {calls.length} together
          </Button>
          <Button variant="default" onClick={() => begin('reject')}>
            Reject {calls.length} together
          </Button>
        </>
      )}
      <Modal
        opened={asking !== null}
        onClose={() => setAsking(null)}
        size="lg"
        title={asking?.verb === 'reject' ? 'Reject all of these' : 'Approve all of these'}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        {asking !== null && (
          <Decision
            asking={asking}
            done={() => {
              setAsking(null)
              done()
            }}
          />
        )}
      </Modal>
    </>
  )
}

/** The cards are fetched once, shown, and these very ones are what is said yes to. */
function Decision({ asking: { verb, ids }, done }: { readonly asking: Asking; readonly done: () => void }) {
  const cards = useQuery({
    queryKey: ['together', ids],
    queryFn: () => Promise.all(ids.map((id) => ask<CallStory>(`/admin/v1/calls/${encodeURIComponent(id)}`))),
    staleTime: Infinity,
    gcTime: 0,
  })
  if (cards.isError) return <Failure of={cards.error} again={() => void cards.refetch()} />
  if (cards.isPending) return <Loading what="the cards" />
  return <Cards verb={verb} cards={cards.data} done={done} />
}

interface CardsProps {
  readonly verb: Asking['verb']
  readonly cards: readonly CallStory[]
  readonly done: () => void
}

function Cards({ verb, cards, done }: CardsProps) {
  const [reason, setReason] = useState('')
  const [said, setSaid] = useState<ReadonlyMap<string, string>>(new Map())
  const [isBusy, setBusy] = useState(false)
  const decision = useDecide()
  const left = useCountdown(cards.map(({ card }) => card).join())
  const open = cards.filter(({ call }) => said.get(call) !== DECIDED)
  const decide = async (): Promise<void> => {
    setBusy(true)
    for (const { call, card, summary } of open) {
      const body = verb === 'approve' ? { card } : { reason }
      // One after the other: each yes is weighed against what the one before it used up.
      const told = await decision.mutateAsync({ call, summary, verb, body }).then(
        () => DECIDED,
        (error: Error) => error.message,
      )
      setSaid((all) => new Map([...all, [call, told]]))
    }
    setBusy(false)
  }
  const isDone = open.length === 0
  const isBarred = isBusy || (verb === 'approve' ? left > 0 : reason.trim() === '')
  const word = verb === 'approve' ? 'Approve' : 'Reject'
  return (
    <Stack>
      <List size="sm" spacing="sm">
        {cards.map((story) => (
          <List.Item key={story.call}>
            <Words>{story.summary}</Words>
            {said.has(story.call) && (
              <Text size="sm" fw={600} role="status">
                <Words>{said.get(story.call) ?? ''}</Words>
              </Text>
            )}
            <details>
              <summary>Facts, what the agent says, and what will be sent</summary>
              <Members of={story.facts} empty="No facts." />
              <div className="agent-says">
                <Members of={story.agent_says} />
              </div>
              <Request of={story.will_send} />
            </details>
          </List.Item>
        ))}
      </List>
      <Text fw={600}>In all: {sumsOf(cards) || `${cards.length} calls`}</Text>
      {verb === 'reject' && !isDone && (
        <Textarea
          label="Reason (the agents read it)"
          value={reason}
          maxLength={500}
          onChange={({ currentTarget }) => setReason(currentTarget.value)}
        />
      )}
      {isDone ? (
        <Button variant="default" onClick={done}>
          Close
        </Button>
      ) : (
        <Button disabled={isBarred} onClick={() => void decide()}>
          {verb === 'approve' && left > 0 ? `Approve (look first: ${left})` : `${word} ${open.length}`}
        </Button>
      )}
    </Stack>
  )
}

const DECIDED = 'decided'
