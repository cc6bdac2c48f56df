import { Code, Stack, Table, Text, Title } from '@mantine/core'
import { useHotkeys } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useHere } from '../api/decisions.ts'
import { storyQuery } from '../api/queries.ts'
import type { CallStory } from '../api/types.ts'
import { visibleJson } from '../../gateway/core/visible.ts'
import { CallsLink } from '../parts/calls-link.tsx'
import { Card } from '../parts/card.tsx'
import { Custody } from '../parts/custody.tsx'
import { Decide, Settle } from '../parts/decide.tsx'
import { Fetched, Heading } from '../parts/page.tsx'
import { Proof } from '../parts/proof.tsx'
import { Steps } from '../parts/steps.tsx'
import { Members, Words } from '../parts/text.tsx'

const route = getRouteApi('/calls/$id')

/** One call from the question to the end: its card, each step, what decided, the answer, who let it go, and the proof. */
export function OneCall() {
  const { id } = route.useParams()
  const story = useQuery(storyQuery(id))
  const here = useHere()
  const focus = (key: string) => document.querySelector<HTMLElement>(`[data-key="${key}"]`)?.focus()
  useHotkeys([
    ['a', () => focus('approve')],
    ['r', () => focus('reason')],
  ])
  return (
    <Stack>
      <CallsLink of={{}}>All calls</CallsLink>
      <Heading title={id} />
      <Fetched of={story} what="the call">
        {(call) => <Whole key={id} story={call} decided={() => here(() => focus('heading'))} />}
      </Fetched>
    </Stack>
  )
}

function Whole({ story, decided }: { readonly story: CallStory; readonly decided: () => void }) {
  return (
    <>
      {story.status === 'held' ? (
        <Card of={story}>
          <Decide on={story} done={decided} />
        </Card>
      ) : story.status === 'needs_human' ? (
        <Card of={story}>
          <Settle on={story} />
        </Card>
      ) : (
        <Card of={story} />
      )}
      <Steps of={story} />
      <Lines of={story} />
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
      <Custody of={story} />
      <Proof of={story.call} />
      <details>
        <summary>Raw, as the API gives it</summary>
        <div className="scrolls" tabIndex={0} role="region" aria-label="Raw JSON">
          <Code block>{visibleJson(story, 2)}</Code>
        </div>
      </details>
    </>
  )
}

/** The decision table: each line of the policy that said no, or that asked for people. */
function Lines({ of: { because, need, status } }: { readonly of: CallStory }) {
  return (
    <section aria-label="What decided">
      <Title order={2} size="h4">
        What decided
      </Title>
      {because.length + need.length === 0 ? (
        <Text size="sm">
          {status === 'denied'
            ? 'No line of the policy; see the outcome.'
            : 'No line said no, and none asked for people.'}
        </Text>
      ) : (
        <div className="scrolls" tabIndex={0} role="region" aria-label="Lines of the policy">
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Line of the policy</Table.Th>
                <Table.Th>It said</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {because.map((line) => (
                <Line key={line} line={line} said="no" />
              ))}
              {need.map(({ line, count, of, have }) => (
                <Line key={`need ${line}`} line={line} said={`${count} of ${of} must say yes, ${have} did`} />
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
    </section>
  )
}

function Line({ line, said }: { readonly line: string; readonly said: string }) {
  return (
    <Table.Tr>
      <Table.Td>
        <CallsLink of={{ because: line }}>
          <Words>{line}</Words>
        </CallsLink>
      </Table.Td>
      <Table.Td>{said}</Table.Td>
    </Table.Tr>
  )
}
