import { Badge } from '@mantine/core'
import type { CallStatus } from '../api/types.ts'

const COLORS: { readonly [status in CallStatus]: string } = {
  held: 'yellow',
  running: 'blue',
  unknown: 'orange',
  needs_human: 'orange',
  done: 'teal',
  refused: 'gray',
  denied: 'red',
  rejected: 'red',
  expired: 'gray',
  cancelled: 'gray',
  not_sent: 'gray',
}

/** The word, and a colour for those who see it. */
export function Status({ of }: { readonly of: CallStatus }) {
  return (
    <Badge color={COLORS[of]} className="whole">
      {of.replaceAll('_', ' ')}
    </Badge>
  )
}
