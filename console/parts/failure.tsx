import { Alert, Button } from '@mantine/core'
import { Refused } from '../api/ask.ts'
import { Words } from './text.tsx'

/** What went wrong, and what to do. */
export function Failure({ of, again }: { readonly of: Error; readonly again?: () => void }) {
  const said =
    of instanceof Refused
      ? of.message
      : 'The gateway cannot be reached. What you see may be old; nothing you did is lost.'
  return (
    <Alert color="red" title={of instanceof Refused ? `Refused: ${of.code}` : 'No answer'} role="alert" my="sm">
      <Words>{said}</Words>
      {again !== undefined && (
        <Button size="compact-sm" variant="default" mt="xs" onClick={again}>
          Try again
        </Button>
      )}
    </Alert>
  )
}
