import { Code, Text, Title } from '@mantine/core'
import type { CallStory, JsonObject } from '../api/types.ts'
import { visibleJson } from '../../gateway/core/visible.ts'
import { Time, Words } from './text.tsx'

interface Step {
  readonly name: string
  readonly at: string
  readonly said: string
  /** Its entry in the ledger; the first steps leave none of their own. */
  readonly entry: string | null
}

/** Asked, valid, held, approved, rechecked, sent, settled, reconciled: those that there were, in order. */
export function Steps({ of: story }: { readonly of: CallStory }) {
  return (
    <section aria-label="Timeline">
      <Title order={2} size="h4" mb="sm">
        Timeline
      </Title>
      <ol className="steps">
        {stepsOf(story).map(({ name, at, said, entry }, index) => (
          <li key={`${index} ${entry}`}>
            <Text fw={600} span>
              {name}
            </Text>
            <Text size="sm">
              <Time at={at} />
              {said !== '' && ', '}
              <Words>{said}</Words> {entry !== null && <Code>{entry}</Code>}
            </Text>
          </li>
        ))}
      </ol>
    </section>
  )
}

function stepsOf({ at, requester, role, entries, because, status }: CallStory): Step[] {
  const isValid = !(status === 'denied' && because.some((line) => line === 'input_invalid' || line === 'not_granted'))
  return [
    { name: 'asked', at, said: `by ${requester}`, entry: null },
    ...(isValid
      ? [{ name: 'valid', at, said: `the input fits the action, and ${role} is granted it`, entry: null }]
      : []),
    ...entries.flatMap(stepsIn),
  ]
}

const NAMES: { readonly [kind: string]: string } = {
  'call.denied': 'denied',
  'call.held': 'held',
  'call.approved': 'approved',
  'call.started': 'sent',
  'call.settled': 'settled',
  'call.reconciled': 'reconciled',
  'call.needs_human': 'nobody could tell: people settle it',
  'call.unknown': 'in doubt',
  'call.not_sent': 'not sent',
}

function stepsIn(entry: JsonObject): Step[] {
  const kind = String(entry['kind'])
  const step = {
    name: NAMES[kind] ?? kind.replace('call.', ''),
    at: String(entry['at']),
    said: saidIn(entry),
    entry: String(entry['id']),
  }
  // A yes counts for what is so at that moment: facts are fetched, and the policy is asked, again.
  if (kind !== 'call.approved') return [step]
  return [step, { ...step, name: 'rechecked', said: 'facts fetched anew, the policy asked again', entry: null }]
}

/** What an entry says beyond its kind and its time, in few words. */
function saidIn(entry: JsonObject): string {
  const told = ['person', 'attempt', 'outcome', 'status', 'reason', 'because']
    .filter((name) => entry[name] !== undefined && entry[name] !== null)
    .map((name) => `${name} ${visibleJson(entry[name]).replaceAll('"', '')}`)
  return told.join(', ')
}
