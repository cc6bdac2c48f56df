import { Alert, Button, Checkbox, Grid, Group, Stack, Table, Text } from '@mantine/core'
import { useHotkeys } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { useHere } from '../api/decisions.ts'
import { callsQuery, storyQuery } from '../api/queries.ts'
import { decidedLately, TOO_MANY } from '../api/tally.ts'
import type { CallSummary } from '../api/types.ts'
import { Card } from '../parts/card.tsx'
import { Decide, Settle } from '../parts/decide.tsx'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failure.tsx'
import { Fetched, Heading } from '../parts/page.tsx'
import { Words } from '../parts/text.tsx'
import { Together } from '../parts/together.tsx'
import { Until } from '../parts/until.tsx'

const route = getRouteApi('/')

/** What waits for a yes or no, the soonest over first; the card of the chosen one beside it. */
export function Approvals() {
  const held = useQuery(callsQuery({ status: 'held', limit: '200' }))
  const doubtful = useQuery(callsQuery({ status: 'needs_human', limit: '200' }))
  const { call: chosen } = route.useSearch()
  const navigate = route.useNavigate()
  const here = useHere()
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set())
  const waiting = [...(held.data?.calls ?? [])].sort((a, b) => (a.expires_at ?? '').localeCompare(b.expires_at ?? ''))
  const calls = [...(doubtful.data?.calls ?? []), ...waiting]
  const choose = (call: string | undefined) => void navigate({ search: call === undefined ? {} : { call } })
  const step = (by: number) => {
    const at = calls.findIndex(({ call }) => call === chosen)
    const next = calls[Math.min(calls.length - 1, Math.max(0, at + by))]?.call
    choose(next)
    if (next !== undefined) focus(next)
  }
  /** After a decision: to the next one that waits; what was decided is going. */
  const goOn = () => {
    const at = calls.findIndex(({ call }) => call === chosen)
    const next = (calls[at + 1] ?? calls[at - 1])?.call
    choose(next)
    focus(next ?? 'heading')
  }
  useHotkeys([
    ['j', () => step(1)],
    ['k', () => step(-1)],
    ['a', () => focus('approve')],
    ['r', () => focus('reason')],
  ])
  const together = waiting.filter(({ call }) => marked.has(call))
  return (
    <>
      <Heading title="Approvals" count={calls.length}>
        <Group gap="xs">
          <Together calls={together} done={() => setMarked(new Set())} />
        </Group>
      </Heading>
      <Tired />
      <Fetched of={held} what="what waits for you">
        {() => (
          <>
            {doubtful.error !== null && <Failure of={doubtful.error} again={() => void doubtful.refetch()} />}
            {calls.length === 0 && chosen === undefined ? (
              <Empty
                title="No held calls."
                hint="What an agent may not do alone waits here for a yes or no, and is sent only after it."
                demo="npm run agent -- --hold"
              />
            ) : (
              <Grid>
                <Grid.Col span={{ base: 12, md: 5 }}>
                  <Waiting
                    calls={calls}
                    chosen={chosen}
                    choose={choose}
                    marked={marked}
                    mark={(call) => setMarked((all) => toggled(all, call))}
                  />
                  <Text size="sm" mt="xs">
                    {calls.length >= 200 ? 'The 200 newest are shown' : `${calls.length} waiting`}.{' '}
                    <span className="no-print">? shows the keys.</span>
                  </Text>
                </Grid.Col>
                <Grid.Col span={{ base: 12, md: 7 }} component="section" aria-label="The card">
                  {chosen === undefined ? (
                    <Text>Choose one to see its card.</Text>
                  ) : (
                    <Chosen id={chosen} next={() => here(goOn)} />
                  )}
                </Grid.Col>
              </Grid>
            )}
          </>
        )}
      </Fetched>
    </>
  )
}

/** What is focused is drawn already: a row of the list, the card's buttons, the heading. */
function focus(key: string): void {
  document.querySelector<HTMLElement>(`[data-key="${key}"]`)?.focus()
}

/** Whoever says yes thirty times an hour has stopped reading. */
function Tired() {
  const count = decidedLately()
  if (count < TOO_MANY) return null
  return (
    <Alert color="yellow" title={`You have decided ${count} calls within an hour.`} mb="sm">
      Nobody reads that many. Take a break, hand over to somebody else, or ask whether the policy should hold fewer.
    </Alert>
  )
}

interface WaitingProps {
  readonly calls: readonly CallSummary[]
  readonly chosen: string | undefined
  readonly choose: (call: string) => void
  readonly marked: ReadonlySet<string>
  readonly mark: (call: string) => void
}

function Waiting({ calls, chosen, choose, marked, mark }: WaitingProps) {
  return (
    <div className="scrolls" tabIndex={0} role="region" aria-label="Waiting calls">
      <Table highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>
              <span className="sr">Mark</span>
            </Table.Th>
            <Table.Th>What</Table.Th>
            <Table.Th>Expires</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {calls.map(({ call, summary, expires_at, status, requester }) => (
            <Table.Tr key={call} data-chosen={call === chosen}>
              <Table.Td>
                <Checkbox
                  aria-label={`Mark ${summary}`}
                  disabled={status !== 'held'}
                  checked={marked.has(call)}
                  onChange={() => mark(call)}
                />
              </Table.Td>
              <Table.Td>
                <Button
                  variant="transparent"
                  size="compact-sm"
                  className="row"
                  data-key={call}
                  aria-pressed={call === chosen}
                  onClick={() => choose(call)}
                >
                  <Words>{summary}</Words>
                </Button>
                <Text size="xs">
                  <Words>{requester}</Words>
                </Text>
              </Table.Td>
              <Table.Td>{expires_at === null ? 'in doubt' : <Until at={expires_at} />}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  )
}

function Chosen({ id, next }: { readonly id: string; readonly next: () => void }) {
  const story = useQuery(storyQuery(id))
  return (
    <Fetched of={story} what="the card">
      {(call) => (
        <Stack>
          <Card of={call}>
            {call.status === 'held' && <Decide key={id} on={call} done={next} />}
            {call.status === 'needs_human' && <Settle key={id} on={call} />}
          </Card>
        </Stack>
      )}
    </Fetched>
  )
}

function toggled(all: ReadonlySet<string>, one: string): ReadonlySet<string> {
  const next = new Set(all)
  if (!next.delete(one)) next.add(one)
  return next
}
