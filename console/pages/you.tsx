import { Alert, Button, Group, Stack, Table, Text, TextInput, Title } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { confirmWithPasskey, passkeysQuery, registerPasskey, removePasskey } from '../api/passkeys.ts'
import type { PasskeyList, PasskeyView } from '../api/passkeys.ts'
import { meQuery } from '../api/queries.ts'
import { Failure } from '../parts/failure.tsx'
import { Fetched, Heading } from '../parts/page.tsx'
import { Elsewhere, isHere } from '../parts/place.tsx'
import { Time, Words } from '../parts/text.tsx'

/** Who one is, and the passkeys that one signs approvals with. */
export function You() {
  const me = useQuery(meQuery)
  const passkeys = useQuery(passkeysQuery)
  return (
    <Stack>
      <Heading title="You" />
      <Fetched of={me} what="who you are">
        {({ person, may }) => (
          <Text size="sm">
            <Words>{person.name}</Words>, in the ledger <Words>{person.id}</Words>. Groups:{' '}
            <Words>{person.groups.join(', ') || 'none'}</Words>. You may:{' '}
            {Object.entries(may)
              .flatMap(([right, has]) => (has ? [right] : []))
              .join(', ') || 'nothing beyond this page'}
            .
          </Text>
        )}
      </Fetched>
      <Title order={2} size="h4">
        Your passkeys
      </Title>
      <Fetched of={passkeys} what="your passkeys">
        {(list) => <Passkeys list={list} />}
      </Fetched>
    </Stack>
  )
}

function Passkeys({ list }: { readonly list: PasskeyList }) {
  const queries = useQueryClient()
  const [name, setName] = useState('')
  const onSettled = () => queries.invalidateQueries({ queryKey: ['passkeys'] })
  const registering = useMutation({ mutationFn: registerPasskey, onSettled, onSuccess: () => setName('') })
  const removing = useMutation({ mutationFn: removePasskey, onSettled })
  const isFresh = list.fresh_until !== null
  const error = registering.error ?? removing.error
  return (
    <>
      <Text size="sm">
        Where the policy asks for it, a yes is signed with one: by a finger, a face or a PIN, on a device of yours. The
        key never leaves it.
      </Text>
      {error !== null && <Failure of={error} />}
      <Mine passkeys={list.passkeys} remove={isFresh ? (id) => removing.mutate(id) : null} />
      {!isHere(list) ? (
        <Elsewhere list={list} />
      ) : !isFresh ? (
        <Fresh list={list} onSettled={onSettled} />
      ) : (
        <Group align="flex-end" component="form" onSubmit={(event) => event.preventDefault()}>
          <TextInput
            label="Name of a new one (your laptop, your security key)"
            value={name}
            maxLength={60}
            onChange={({ currentTarget }) => setName(currentTarget.value)}
          />
          <Button
            type="submit"
            disabled={name.trim() === '' || registering.isPending}
            onClick={() => registering.mutate(name)}
          >
            Register a passkey
          </Button>
        </Group>
      )}
    </>
  )
}

interface MineProps {
  readonly passkeys: readonly PasskeyView[]
  readonly remove: ((id: string) => void) | null
}

function Mine({ passkeys, remove }: MineProps) {
  if (passkeys.length === 0) return <Text size="sm">You have none.</Text>
  return (
    <div className="scrolls" tabIndex={0} role="region" aria-label="Your passkeys">
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>Registered</Table.Th>
            <Table.Th>Used</Table.Th>
            <Table.Th>Where</Table.Th>
            <Table.Th>
              <span className="sr">Remove</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {passkeys.map(({ id, name, added_at, used_at, synced, rp }) => (
            <Table.Tr key={id}>
              <Table.Td>
                <Words>{name}</Words>
              </Table.Td>
              <Table.Td>
                <Time at={added_at} />
              </Table.Td>
              <Table.Td>{used_at === null ? 'never' : <Time at={used_at} />}</Table.Td>
              <Table.Td>
                <Words>{rp}</Words>
                {synced && ', synced between devices'}
              </Table.Td>
              <Table.Td>
                <Button
                  size="compact-sm"
                  variant="default"
                  aria-label={`Remove ${name}`}
                  disabled={remove === null}
                  onClick={() => remove?.(id)}
                >
                  Remove
                </Button>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  )
}

/** A stolen cookie registers no passkey: that takes a sign-in of just now, or a passkey that one has. */
function Fresh({ list, onSettled }: { readonly list: PasskeyList; readonly onSettled: () => Promise<void> }) {
  const confirming = useMutation({ mutationFn: confirmWithPasskey, onSettled })
  const me = useQuery(meQuery)
  return (
    <Alert color="gray" title="Show that it is you">
      <Text size="sm">To register or remove a passkey you must have signed in within the last five minutes.</Text>
      {confirming.error !== null && <Failure of={confirming.error} />}
      <Group mt="xs">
        <Button component="a" href="/login?again=true&next=/console/you" variant="default">
          Sign in again
        </Button>
        {list.passkeys.some(({ rp }) => rp === list.at?.rp) && (
          <Button variant="default" disabled={confirming.isPending} onClick={() => confirming.mutate()}>
            Confirm with a passkey
          </Button>
        )}
      </Group>
      {me.data?.environment === 'dev' && (
        <Text size="sm" mt="xs">
          In the demo a new one-time link is a sign-in: npx keystay login --as dana --link
        </Text>
      )}
    </Alert>
  )
}
