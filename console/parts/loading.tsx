import { Group, Loader, Text } from '@mantine/core'

export function Loading({ what }: { readonly what: string }) {
  return (
    <Group role="status" py="xl" justify="center">
      <Loader size="sm" aria-hidden />
      <Text size="sm">Fetching {what}…</Text>
    </Group>
  )
}
