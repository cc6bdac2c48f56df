import { useQuery } from '@tanstack/react-query'
import { ask } from '../api/ask.ts'
import { meQuery } from '../api/queries.ts'
import type { SwitchPosition } from '../api/types.ts'
import { WithReason } from './with-reason.tsx'

interface FreezeProps {
  /** `all`, `role:R`, `action:A`, or a switch of the policy. */
  readonly name: string
  readonly what: string
  readonly switches: readonly SwitchPosition[]
}

/** A switch; only for those who may set it. */
export function Freeze({ name, what, switches }: FreezeProps) {
  const me = useQuery(meQuery)
  if (me.data?.may.freeze !== true) return null
  const isOn = switches.some((position) => position.name === name && position.on)
  const verb = isOn ? 'Thaw' : 'Freeze'
  return (
    <WithReason
      what={`${verb} ${what}`}
      verb={verb}
      color={isOn ? 'teal' : 'red'}
      send={(reason) =>
        ask(`/admin/v1/switches/${encodeURIComponent(name)}`, { method: 'PUT', body: { on: !isOn, reason } })
      }
    />
  )
}
