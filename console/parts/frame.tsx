import {
  Alert,
  Anchor,
  Badge,
  Button,
  Container,
  Group,
  Text,
  useComputedColorScheme,
  useMantineColorScheme,
} from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, Outlet } from '@tanstack/react-router'
import { useEffect } from 'react'
import { Refused } from '../api/ask.ts'
import { meQuery, policyQuery } from '../api/queries.ts'
import { Decisions } from './decisions.tsx'
import { Failure } from './failure.tsx'
import { Keys } from './keys.tsx'
import { Loading } from './loading.tsx'
import { Words } from './text.tsx'

const PAGES = [
  ['/', 'Approvals'],
  ['/calls', 'Calls'],
  ['/roles', 'Roles & budgets'],
  ['/policy', 'Policy'],
] as const

/** What every page has: where you are, in which environment, as whom, on which policy, and whether the ledger stands. */
export function Frame() {
  const me = useQuery(meQuery)
  if (me.isPending)
    return (
      <Container component="main" py="xl">
        <h1>Keystay</h1>
        <Loading what="who you are" />
      </Container>
    )
  if (me.error instanceof Refused && me.error.status === 401) return <SignIn />
  if (me.data === undefined)
    return (
      <Container component="main" py="xl">
        <h1>Keystay</h1>
        <Failure of={me.error} again={() => void me.refetch()} />
      </Container>
    )
  const { person, environment, ledger } = me.data
  return (
    <>
      <a className="skip" href="#content">
        To the content
      </a>
      <header data-environment={environment}>
        <Group component="nav" aria-label="Pages" px="md" py="xs" gap="md" className="top">
          <Text fw={700}>Keystay</Text>
          <Badge color={environment === 'live' ? 'red' : 'teal'}>
            {environment === 'live' ? 'live' : 'demo, no real money'}
          </Badge>
          {PAGES.map(([to, name]) => (
            <Anchor key={to} component={Link} to={to} size="sm" activeOptions={{ exact: to === '/' }} className="page">
              {name}
            </Anchor>
          ))}
          <Group ms="auto" gap="sm">
            <Digest />
            <Badge color={ledger.ready ? 'teal' : 'red'}>{ledger.ready ? 'ledger ok' : 'ledger stopped'}</Badge>
            <Anchor component={Link} to="/you" size="sm" className="page" title="You, and your passkeys">
              <Words>{person.name}</Words>
              {person.groups.length > 0 && `, ${person.groups.join(', ')}`}
            </Anchor>
            <Scheme />
            <form method="post" action="/logout">
              <input type="hidden" name="csrf" value={me.data.csrf ?? ''} />
              <Button size="compact-sm" variant="default" type="submit">
                Sign out
              </Button>
            </form>
          </Group>
        </Group>
      </header>
      {!ledger.ready && (
        <Alert color="red" title="Nothing can be admitted now" m="md" role="alert">
          <Words>{ledger.why ?? 'The ledger cannot be written.'}</Words>
        </Alert>
      )}
      <Container component="main" id="content" tabIndex={-1} size="xl" py="md">
        {me.isError && <Failure of={me.error} since={me.dataUpdatedAt} again={() => void me.refetch()} />}
        <Decisions />
        <Outlet />
      </Container>
      <Keys />
    </>
  )
}

function Digest() {
  const policy = useQuery(policyQuery)
  if (policy.data === undefined) return null
  const { digest, invalid } = policy.data
  return (
    <Group gap={4}>
      <Text size="sm" title={digest}>
        policy {digest.replace(/^sha256:/, '').slice(0, 8)}
      </Text>
      {invalid !== null && <Badge color="red">its directory is refused</Badge>}
    </Group>
  )
}

function Scheme() {
  const { setColorScheme } = useMantineColorScheme()
  const next = useComputedColorScheme() === 'dark' ? 'light' : 'dark'
  return (
    <Button size="compact-sm" variant="default" onClick={() => setColorScheme(next)}>
      {next === 'dark' ? 'Dark' : 'Light'}
    </Button>
  )
}

function SignIn() {
  useEffect(() => {
    document.title = 'Sign in · Keystay'
  }, [])
  return (
    <Container component="main" size="xs" py="xl">
      <h1>Keystay</h1>
      <p>You are not signed in, or your time is over.</p>
      <Button component="a" href="/login?next=/console/">
        Sign in
      </Button>
      <p>In the demo: use the one-time link that npm start printed; each works once.</p>
    </Container>
  )
}
