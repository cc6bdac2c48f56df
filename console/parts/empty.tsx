import { Code, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { meQuery } from '../api/queries.ts'

interface EmptyProps {
  readonly title: string
  /** What one types in the demo, to see some. */
  readonly demo?: string
  /** Where they come from. */
  readonly hint?: string
  readonly children?: React.ReactNode
}

/** Nothing there, and how there could be something. */
export function Empty({ title, demo, hint, children }: EmptyProps) {
  const me = useQuery(meQuery)
  return (
    <Stack align="center" py="xl" gap="xs">
      <Text fw={600}>{title}</Text>
      {hint !== undefined && (
        <Text size="sm" ta="center">
          {hint}
        </Text>
      )}
      {demo !== undefined && me.data?.environment === 'dev' && (
        <Text size="sm">
          To see one: <Code>{demo}</Code>
        </Text>
      )}
      {children}
    </Stack>
  )
}
