import { Button, Checkbox, Grid, Group, Stack, Table, Text, Title } from '@mantine/core'
import { useHotkeys } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { callsQuery, storyQuery } from '../api/queries.ts'
import type { CallSummary } from '../api/types.ts'
import { Card } from '../parts/card.tsx'
import { Decide, Settle } from '../parts/decide.tsx'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failure.tsx'
import { Loading } from '../parts/loading.tsx'
import { Time, Words } from '../parts/text.tsx'
import { Together } from '../parts/together.tsx'

const route = getRouteApi('/')

/** What waits for a yes or no, the soonest over first; the card of the chosen one beside it. */
export function Approvals() {
  const held = useQuery(callsQuery({ status: 'held', limit: '200' }))
  const doubtful = useQuery(callsQuery({ status: 'needs_human', limit: '200' }))
  const { call: chosen } = route.useSearch()
  const navigate = route.useNavigate()
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set())
  const waiting = [...(held.data?.calls ?? [])].sort((a, b) => (a.expires_at ?? '').localeCompare(b.expires_at ?? ''))
  const calls = [...(doubtful.data?.calls ?? []), ...waiting]
  const choose = (call: string | undefined) => void navigate({ search: call === undefined ? {} : { call } })
  const step = (by: number) => {
    const at = calls.findIndex(({ call }) => call === chosen)
    choose(calls[Math.min(calls.length - 1, Math.max(0, at + by))]?.call)
  }
  const focus = (key: string) => document.querySelector<HTMLElement>(`[data-key="${key}"]`)?.focus()
  useHotkeys([
    ['j', () => step(1)],
    ['k', () => step(-1)],
    ['a', () => focus('approve')],
    ['r', () => focus('reason')],
  ])
  const together = waiting.filter(({ call }) => marked.has(call))
  if (held.isError) return <Failure of={held.error} again={() => void held.refetch()} />
  if (held.isPending) return <Loading what="what waits for you" />
  return (
    <>
      <Group justify="space-between" mb="sm">
        <Title order={1} size="h2">
          Approvals
        </Title>
        <Group gap="xs">
          <Together calls={together} done={() => setMarked(new Set())} />
        </Group>
      </Group>
      {calls.length === 0 ? (
        <Empty title="No held calls." hint="To see one: npm run agent -- --hold" />
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
              {calls.length === 200 ? 'The 200 newest are shown.' : `${calls.length} waiting`}. ? shows the keys.
            </Text>
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 7 }} aria-live="polite">
            {chosen === undefined ? (
              <Text>Choose one to see its card.</Text>
            ) : (
              <Chosen id={chosen} next={() => step(1)} />
            )}
          </Grid.Col>
        </Grid>
      )}
    </>
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
            <Table.Th>Until</Table.Th>
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
                  aria-pressed={call === chosen}
                  onClick={() => choose(call)}
                >
                  <Words>{summary}</Words>
                </Button>
                <Text size="xs">
                  <Words>{requester}</Words>
                </Text>
              </Table.Td>
              <Table.Td>{expires_at === null ? 'in doubt' : <Time at={expires_at} />}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  )
}

function Chosen({ id, next }: { readonly id: string; readonly next: () => void }) {
  const story = useQuery(storyQuery(id))
  if (story.isError) return <Failure of={story.error} />
  if (story.isPending) return <Loading what="the card" />
  return (
    <Stack>
      <Card of={story.data}>
        {story.data.status === 'held' && <Decide key={id} on={story.data} done={next} />}
        {story.data.status === 'needs_human' && <Settle key={id} on={story.data} />}
      </Card>
    </Stack>
  )
}

function toggled(all: ReadonlySet<string>, one: string): ReadonlySet<string> {
  const next = new Set(all)
  if (!next.delete(one)) next.add(one)
  return next
}
