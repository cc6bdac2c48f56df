import { Group, Title } from '@mantine/core'
import type { UseQueryResult } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { Failure } from './failure.tsx'
import { Loading } from './loading.tsx'
import { Words } from './text.tsx'

/** The first page of a visit is read from its top; each one after it begins at its heading. */
let isFirst = true

/** A page's heading and title. Who comes here from another page has the focus here, and hears where they are. */
export function Heading({
  title,
  count,
  children,
}: {
  readonly title: string
  /** Of what waits; stands in the window's title. */
  readonly count?: number
  readonly children?: React.ReactNode
}) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    if (!isFirst) heading.current?.focus()
    isFirst = false
  }, [])
  useEffect(() => {
    document.title = `${count === undefined || count === 0 ? '' : `(${count}) `}${title} · Keystay`
  }, [title, count])
  return (
    <Group justify="space-between" mb="sm">
      <Title order={1} size="h2" tabIndex={-1} ref={heading} data-key="heading">
        <Words>{title}</Words>
      </Title>
      {children}
    </Group>
  )
}

/** What was fetched, or that it is on its way, or why not. Old data stays while newer is not to be had, and says so. */
export function Fetched<Data>({
  of: query,
  what,
  children,
}: {
  readonly of: UseQueryResult<Data>
  readonly what: string
  readonly children: (data: Data) => React.ReactNode
}) {
  const again = () => void query.refetch()
  if (query.data === undefined)
    return query.isError ? <Failure of={query.error} again={again} /> : <Loading what={what} />
  return (
    <>
      {query.isError && <Failure of={query.error} since={query.dataUpdatedAt} again={again} />}
      {children(query.data)}
    </>
  )
}
