import { Group, Progress, Stack, Text } from '@mantine/core'
import type { LimitView } from '../api/types.ts'
import { formatAmount } from '../../gateway/core/money.ts'
import { usedUpAt } from './forecast.ts'
import { clock, Words } from './text.tsx'

interface GaugeProps {
  readonly of: LimitView
  /** Whose limit it is, where several stand together. */
  readonly action?: string
}

/** One limit: used, held and left, as a bar and in words; among those of a role, when it is used up at this pace. */
export function Gauge({ of: limit, action }: GaugeProps) {
  const { name, max, used, held } = limit
  const share = (amount: number): number => (max > 0 ? Math.min(100, (amount / max) * 100) : 0)
  return (
    <Stack gap={2}>
      <Group justify="space-between" gap="xs">
        <Text size="sm" fw={600}>
          <Words>{action === undefined ? name : `${name} of ${action}`}</Words>
        </Text>
        <Text size="sm">
          <Words>{[wordsOf(limit), ...(action === undefined ? [] : forecast(limit))].join(', ')}</Words>
        </Text>
      </Group>
      <Progress.Root size="lg" aria-hidden>
        <Progress.Section value={share(used)} color="indigo" aria-label={`used of ${name}`} />
        <Progress.Section value={share(held)} color="yellow" aria-label={`held of ${name}`} />
      </Progress.Root>
    </Stack>
  )
}

function wordsOf(limit: LimitView): string {
  const { max, used, held, left, per, by } = limit
  const say = amountIn(limit)
  return [
    `${say(used)} used, ${say(held)} held, ${say(left)} left of ${say(max)} per ${per}`,
    ...(by === 'role' ? [] : [`by ${by}`]),
    ...(left <= 0 ? ['used up'] : []),
  ].join(', ')
}

function forecast(limit: LimitView): string[] {
  const at = usedUpAt(limit, Date.now())
  return at === null ? [] : [`at this pace used up at ${clock(new Date(at).toISOString()).replace(/:\d\d$/, '')}`]
}

/** Says an amount of this limit: money in its digits, rates in calls. */
export function amountIn({ kind, unit }: LimitView): (amount: number) => string {
  return (amount) => (kind === 'rate' ? String(amount) : formatAmount({ unit, amount }))
}
