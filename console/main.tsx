// Styles have no name to import.
// oxlint-disable import/no-unassigned-import
import '@mantine/core/styles.css'
import 'uplot/dist/uPlot.min.css'
import './console.css'
// oxlint-enable import/no-unassigned-import
import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Refused } from './api/ask.ts'
import { router } from './router.tsx'
import { theme } from './theme.ts'

/** The page's policy lets in only styles that carry the nonce of this answer. */
const nonce = document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? ''

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 1000,
      // A no is an answer; a gateway that is away may come back.
      retry: (count, error) => !(error instanceof Refused) && count < 2,
    },
  },
})

const place = document.getElementById('console')
if (place === null) throw new Error('the page has no place for the console')
createRoot(place).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce}>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
)
