import { Badge, Group, Stack, Table, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { limitsQuery, policyQuery, rolesQuery, sessionsQuery } from '../api/queries.ts'
import type { PolicyView, RoleLimit, RoleUse, SessionView, SwitchPosition } from '../api/types.ts'
import { Failure } from '../parts/failure.tsx'
import { Freeze } from '../parts/freeze.tsx'
import { amountIn, Gauge } from '../parts/gauge.tsx'
import { Grants } from '../parts/grants.tsx'
import { Fetched, Heading } from '../parts/page.tsx'
import { Sessions } from '../parts/sessions.tsx'
import { Time, Words } from '../parts/text.tsx'

/** What each role has used up, who holds it now, and the switches that stop it. */
export function Roles() {
  const limits = useQuery(limitsQuery)
  const sessions = useQuery(sessionsQuery)
  const policy = useQuery(policyQuery)
  const uses = useQuery(rolesQuery)
  const switches = policy.data?.switches ?? []
  const failed = [limits, sessions, uses].find(({ error }) => error !== null)
  return (
    <Stack>
      <Heading title="Roles & budgets">
        <Freeze name="all" what="everything" switches={switches} />
      </Heading>
      <Fetched of={policy} what="roles and limits">
        {(known) => (
          <>
            {failed !== undefined && <Failure of={failed.error as Error} again={() => void failed.refetch()} />}
            <Stopped switches={switches} />
            {known.roles.map((role) => (
              <Role
                key={role}
                role={role}
                limits={limits.data?.filter((limit) => limit.role === role) ?? []}
                sessions={sessions.data?.filter((session) => session.role === role) ?? []}
                use={uses.data?.find((use) => use.role === role)}
                policy={known}
              />
            ))}
          </>
        )}
      </Fetched>
    </Stack>
  )
}

interface RoleProps {
  readonly role: string
  readonly limits: readonly RoleLimit[]
  readonly sessions: readonly SessionView[]
  readonly use: RoleUse | undefined
  readonly policy: PolicyView
}

function Role({ role, limits, sessions, use, policy: { switches = [] } }: RoleProps) {
  return (
    <section aria-label={`Role ${role}`}>
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          {role}
        </Title>
        <Freeze name={`role:${role}`} what={`the role ${role}`} switches={switches} />
      </Group>
      <Stack gap="sm">
        {limits.length === 0 ? (
          <Text size="sm">No limit of this role counts by role.</Text>
        ) : (
          <>
            {limits.map((limit, index) => (
              <Gauge key={index} of={limit} action={limit.action} />
            ))}
            <details>
              <summary>The same as a table</summary>
              <LimitTable role={role} limits={limits} />
            </details>
          </>
        )}
        {use !== undefined && <Grants of={use} switches={switches} />}
        <Sessions role={role} sessions={sessions} />
      </Stack>
    </section>
  )
}

function LimitTable({ role, limits }: { readonly role: string; readonly limits: readonly RoleLimit[] }) {
  return (
    <div className="scrolls" tabIndex={0} role="region" aria-label={`Limits of ${role}`}>
      <Table className="wide">
        <Table.Thead>
          <Table.Tr>
            {['Limit', 'Action', 'Per', 'Used', 'Held', 'Left', 'Most'].map((name) => (
              <Table.Th key={name}>{name}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {limits.map((limit, index) => {
            const say = amountIn(limit)
            return (
              <Table.Tr key={index}>
                <Table.Td>{limit.name}</Table.Td>
                <Table.Td>{limit.action}</Table.Td>
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

function Stopped({ switches }: { readonly switches: readonly SwitchPosition[] }) {
  const on = switches.filter((position) => position.on)
  if (on.length === 0) return <Text fw={600}>Nothing is frozen.</Text>
  return (
    <Stack gap="xs">
      {on.map(({ name, reason, person, at }) => (
        <Group key={name} gap="xs">
          <Badge color="red" className="whole">
            {name} is on
          </Badge>
          <Text size="sm">
            <Words>{reason}</Words>, by <Words>{person}</Words> at <Time at={at} />
          </Text>
          <Freeze name={name} what={name} switches={switches} />
        </Group>
      ))}
    </Stack>
  )
}
