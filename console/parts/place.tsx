import { Button, Text } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { goThere } from '../api/passkeys.ts'
import type { PasskeyList } from '../api/passkeys.ts'
import { meQuery } from '../api/queries.ts'
import { Failure } from './failure.tsx'

/** Whether passkeys can be used on this very page: they are bound to a name, and never to an address. */
export function isHere({ at }: PasskeyList): boolean {
  return at !== null && at.url === location.origin && 'PublicKeyCredential' in window
}

/** Where to go instead. */
export function Elsewhere({ list: { at } }: { readonly list: PasskeyList }) {
  const me = useQuery(meQuery)
  const going = useMutation({ mutationFn: (url: string) => goThere(url, me.data?.environment === 'dev') })
  if (at === null)
    return (
      <Text size="sm">
        Passkeys cannot be used here: the address of this page has no name. Whoever runs Keystay gives it one with
        --admin-url.
      </Text>
    )
  if (at.url === location.origin) return <Text size="sm">This browser knows no passkeys.</Text>
  return (
    <>
      {going.error !== null && <Failure of={going.error} />}
      <Text size="sm">Passkeys are bound to a name, and this page is at an address.</Text>
      <Button
        variant="default"
        style={{ alignSelf: 'flex-start' }}
        disabled={going.isPending}
        onClick={() => going.mutate(at.url)}
      >
        Go on at {at.url}
      </Button>
    </>
  )
}
