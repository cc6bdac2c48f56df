import { Alert, Code, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { policyQuery } from '../api/queries.ts'
import { visibleJson } from '../../gateway/core/visible.ts'
import { DeadNotices } from '../parts/dead-notices.tsx'
import { Fetched, Heading } from '../parts/page.tsx'
import { Words } from '../parts/text.tsx'

/** The policy that decides, to the letter, and why another one was refused. */
export function Policy() {
  const policy = useQuery(policyQuery)
  return (
    <Stack>
      <Heading title="Policy" />
      <Fetched of={policy} what="the policy">
        {({ digest, files, invalid, roles, actions }) => (
          <>
            <Text size="sm">
              <Code className="words">{digest}</Code> decides: {roles.length} roles, {actions.length} actions. It is
              edited as files, and taken up within two seconds, whole or not at all. Its tests stand beside it
              (.test.yaml): <Code>keystay policy test</Code>
            </Text>
            {invalid !== null && (
              <Alert
                color="red"
                title="The directory as it stands is refused; the policy below still decides"
                role="alert"
              >
                <Words>{visibleJson(invalid, 2)}</Words>
              </Alert>
            )}
            <DeadNotices />
            {files.map(({ path, text }) => (
              <File key={path} path={path} text={text} />
            ))}
          </>
        )}
      </Fetched>
    </Stack>
  )
}

/** Drawn once it is opened: a company may have thousands. */
function File({ path, text }: { readonly path: string; readonly text: string }) {
  const [isOpen, setOpen] = useState(false)
  return (
    <details className="file" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>{path}</summary>
      {isOpen && (
        <div className="scrolls" tabIndex={0} role="region" aria-label={path}>
          <Code block>{text}</Code>
        </div>
      )}
    </details>
  )
}
