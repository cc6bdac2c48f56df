import { Group, Progress, Stack, Text } from '@mantine/core'
import type { LimitView } from '../api/types.ts'
import { formatAmount } from '../../gateway/core/money.ts'
import { Words } from './text.tsx'

/** One limit: used, held and left, as a bar and in words. */
export function Gauge({ of: limit }: { readonly of: LimitView }) {
  const { name, max, used, held, left, per, by } = limit
  const share = (amount: number): number => (max > 0 ? Math.min(100, (amount / max) * 100) : 0)
  const say = amountIn(limit)
  const words = `${say(used)} used, ${say(held)} held, ${say(left)} left of ${say(max)} per ${per}`
  return (
    <Stack gap={2}>
      <Group justify="space-between" gap="xs">
        <Text size="sm" fw={600}>
          <Words>{name}</Words>
        </Text>
        <Text size="sm">
          <Words>{by === 'role' ? words : `${words}, by ${by}`}</Words>
        </Text>
      </Group>
      <Progress.Root size="lg" aria-hidden>
        <Progress.Section value={share(used)} color="indigo" aria-label={`used of ${name}`} />
        <Progress.Section value={share(held)} color="yellow" aria-label={`held of ${name}`} />
      </Progress.Root>
    </Stack>
  )
}

/** Says an amount of this limit: money in its digits, rates in calls. */
export function amountIn({ kind, unit }: LimitView): (amount: number) => string {
  return (amount) => (kind === 'rate' ? String(amount) : formatAmount({ unit, amount }))
}
