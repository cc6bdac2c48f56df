import { Title } from '@mantine/core'
import type { CallStory, Json } from '../api/types.ts'
import { Words } from './text.tsx'

/** Who handed it to whom, from whoever asked to what the backend made of it. */
export function Custody({ of: story }: { readonly of: CallStory }) {
  return (
    <section aria-label="Chain of custody">
      <Title order={2} size="h4">
        Chain of custody
      </Title>
      <ol className="chain">
        {linksOf(story).map(([name, value]) => (
          <li key={`${name} ${value}`}>
            {name} <Words>{value}</Words>
          </li>
        ))}
      </ol>
    </section>
  )
}

type Link = readonly [name: string, value: string]

function linksOf(story: CallStory): Link[] {
  const { acting_for, requester, session, role, call, approvals, evidence, output, backend } = story
  const request = textOf(evidence['request_id'] ?? null)
  const made = textOf(output !== null && typeof output === 'object' && 'id' in output ? (output['id'] ?? null) : null)
  return [
    ...(acting_for === null ? [] : [['for', acting_for] as const]),
    ['asked by', requester],
    ['in session', `${session}, role ${role}`],
    ['call', call],
    ...approvals.map(({ person, name, at }) => ['approved by', `${name} (${person}) at ${at}`] as const),
    ...(request === null ? [] : [[`request to ${backend}`, request] as const]),
    ...(made === null ? [] : [[`made at ${backend}`, made] as const]),
  ]
}

function textOf(value: Json): string | null {
  return typeof value === 'string' ? value : null
}
