import { Badge, Button, Group, Modal, Stack, Table, Text, TextInput, Title } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { ask } from '../api/ask.ts'
import { limitsQuery, meQuery, policyQuery, sessionsQuery } from '../api/queries.ts'
import type { PolicyView, RoleLimit, SessionView, SwitchPosition } from '../api/types.ts'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failure.tsx'
import { amountIn, Gauge } from '../parts/gauge.tsx'
import { Loading } from '../parts/loading.tsx'
import { Time, Words } from '../parts/text.tsx'

/** What each role has used up, who holds it now, and the switches that stop it. */
export function Roles() {
  const limits = useQuery(limitsQuery)
  const sessions = useQuery(sessionsQuery)
  const policy = useQuery(policyQuery)
  const failed = limits.error ?? sessions.error ?? policy.error
  if (failed !== null) return <Failure of={failed} again={() => void limits.refetch()} />
  if (limits.data === undefined || sessions.data === undefined || policy.data === undefined)
    return <Loading what="roles and limits" />
  const { switches = [] } = policy.data
  return (
    <Stack>
      <Group justify="space-between">
        <Title order={1} size="h2">
          Roles & budgets
        </Title>
        <Freeze name="all" what="everything" switches={switches} />
      </Group>
      <Stopped switches={switches} />
      {policy.data.roles.map((role) => (
        <Role
          key={role}
          role={role}
          limits={limits.data.filter((limit) => limit.role === role)}
          sessions={sessions.data.filter((session) => session.role === role)}
          policy={policy.data}
        />
      ))}
    </Stack>
  )
}

interface RoleProps {
  readonly role: string
  readonly limits: readonly RoleLimit[]
  readonly sessions: readonly SessionView[]
  readonly policy: PolicyView
}

function Role({ role, limits, sessions, policy }: RoleProps) {
  return (
    <section aria-label={`Role ${role}`}>
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          {role}
        </Title>
        <Freeze name={`role:${role}`} what={`the role ${role}`} switches={policy.switches ?? []} />
      </Group>
      <Stack gap="sm">
        {limits.length === 0 ? (
          <Text size="sm">No limit of this role counts by role.</Text>
        ) : (
          <>
            {limits.map((limit) => (
              <Gauge key={limit.name} of={limit} />
            ))}
            <details>
              <summary>The same as a table</summary>
              <LimitTable limits={limits} />
            </details>
          </>
        )}
        {sessions.length === 0 ? <Text size="sm">No live session.</Text> : <Sessions sessions={sessions} />}
      </Stack>
    </section>
  )
}

function LimitTable({ limits }: { readonly limits: readonly RoleLimit[] }) {
  return (
    <div className="scrolls" tabIndex={0} role="region" aria-label="Limits">
      <Table>
        <Table.Thead>
          <Table.Tr>
            {['Limit', 'Per', 'Used', 'Held', 'Left', 'Most'].map((name) => (
              <Table.Th key={name}>{name}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {limits.map((limit) => {
            const say = amountIn(limit)
            return (
              <Table.Tr key={limit.name}>
                <Table.Td>{limit.name}</Table.Td>
                <Table.Td>{limit.per}</Table.Td>
                {[limit.used, limit.held, limit.left, limit.max].map((amount, column) => (
                  <Table.Td key={column}>{say(amount)}</Table.Td>
                ))}
              </Table.Tr>
            )
          })}
        </Table.Tbody>
      </Table>
    </div>
  )
}

function Sessions({ sessions }: { readonly sessions: readonly SessionView[] }) {
  const me = useQuery(meQuery)
  const queries = useQueryClient()
  const end = useMutation({
    mutationFn: (session: string) => ask(`/admin/v1/sessions/${session}/revoke`, { method: 'POST', body: {} }),
    onSettled: () => queries.invalidateQueries(),
  })
  return (
    <div className="scrolls" tabIndex={0} role="region" aria-label="Live sessions">
      {end.error !== null && <Failure of={end.error} />}
      <Table>
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
              <Table.Td>{session}</Table.Td>
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
                  <Button
                    size="compact-sm"
                    variant="outline"
                    color="red"
                    disabled={end.isPending}
                    onClick={() => end.mutate(session)}
                  >
                    End session
                  </Button>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  )
}

function Stopped({ switches }: { readonly switches: readonly SwitchPosition[] }) {
  const on = switches.filter((position) => position.on)
  if (on.length === 0) return <Empty title="Nothing is frozen." />
  return (
    <Stack gap="xs">
      {on.map(({ name, reason, person, at }) => (
        <Group key={name} gap="xs">
          <Badge color="red">{name} is on</Badge>
          <Text size="sm">
            <Words>{reason}</Words>, by <Words>{person}</Words> at <Time at={at} />
          </Text>
          <Freeze name={name} what={name} switches={switches} />
        </Group>
      ))}
    </Stack>
  )
}

/** A switch, with a reason that whoever it stops is told. */
function Freeze({
  name,
  what,
  switches,
}: {
  readonly name: string
  readonly what: string
  readonly switches: readonly SwitchPosition[]
}) {
  const me = useQuery(meQuery)
  const queries = useQueryClient()
  /** What was meant when the dialog opened: another's click meanwhile must not turn it round. */
  const [wanted, setWanted] = useState<boolean | null>(null)
  const [reason, setReason] = useState('')
  const isOn = switches.some((position) => position.name === name && position.on)
  const setting = useMutation({
    mutationFn: () =>
      ask(`/admin/v1/switches/${encodeURIComponent(name)}`, { method: 'PUT', body: { on: wanted, reason } }),
    onSettled: () => queries.invalidateQueries(),
    onSuccess: () => {
      setWanted(null)
      setReason('')
    },
  })
  if (me.data?.may.freeze !== true) return null
  return (
    <>
      <Button size="compact-sm" variant="outline" color={isOn ? 'teal' : 'red'} onClick={() => setWanted(!isOn)}>
        {isOn ? 'Thaw' : 'Freeze'} {what}
      </Button>
      <Modal
        opened={wanted !== null}
        onClose={() => setWanted(null)}
        title={`${wanted === true ? 'Freeze' : 'Thaw'} ${what}`}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Stack>
          {setting.error !== null && <Failure of={setting.error} />}
          {wanted === isOn && <Text size="sm">Somebody has done so already; this would add your reason.</Text>}
          <TextInput
            label="Why (whoever it stops is told)"
            value={reason}
            maxLength={500}
            onChange={({ currentTarget }) => setReason(currentTarget.value)}
          />
          <Button disabled={reason.trim() === '' || setting.isPending} onClick={() => setting.mutate()}>
            {wanted === true ? 'Freeze' : 'Thaw'}
          </Button>
        </Stack>
      </Modal>
    </>
  )
}
