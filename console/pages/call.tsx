import { Anchor, Code, Stack, Table, Text, Timeline, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { storyQuery } from '../api/queries.ts'
import type { CallStory, JsonObject } from '../api/types.ts'
import { visibleJson } from '../../gateway/core/visible.ts'
import { Card } from '../parts/card.tsx'
import { Failure } from '../parts/failure.tsx'
import { Loading } from '../parts/loading.tsx'
import { Members, Time, Words } from '../parts/text.tsx'

const route = getRouteApi('/calls/$id')

/** One call from the question to the end: its card, each entry of the ledger, what decided, what was answered, who let it go. */
export function OneCall() {
  const { id } = route.useParams()
  const story = useQuery(storyQuery(id))
  return (
    <Stack>
      <Anchor component={Link} to="/calls" size="sm">
        All calls
      </Anchor>
      <Title order={1} size="h2">
        <Words>{id}</Words>
      </Title>
      {story.isError ? (
        <Failure of={story.error} again={() => void story.refetch()} />
      ) : story.isPending ? (
        <Loading what="the call" />
      ) : (
        <Whole story={story.data} />
      )}
    </Stack>
  )
}

function Whole({ story }: { readonly story: CallStory }) {
  return (
    <>
      <Card of={story} />
      <section aria-label="Timeline">
        <Title order={2} size="h4" mb="sm">
          Timeline
        </Title>
        <Timeline bulletSize={14} lineWidth={2} active={story.entries.length}>
          {story.entries.map((entry) => (
            <Timeline.Item key={String(entry['id'])} title={String(entry['kind']).replace('call.', '')}>
              <Text size="sm">
                <Time at={String(entry['at'])} />, {saidIn(entry)} <Code>{String(entry['id'])}</Code>
              </Text>
            </Timeline.Item>
          ))}
        </Timeline>
      </section>
      {story.because.length + story.need.length > 0 && (
        <section aria-label="What decided">
          <Title order={2} size="h4">
            What decided
          </Title>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Line of the policy</Table.Th>
                <Table.Th>It said</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {story.because.map((line) => (
                <Table.Tr key={line}>
                  <Table.Td>
                    <Words>{line}</Words>
                  </Table.Td>
                  <Table.Td>no</Table.Td>
                </Table.Tr>
              ))}
              {story.need.map(({ line, count, of, have }) => (
                <Table.Tr key={`need ${line}`}>
                  <Table.Td>
                    <Words>{line}</Words>
                  </Table.Td>
                  <Table.Td>
                    {count} of {of} must say yes, {have} did
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </section>
      )}
      <section aria-label="Answer">
        <Title order={2} size="h4">
          Answer
        </Title>
        <Members of={story.output} empty="None is kept." />
        <Title order={3} size="h6" mt="xs">
          Evidence: the link into the backend’s own log
        </Title>
        <Members of={story.evidence} empty="None." />
      </section>
      <details>
        <summary>Raw, as the API gives it</summary>
        <div className="scrolls" tabIndex={0} role="region" aria-label="Raw JSON">
          <Code block>{visibleJson(story, 2)}</Code>
        </div>
      </details>
    </>
  )
}

/** What an entry says beyond its kind and its time, in few words. */
function saidIn(entry: JsonObject): string {
  const told = ['person', 'attempt', 'outcome', 'status', 'reason', 'because']
    .filter((name) => entry[name] !== undefined && entry[name] !== null)
    .map((name) => `${name} ${visibleJson(entry[name]).replaceAll('"', '')}`)
  return told.join(', ')
}
