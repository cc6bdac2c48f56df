import { Divider, Grid, Group, Paper, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { callsQuery } from '../api/queries.ts'
import type { CallStatus, Json, JsonObject } from '../api/types.ts'
import type { CallStory } from '../api/types.ts'
import { CallsLink } from './calls-link.tsx'
import { Gauge } from './gauge.tsx'
import { Status } from './status.tsx'
import { clock, Members, Time, Words } from './text.tsx'
import { Until } from './until.tsx'

/** One call as a person decides about it: what the gateway fetched on one side, what the agent wrote on the other. */
export function Card({ of: story, children }: { readonly of: CallStory; readonly children?: React.ReactNode }) {
  const isHeld = story.status === 'held'
  return (
    <Paper component="article" withBorder p="md" aria-label={`Card of ${story.call}`}>
      <Stack gap="sm">
        <Group justify="space-between" align="flex-start">
          <Title order={2} size="h3">
            <Words>{story.summary}</Words>
          </Title>
          <Group gap="xs">
            <Status of={story.status} />
            {isHeld && story.expires_at !== null && (
              <Text size="sm">
                expires <Until at={story.expires_at} />
              </Text>
            )}
          </Group>
        </Group>
        <Grid>
          <Grid.Col span={{ base: 12, sm: 6 }} component="section" aria-label="Facts">
            <Heading>
              {story.facts === null ? 'Facts' : `Facts (fetched by the gateway from ${story.backend}${factsAt(story)})`}
            </Heading>
            <Members of={story.facts} empty="The action fetches none." />
          </Grid.Col>
          <Grid.Col span={{ base: 12, sm: 6 }} component="section" aria-label="What the agent says">
            <div className="agent-says">
              <Heading>Agent says (not verified)</Heading>
              <Members of={story.agent_says} />
            </div>
          </Grid.Col>
        </Grid>
        <Line name="Asked by">
          <Words>{story.requester}</Words>
          {story.acting_for !== null && (
            <>
              {' '}
              for <Words>{story.acting_for}</Words>
            </>
          )}
          , role {story.role}, at <Time at={story.at} />, in session{' '}
          <CallsLink of={{ session: story.session }}>{story.session}</CallsLink>
          {story.session_since !== null && (
            <>
              {' '}
              since <Time at={story.session_since} />
            </>
          )}
          {isHeld && <DeniedBefore session={story.session} />}
        </Line>
        <Line name={SENDS[story.status] ?? 'Was not sent'}>
          <Request of={story.will_send} />
          <Text size="sm">can be taken back: {story.undo === 'none' ? 'no' : <Words>{story.undo}</Words>}</Text>
        </Line>
        {story.need.length > 0 && (
          <Line name="Why held">
            {story.need.map(({ line, count, of, have, passkey }) => (
              <Text size="sm" key={line}>
                <Words>{line}</Words>: needs {count} of {of}
                {passkey === true && ', each signed with a passkey'}, has {have}
              </Text>
            ))}
          </Line>
        )}
        {story.approvals.length > 0 && (
          <Line name="Approved by">
            {story.approvals.map(({ person, name, at, passkey }) => (
              <Text size="sm" key={person}>
                <Words>{name}</Words> (<Words>{person}</Words>) at <Time at={at} />
                {passkey !== undefined && ', signed with a passkey'}
              </Text>
            ))}
          </Line>
        )}
        {story.detail !== null && (
          <Line name="Outcome">
            <Words>{story.detail}</Words>
          </Line>
        )}
        {story.limits.map((limit, index) => (
          <Gauge key={index} of={limit} />
        ))}
        {isHeld && story.expires_at !== null && (
          <Text size="sm">
            If nobody answers: it expires <Until at={story.expires_at} />, and the agent is told.
          </Text>
        )}
        {children !== undefined && <Divider />}
        {children}
      </Stack>
    </Paper>
  )
}

const SENDS: { readonly [status in CallStatus]?: string } = {
  held: 'Will send',
  running: 'Sends now',
  unknown: 'Sent, outcome not known',
  needs_human: 'Sent, outcome not known',
  done: 'Sent',
  refused: 'Sent',
}

/** `, 12:01:05`: when the policy was asked last, with facts of that moment. */
function factsAt({ entries }: CallStory): string {
  const kinds = new Set(['call.held', 'call.approved', 'call.denied', 'call.started'])
  const last = entries.findLast(({ kind }) => kinds.has(String(kind)))
  return last === undefined ? '' : `, ${clock(String(last['at']))}`
}

/** An agent that has been told no before may be trying what passes. */
function DeniedBefore({ session }: { readonly session: string }) {
  const denied = useQuery(callsQuery({ session, status: 'denied', limit: '100' }))
  const count = denied.data?.calls.length ?? 0
  if (count === 0) return null
  return (
    <>
      ;{' '}
      <CallsLink of={{ session, status: 'denied' }}>
        denied in this session before: {count === 100 ? '100 or more' : count}
      </CallsLink>
    </>
  )
}

function Heading({ children }: { readonly children: string }) {
  return (
    <Title order={3} size="h6" mb={4}>
      {children}
    </Title>
  )
}

function Line({ name, children }: { readonly name: string; readonly children: React.ReactNode }) {
  return (
    <section aria-label={name}>
      <Heading>{name}</Heading>
      <Text size="sm" component="div">
        {children}
      </Text>
    </section>
  )
}

/** `POST /v1/refunds` and its members, in the shape of the policy. */
export function Request({ of: sent }: { readonly of: Json | null }) {
  if (sent === null || typeof sent !== 'object' || Array.isArray(sent)) return <Members of={sent} empty="Not kept." />
  const [[verb, path] = [], ...rest] = Object.entries(sent as JsonObject)
  if (verb === undefined || typeof path !== 'string' || !/^[A-Z]+$/.test(verb)) return <Members of={sent} />
  return (
    <>
      <Text size="sm" ff="monospace">
        <Words>{`${verb} ${path}`}</Words>
      </Text>
      <Members of={Object.fromEntries(rest)} empty="No body." />
    </>
  )
}
