import { Anchor, Button, Group, Stack, Text } from '@mantine/core'
import { useHotkeys } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { callsQuery, queryOf } from '../api/queries.ts'
import { CallRows } from '../parts/call-rows.tsx'
import { CallsLink } from '../parts/calls-link.tsx'
import { Empty } from '../parts/empty.tsx'
import { Filters } from '../parts/filters.tsx'
import { HourChart } from '../parts/hour-chart.tsx'
import { Fetched, Heading } from '../parts/page.tsx'
import { addUp, sayTotals } from '../parts/sums.ts'
import { WholeSum } from '../parts/whole-sum.tsx'

const route = getRouteApi('/calls')
/** So many rows are quick on any machine; what is older is a page of its own, with an address of its own. */
const ROWS = '100'

/** Every call, by a filter that stands in the address; sums of what is shown, and of all; the same filter as a file. */
export function Calls() {
  const search = route.useSearch()
  const { cursor, ...filter } = search
  const isNewest = cursor === undefined
  const page = useQuery({
    ...callsQuery({ ...search, limit: ROWS }),
    // Only what is newest lives; the page before stays while another is fetched.
    ...(isNewest ? {} : { refetchInterval: false as const }),
  })
  useHotkeys([
    ['j', () => moveFocus(1)],
    ['k', () => moveFocus(-1)],
  ])
  return (
    <Stack>
      <Heading title="Calls">
        <Group gap="xs" className="no-print">
          <Anchor size="sm" href={`/admin/v1/calls.csv${queryOf(filter)}`} download>
            CSV of this filter
          </Anchor>
          <Anchor size="sm" href={`/admin/v1/calls.jsonl${queryOf(filter)}`} download>
            JSON lines
          </Anchor>
        </Group>
      </Heading>
      <Filters key={JSON.stringify(filter)} filter={filter} />
      <Fetched of={page} what="calls">
        {({ calls, cursor: older }) => (
          <>
            {calls.length === 0 ? (
              <None isFiltered={Object.keys(search).length > 0} isEnd={older === null} />
            ) : (
              <>
                <Group gap="sm">
                  <Text size="sm">
                    Shown{isNewest ? ', newest first, live' : ''}: {sayTotals(addUp(new Map(), calls))}
                  </Text>
                  {isNewest && older === null ? (
                    <Text size="sm">That is the whole filter.</Text>
                  ) : (
                    <WholeSum key={JSON.stringify(filter)} of={filter} />
                  )}
                </Group>
                <HourChart calls={calls} />
                <CallRows calls={calls} />
              </>
            )}
            <Group component="nav" aria-label="Pages of calls" className="no-print">
              {!isNewest && <CallsLink of={filter}>Newest</CallsLink>}
              {older !== null && (
                <CallsLink of={{ ...filter, cursor: older }}>{calls.length === 0 ? 'Look further' : 'Older'}</CallsLink>
              )}
            </Group>
          </>
        )}
      </Fetched>
    </Stack>
  )
}

/** @param isEnd the log was looked through to its end; else a part of it, and there is a link to go on. */
function None({ isFiltered, isEnd }: { readonly isFiltered: boolean; readonly isEnd: boolean }) {
  const navigate = route.useNavigate()
  if (!isEnd)
    return (
      <Empty title="None so far." hint="The log is long, and this is how far one look goes. There is more of it." />
    )
  if (!isFiltered)
    return (
      <Empty
        title="No calls yet."
        hint="Each call of an agent stands here, whatever came of it."
        demo="npm run agent"
      />
    )
  return (
    <Empty title="No calls match." hint="Times are UTC; amounts are compared in each call’s own currency.">
      <Button variant="default" onClick={() => void navigate({ search: {} })}>
        Clear the filter
      </Button>
    </Empty>
  )
}

/** To the next or previous call of the list. */
function moveFocus(by: number): void {
  const links = [...document.querySelectorAll<HTMLElement>('[data-row]')]
  const at = links.findIndex((link) => link === document.activeElement)
  links[at === -1 ? 0 : Math.min(links.length - 1, Math.max(0, at + by))]?.focus()
}
