import { Text } from '@mantine/core'
import type { Json } from '../api/types.ts'
import { visible } from '../../gateway/core/visible.ts'

/** Words of others: control and direction characters made visible, its own direction, never markup. */
export function Words({ children }: { readonly children: string }) {
  return (
    <bdi className="words" dir="auto">
      {visible(children)}
    </bdi>
  )
}

const SHOWN_MAX = 2000

/** Leaves of a value, name and text, each on its own line; what is very long is cut, and says so. */
export function Members({ of, empty = 'nothing' }: { readonly of: Json | null; readonly empty?: string }) {
  const leaves = leavesOf(of ?? {})
  if (leaves.length === 0) return <Text size="sm">{empty}</Text>
  return (
    <dl className="members">
      {leaves.slice(0, 200).map(([name, text]) => (
        <div key={name}>
          <dt>
            <Words>{name}</Words>
          </dt>
          <dd>
            <Words>{text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text}</Words>
            {text.length > SHOWN_MAX && <em> {text.length - SHOWN_MAX} characters more, cut here</em>}
          </dd>
        </div>
      ))}
      {leaves.length > 200 && <em>{leaves.length - 200} members more, cut here</em>}
    </dl>
  )
}

function leavesOf(value: Json, path = ''): [string, string][] {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0)
    return path === '' ? [] : [[path, typeof value === 'string' ? value : JSON.stringify(value)]]
  return Object.entries(value).flatMap(([name, member]) =>
    leavesOf(member as Json, path === '' ? name : `${path}.${name}`),
  )
}

const CLOCK = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const
const DAY = { year: 'numeric', month: 'short', day: 'numeric' } as const

/** `12:01:05`; the whole date where it is of another day. */
export function clock(at: string): string {
  const date = new Date(at)
  const isToday = date.toDateString() === new Date().toDateString()
  return isToday ? date.toLocaleTimeString(undefined, CLOCK) : date.toLocaleString(undefined, { ...DAY, ...CLOCK })
}

/** The same, with the whole date as its title. */
export function Time({ at }: { readonly at: string }) {
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()} className="time">
      {clock(at)}
    </time>
  )
}
