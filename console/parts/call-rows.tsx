import { Anchor, Table } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { memo } from 'react'
import type { CallSummary } from '../api/types.ts'
import { Status } from './status.tsx'
import { Time, Words } from './text.tsx'

const HEADS = ['When', 'Status', 'What', 'Amount', 'Role', 'Asked by', 'Because'] as const

/** Calls as a table; on a narrow screen each as a block of its own. */
export const CallRows = memo(function CallRows({ calls }: { readonly calls: readonly CallSummary[] }) {
  return (
    <div className="scrolls" tabIndex={0} role="region" aria-label="Calls">
      {/* What is laid out in blocks is a table still, for those who hear it. */}
      <Table highlightOnHover className="blocks" role="table">
        <Table.Thead role="rowgroup">
          <Table.Tr role="row">
            {HEADS.map((head) => (
              <Table.Th key={head} role="columnheader" className={head === 'Amount' ? 'amount' : ''}>
                {head}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody role="rowgroup">
          {calls.map((call) => (
            <Row key={call.call} of={call} />
          ))}
        </Table.Tbody>
      </Table>
    </div>
  )
})

function Row({ of: { call, at, status, summary, cost, role, requester, because } }: { readonly of: CallSummary }) {
  return (
    <Table.Tr role="row">
      <Table.Td role="cell">
        <Time at={at} />
      </Table.Td>
      <Table.Td role="cell">
        <Status of={status} />
      </Table.Td>
      <Table.Td role="cell" className="what">
        <Anchor
          size="sm"
          renderRoot={(props) => <Link {...props} to="/calls/$id" params={{ id: call }} data-row="" preload={false} />}
        >
          <Words>{summary}</Words>
        </Anchor>
      </Table.Td>
      <Table.Td role="cell" className="amount">
        {cost?.text ?? ''}
      </Table.Td>
      <Table.Td role="cell" className="name">
        {role}
      </Table.Td>
      <Table.Td role="cell" className="name">
        <Words>{requester}</Words>
      </Table.Td>
      <Table.Td role="cell">
        <Words>{because.join(', ')}</Words>
      </Table.Td>
    </Table.Tr>
  )
}
