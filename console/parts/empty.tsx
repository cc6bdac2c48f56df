import { Code, Stack, Text } from '@mantine/core'

/** Nothing there, and how there could be something. */
export function Empty({ title, hint }: { readonly title: string; readonly hint?: string }) {
  return (
    <Stack align="center" py="xl" gap="xs">
      <Text fw={600}>{title}</Text>
      {hint !== undefined && <Code>{hint}</Code>}
    </Stack>
  )
}
