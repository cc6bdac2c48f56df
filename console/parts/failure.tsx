import { Alert, Button } from '@mantine/core'
import { Refused } from '../api/ask.ts'
import { NotSigned } from '../api/passkeys.ts'
import { Words } from './text.tsx'

interface FailureProps {
  readonly of: Error
  /** Of when what is shown nevertheless is, ms; nothing else is shown where it is not said. */
  readonly since?: number
  readonly again?: () => void
}

/** What went wrong, and what to do. */
export function Failure({ of, since, again }: FailureProps) {
  const isSaid = of instanceof Refused || of instanceof NotSigned
  const said = isSaid ? of.message : 'The gateway cannot be reached.'
  const title = of instanceof Refused ? `Refused: ${of.code}` : isSaid ? 'Not signed' : 'No answer'
  const old = since === undefined ? '' : ` What you see is of ${new Date(since).toLocaleTimeString()}.`
  return (
    <Alert color="red" title={title} role="alert" my="sm">
      <Words>{`${said}${old}`}</Words>{' '}
      {again !== undefined && (
        <Button size="compact-sm" variant="default" mt="xs" onClick={again}>
          Try again
        </Button>
      )}
    </Alert>
  )
}
