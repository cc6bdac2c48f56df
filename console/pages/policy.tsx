import { Accordion, Alert, Code, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { policyQuery } from '../api/queries.ts'
import { visibleJson } from '../../gateway/core/visible.ts'
import { Failure } from '../parts/failure.tsx'
import { Loading } from '../parts/loading.tsx'
import { Words } from '../parts/text.tsx'

/** The policy that decides, to the letter, and why another one was refused. */
export function Policy() {
  const policy = useQuery(policyQuery)
  if (policy.isError) return <Failure of={policy.error} again={() => void policy.refetch()} />
  if (policy.isPending) return <Loading what="the policy" />
  const { digest, files, invalid, roles, actions } = policy.data
  return (
    <Stack>
      <Title order={1} size="h2">
        Policy
      </Title>
      <Text size="sm">
        <Code className="words">{digest}</Code> decides: {roles.length} roles, {actions.length} actions. It is edited as
        files, and taken up within two seconds, whole or not at all.
      </Text>
      {invalid !== null && (
        <Alert color="red" title="The directory as it stands is refused; the policy below still decides" role="alert">
          <Words>{visibleJson(invalid, 2)}</Words>
        </Alert>
      )}
      <Accordion multiple>
        {files.map(({ path, text }) => (
          <Accordion.Item key={path} value={path}>
            <Accordion.Control>{path}</Accordion.Control>
            <Accordion.Panel>
              <div className="scrolls" tabIndex={0} role="region" aria-label={path}>
                <Code block>{text}</Code>
              </div>
            </Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
    </Stack>
  )
}
