import { Anchor } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { Filter } from '../api/filter.ts'

/** To the calls of a filter. */
export function CallsLink({ of: filter, children }: { readonly of: Filter; readonly children: React.ReactNode }) {
  return (
    <Anchor size="sm" underline="always" renderRoot={(props) => <Link {...props} to="/calls" search={filter} />}>
      {children}
    </Anchor>
  )
}
