import { Button, Group, NativeSelect, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { Filter } from '../api/filter.ts'
import { policyQuery } from '../api/queries.ts'

const STATUSES = [
  ...(['held', 'running', 'unknown', 'needs_human', 'done', 'refused', 'denied'] as const),
  ...(['rejected', 'expired', 'cancelled', 'not_sent'] as const),
]
const SPANS = [
  ['Last hour', 3_600_000],
  ['Last day', 24 * 3_600_000],
  ['Last week', 7 * 24 * 3_600_000],
] as const
/** Those that few ask by; open where the address has one. */
const MORE = ['person', 'session', 'because', 'evidence', 'min', 'max', 'since', 'until'] as const

/** What is typed becomes the address with the button or enter, so that half a word is no filter. */
export function Filters({ filter }: { readonly filter: Filter }) {
  const navigate = useNavigate()
  const policy = useQuery(policyQuery)
  const [draft, setDraft] = useState<Filter>(filter)
  const go = (wanted: Filter) => {
    const given = Object.entries(wanted).filter(([, value]) => value !== undefined && value !== '')
    void navigate({ to: '/calls', search: Object.fromEntries(given) })
  }
  const set = (name: keyof Filter, value: string) => setDraft((old) => ({ ...old, [name]: value }))
  const text = (name: keyof Filter, label: string, props: object = {}) => (
    <TextInput
      label={label}
      size="xs"
      maxLength={300}
      value={draft[name] ?? ''}
      onChange={({ currentTarget: { value } }) => set(name, value)}
      {...props}
    />
  )
  return (
    <form
      className="no-print"
      role="search"
      aria-label="Calls"
      onSubmit={(event) => {
        event.preventDefault()
        go(draft)
      }}
    >
      <Group gap="xs" align="flex-end">
        {text('q', 'Search', { 'data-key': 'search', type: 'search' })}
        <NativeSelect
          label="Status"
          size="xs"
          data={[
            { value: '', label: 'any' },
            ...STATUSES.map((value) => ({ value, label: value.replaceAll('_', ' ') })),
          ]}
          value={draft.status ?? ''}
          onChange={({ currentTarget: { value } }) => set('status', value)}
        />
        {text('action', 'Action', { list: 'actions' })}
        {text('role', 'Role', { list: 'roles' })}
        <Button type="submit" size="xs">
          Filter
        </Button>
        <Button size="xs" variant="default" onClick={() => go({})}>
          Clear
        </Button>
      </Group>
      <details open={MORE.some((name) => filter[name] !== undefined)}>
        <summary>More filters</summary>
        <Group gap="xs" align="flex-end">
          {text('person', 'Person or agent')}
          {text('session', 'Session', { placeholder: 'ses_…' })}
          {text('because', 'Rule (line of the policy)', { placeholder: 'grants.stripe.refund.max' })}
          {text('evidence', 'Id of the backend', { placeholder: 'req_…' })}
          {text('min', 'Amount from', { inputMode: 'decimal' })}
          {text('max', 'Amount to', { inputMode: 'decimal' })}
          {text('since', 'Since (UTC)', { placeholder: '2026-01-31' })}
          {text('until', 'Until (UTC)', { placeholder: '2026-01-31T15:00:00Z' })}
          {SPANS.map(([name, span_ms]) => (
            <Button
              key={name}
              size="xs"
              variant="default"
              onClick={() => go({ ...draft, since: since(span_ms), until: '' })}
            >
              {name}
            </Button>
          ))}
        </Group>
      </details>
      <datalist id="actions">
        {policy.data?.actions.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <datalist id="roles">
        {policy.data?.roles.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </form>
  )
}

/** To the second, as the API reads it. */
function since(span_ms: number): string {
  return new Date(Date.now() - span_ms).toISOString().replace(/\.\d+Z$/, 'Z')
}
