import { Anchor, Button, Group, Select, Stack, Table, Text, TextInput, Title } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useState } from 'react'
import { ask } from '../api/ask.ts'
import { queryOf } from '../api/queries.ts'
import type { Page } from '../api/queries.ts'
import type { CallSummary } from '../api/types.ts'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failure.tsx'
import { HourChart } from '../parts/hour-chart.tsx'
import { Loading } from '../parts/loading.tsx'
import { Status } from '../parts/status.tsx'
import { sumsOf } from '../parts/sums.ts'
import { Time, Words } from '../parts/text.tsx'
import type { Filter } from '../router.tsx'

const route = getRouteApi('/calls')
const STATUSES = [
  'held',
  'running',
  'unknown',
  'needs_human',
  'done',
  'refused',
  'denied',
  'rejected',
  'expired',
  'cancelled',
  'not_sent',
]

/** Every call, by a filter that stands in the address; sums of what is shown; the same filter as a file. */
export function Calls() {
  const filter = route.useSearch()
  const pages = useInfiniteQuery({
    queryKey: ['calls', 'all', filter],
    queryFn: ({ pageParam }) => ask<Page>(`/admin/v1/calls${queryOf({ ...filter, limit: '100', cursor: pageParam })}`),
    initialPageParam: '',
    getNextPageParam: ({ cursor }) => cursor ?? undefined,
    // Only the first page lives: who has gone further reads.
    refetchInterval: ({ state }) => ((state.data?.pages.length ?? 0) > 1 ? false : 2000),
  })
  const calls = pages.data?.pages.flatMap(({ calls }) => calls) ?? []
  return (
    <Stack>
      <Group justify="space-between">
        <Title order={1} size="h2">
          Calls
        </Title>
        <Group gap="xs" className="no-print">
          <Anchor size="sm" href={`/admin/v1/calls.csv${queryOf(filter)}`} download>
            CSV of this filter
          </Anchor>
          <Anchor size="sm" href={`/admin/v1/calls.jsonl${queryOf(filter)}`} download>
            JSON lines
          </Anchor>
        </Group>
      </Group>
      <Filters key={JSON.stringify(filter)} filter={filter} />
      {pages.isError ? (
        <Failure of={pages.error} again={() => void pages.refetch()} />
      ) : pages.isPending ? (
        <Loading what="calls" />
      ) : calls.length === 0 ? (
        <Empty title="No calls match." hint="npm run agent" />
      ) : (
        <>
          <Text size="sm" aria-live="polite">
            {calls.length} shown{pages.hasNextPage ? ', there are more' : ''}. Sum of what is shown:{' '}
            {sumsOf(calls) || 'no amounts'}
          </Text>
          <HourChart calls={calls} />
          <Rows calls={calls} />
          {pages.hasNextPage && (
            <Button variant="default" loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
              More
            </Button>
          )}
        </>
      )}
    </Stack>
  )
}

/** What is typed becomes the address with the button or enter, so that half a word is no filter. */
function Filters({ filter }: { readonly filter: Filter }) {
  const navigate = route.useNavigate()
  const [draft, setDraft] = useState<Filter>(filter)
  const text = (name: keyof Filter, label: string, props: object = {}) => (
    <TextInput
      label={label}
      size="xs"
      value={draft[name] ?? ''}
      onChange={({ currentTarget: { value } }) => setDraft((old) => ({ ...old, [name]: value }))}
      {...props}
    />
  )
  return (
    <form
      className="no-print"
      onSubmit={(event) => {
        event.preventDefault()
        void navigate({ search: Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== '')) })
      }}
    >
      <Group gap="xs" align="flex-end">
        {text('q', 'Search', { 'data-key': 'search' })}
        <Select
          label="Status"
          size="xs"
          clearable
          data={STATUSES}
          value={draft.status ?? null}
          onChange={(value) => setDraft((old) => ({ ...old, status: value ?? '' }))}
          clearButtonProps={{ 'aria-label': 'Any status' }}
        />
        {text('action', 'Action')}
        {text('role', 'Role')}
        {text('person', 'Person')}
        {text('session', 'Session')}
        {text('min', 'Amount from', { inputMode: 'decimal' })}
        {text('max', 'Amount to', { inputMode: 'decimal' })}
        {text('since', 'Since (UTC)', { placeholder: '2026-01-31' })}
        {text('until', 'Until (UTC)', { placeholder: '2026-01-31' })}
        <Button type="submit" size="xs">
          Filter
        </Button>
        <Button size="xs" variant="default" onClick={() => void navigate({ search: {} })}>
          Clear
        </Button>
      </Group>
    </form>
  )
}

function Rows({ calls }: { readonly calls: readonly CallSummary[] }) {
  return (
    <div className="scrolls" tabIndex={0} role="region" aria-label="Calls">
      <Table highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>When</Table.Th>
            <Table.Th>Status</Table.Th>
            <Table.Th>What</Table.Th>
            <Table.Th ta="end">Amount</Table.Th>
            <Table.Th>Role</Table.Th>
            <Table.Th>Asked by</Table.Th>
            <Table.Th>Because</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {calls.map(({ call, at, status, summary, cost, role, requester, because }) => (
            <Table.Tr key={call}>
              <Table.Td>
                <Time at={at} />
              </Table.Td>
              <Table.Td>
                <Status of={status} />
              </Table.Td>
              <Table.Td>
                <Anchor component={Link} to={`/calls/${call}`} size="sm">
                  <Words>{summary}</Words>
                </Anchor>
              </Table.Td>
              <Table.Td ta="end">{cost?.text ?? ''}</Table.Td>
              <Table.Td>{role}</Table.Td>
              <Table.Td>
                <Words>{requester}</Words>
              </Table.Td>
              <Table.Td>
                <Words>{because.join(', ')}</Words>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  )
}
