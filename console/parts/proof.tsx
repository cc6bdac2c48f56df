import { Anchor, Button, Code, Group, Stack, Table, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { proofQuery } from '../api/queries.ts'
import type { CallProof } from '../api/types.ts'
import { Failure } from './failure.tsx'
import { Loading } from './loading.tsx'

/** That the ledger holds this call: its entries' places in the tree, and the way from each to the signed head. */
export function Proof({ of: call }: { readonly of: string }) {
  const [isWanted, setWanted] = useState(false)
  const proof = useQuery({ ...proofQuery(call), enabled: isWanted })
  const path = `/admin/v1/calls/${encodeURIComponent(call)}/proof`
  return (
    <section aria-label="Inclusion proof">
      <Title order={2} size="h4">
        Inclusion proof
      </Title>
      <Stack gap="xs">
        <Group gap="xs" className="no-print">
          {!isWanted && (
            <Button size="compact-sm" variant="default" onClick={() => setWanted(true)}>
              Show it
            </Button>
          )}
          <Anchor size="sm" href={path} download={`${call}.proof.json`}>
            Download it
          </Anchor>
        </Group>
        {proof.error !== null && <Failure of={proof.error} again={() => void proof.refetch()} />}
        {isWanted && proof.isPending && <Loading what="the proof" />}
        {proof.data !== undefined && <Shown of={proof.data} />}
        <Text size="sm">
          Who does not trust this page checks it elsewhere, with the public key that came another way:{' '}
          <Code className="words">{`npx keystay ledger verify --proof ${call}.proof.json --public-key FILE`}</Code>
        </Text>
      </Stack>
    </section>
  )
}

function Shown({ of: { entries, checkpoint, unsigned } }: { readonly of: CallProof }) {
  const [origin = '', size = '', root = ''] = checkpoint.split('\n')
  return (
    <>
      <Text size="sm">
        {entries.length} entries in the tree of {size} that {origin} signed, root <Code className="words">{root}</Code>
        {unsigned > 0 && `; ${unsigned} more are signed within a second`}
      </Text>
      <div className="scrolls" tabIndex={0} role="region" aria-label="Entries of the proof">
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Place in the tree</Table.Th>
              <Table.Th>Exactly what was hashed</Table.Th>
              <Table.Th>Hashes to the root</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {entries.map(({ index, bytes, hashes }) => (
              <Table.Tr key={index}>
                <Table.Td>{index}</Table.Td>
                <Table.Td>
                  <Code className="words">{bytes}</Code>
                </Table.Td>
                <Table.Td>{hashes.length}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </>
  )
}
