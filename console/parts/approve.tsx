import { Anchor, Button, Stack, Text } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { passkeysQuery, signCard } from '../api/passkeys.ts'
import { meQuery } from '../api/queries.ts'
import type { CallStory } from '../api/types.ts'
import { useCountdown } from './countdown.ts'
import { Failure } from './failure.tsx'
import { Elsewhere, isHere } from './place.tsx'

interface ApproveProps {
  readonly on: CallStory
  readonly isSending: boolean
  /** Sends the yes. */
  readonly send: (body: object) => void
}

/** The yes to exactly this card; where the policy asks for it, signed with a passkey. */
export function Approve({ on: story, isSending, send }: ApproveProps) {
  const left = useCountdown(`${story.call} ${story.card}`)
  const me = useQuery(meQuery)
  const groups = me.data?.person.groups ?? []
  const asked = story.need.some(({ of, passkey }) => passkey === true && groups.includes(of))
  const amount = story.cost === null ? '' : ` ${story.cost.text}`
  const what = `Approve${amount}${asked ? ' with passkey' : ''}`
  const props = { 'data-key': 'approve', children: left > 0 ? `${what} (look first: ${left})` : what }
  if (asked) return <Signed story={story} button={{ ...props, disabled: left > 0 || isSending }} send={send} />
  return <Button {...props} disabled={left > 0 || isSending} onClick={() => send({ card: story.card })} />
}

interface SignedProps {
  readonly story: CallStory
  readonly button: { readonly disabled: boolean; readonly children: string }
  readonly send: (body: object) => void
}

function Signed({ story: { call, card }, button, send }: SignedProps) {
  const passkeys = useQuery(passkeysQuery)
  const signing = useMutation({ mutationFn: () => signCard(call, card), onSuccess: send })
  if (passkeys.isError) return <Failure of={passkeys.error} again={() => void passkeys.refetch()} />
  if (passkeys.data === undefined) return <Button {...button} disabled />
  if (!isHere(passkeys.data))
    return (
      <Stack gap="xs">
        <Text size="sm" fw={600}>
          A passkey must sign this yes.
        </Text>
        <Elsewhere list={passkeys.data} />
      </Stack>
    )
  const usable = passkeys.data.passkeys.filter(({ rp }) => rp === passkeys.data.at?.rp)
  if (usable.length === 0)
    return (
      <Text size="sm">
        A passkey must sign this yes, and you have none here:{' '}
        <Anchor component={Link} to="/you" inherit>
          register one
        </Anchor>
        .
      </Text>
    )
  return (
    <Stack gap="xs">
      {signing.error !== null && <Failure of={signing.error} />}
      <Button {...button} disabled={button.disabled || signing.isPending} onClick={() => signing.mutate()} />
    </Stack>
  )
}
