import { Alert, Button, Table } from '@mantine/core'
import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { NoticeView } from '../../gateway/pipeline/notices/people.ts'
import { ask } from '../api/ask.ts'
import { Time, Words } from './text.tsx'

const deadQuery = queryOptions({
  queryKey: ['notices', 'dead'],
  queryFn: async () =>
    (await ask<{ notices: readonly NoticeView[] }>('/admin/v1/notices?status=dead&limit=50')).notices,
  refetchInterval: 10_000,
})

/** Notices that came to nobody; nothing where there is none. */
export function DeadNotices() {
  const dead = useQuery(deadQuery)
  if (dead.data === undefined || dead.data.length === 0) return null
  return (
    <Alert color="red" title="Notices that came to nobody" role="region" aria-label="Notices that came to nobody">
      <div className="scrolls" tabIndex={0} role="region" aria-label="Dead letters">
        <Table className="wide">
          <Table.Thead>
            <Table.Tr>
              {['When', 'Channel', 'What', 'Call', 'Said', 'Again'].map((name) => (
                <Table.Th key={name}>{name}</Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {dead.data.map((notice) => (
              <Dead key={notice.notice} of={notice} />
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Alert>
  )
}

function Dead({ of: { notice, made_at, channel, kind, call, said } }: { readonly of: NoticeView }) {
  const client = useQueryClient()
  const again = useMutation({
    mutationFn: () => ask(`/admin/v1/notices/${encodeURIComponent(notice)}/retry`, { method: 'POST', body: {} }),
    onSettled: () => client.invalidateQueries({ queryKey: ['notices'] }),
  })
  return (
    <Table.Tr>
      <Table.Td>
        <Time at={made_at} />
      </Table.Td>
      <Table.Td>{channel}</Table.Td>
      <Table.Td>{kind}</Table.Td>
      <Table.Td>
        <a href={`/console/calls/${call}`}>{call}</a>
      </Table.Td>
      <Table.Td>
        <Words>{again.isError ? again.error.message : (said ?? '')}</Words>
      </Table.Td>
      <Table.Td>
        <Button size="compact-xs" variant="default" loading={again.isPending} onClick={() => again.mutate()}>
          Send again
        </Button>
      </Table.Td>
    </Table.Tr>
  )
}
