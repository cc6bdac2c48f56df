import { Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { ask } from '../api/ask.ts'
import { meQuery } from '../api/queries.ts'
import type { SessionView } from '../api/types.ts'
import { CallsLink } from './calls-link.tsx'
import { Time, Words } from './text.tsx'
import { WithReason } from './with-reason.tsx'

/** Who holds a role now. */
export function Sessions({ role, sessions }: { readonly role: string; readonly sessions: readonly SessionView[] }) {
  const me = useQuery(meQuery)
  if (sessions.length === 0) return <Text size="sm">No live session.</Text>
  return (
    <div className="scrolls" tabIndex={0} role="region" aria-label={`Live sessions of ${role}`}>
      <Table className="wide">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Session</Table.Th>
            <Table.Th>Held by</Table.Th>
            <Table.Th>Since</Table.Th>
            <Table.Th>Until</Table.Th>
            <Table.Th>
              <span className="sr">End it</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {sessions.map(({ session, requester, acting_for, issued_at, expires_at }) => (
            <Table.Tr key={session}>
              <Table.Td>
                <CallsLink of={{ session }}>{session}</CallsLink>
              </Table.Td>
              <Table.Td>
                <Words>{acting_for === null ? requester : `${requester} for ${acting_for}`}</Words>
              </Table.Td>
              <Table.Td>
                <Time at={issued_at} />
              </Table.Td>
              <Table.Td>
                <Time at={expires_at} />
              </Table.Td>
              <Table.Td>
                {me.data?.may.freeze === true && (
                  <WithReason
                    what="End session"
                    verb="End it"
                    color="red"
                    note={`${session}: what it holds open is cancelled, what runs is settled.`}
                    send={(reason) => ask(`/admin/v1/sessions/${session}/revoke`, { method: 'POST', body: { reason } })}
                  />
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  )
}
