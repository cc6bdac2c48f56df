import { Badge, Table, Text } from '@mantine/core'
import type { RoleUse, SwitchPosition } from '../api/types.ts'
import { Freeze } from './freeze.tsx'
import { Time, Words } from './text.tsx'

interface GrantsProps {
  readonly of: RoleUse
  readonly switches: readonly SwitchPosition[]
}

/** What a role may ask for, and when it did last: a grant that nobody uses is one that somebody else may. */
export function Grants({ of: { role, grants }, switches }: GrantsProps) {
  const unused = grants.filter(({ last_at }) => last_at === null)
  return (
    <>
      {unused.length > 0 && (
        <Text size="sm">
          Never asked for: <Words>{unused.map(({ action }) => action).join(', ')}</Words>. What nobody needs can go from
          the policy.
        </Text>
      )}
      <details>
        <summary>
          {grants.length} grants{unused.length > 0 ? `, ${unused.length} unused` : ''}
        </summary>
        <div className="scrolls" tabIndex={0} role="region" aria-label={`Grants of ${role}`}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Action</Table.Th>
                <Table.Th>Effect</Table.Th>
                <Table.Th>Asked for last</Table.Th>
                <Table.Th>
                  <span className="sr">Freeze it</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {grants.map(({ action, effect, last_at }) => (
                <Table.Tr key={action}>
                  <Table.Td>{action}</Table.Td>
                  <Table.Td>{effect}</Table.Td>
                  <Table.Td>{last_at === null ? <Badge color="gray">never</Badge> : <Time at={last_at} />}</Table.Td>
                  <Table.Td>
                    <Freeze name={`action:${action}`} what={`the action ${action}`} switches={switches} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      </details>
    </>
  )
}
