import { createRootRoute, createRoute, createRouter, Link } from '@tanstack/react-router'
import { FILTERS } from './api/filter.ts'
import type { Filter } from './api/filter.ts'
import { Approvals } from './pages/approvals.tsx'
import { OneCall } from './pages/call.tsx'
import { Calls } from './pages/calls.tsx'
import { Policy } from './pages/policy.tsx'
import { Roles } from './pages/roles.tsx'
import { You } from './pages/you.tsx'
import { Frame } from './parts/frame.tsx'
import { Heading } from './parts/page.tsx'

function Nowhere() {
  return (
    <>
      <Heading title="There is no such page." />
      <Link to="/">To the approvals</Link>
    </>
  )
}

const root = createRootRoute({ component: Frame, notFoundComponent: Nowhere })

const approvals = createRoute({
  getParentRoute: () => root,
  path: '/',
  component: Approvals,
  validateSearch: (search): { call?: string } => (typeof search['call'] === 'string' ? { call: search['call'] } : {}),
})
const calls = createRoute({
  getParentRoute: () => root,
  path: '/calls',
  component: Calls,
  validateSearch: (search): Filter =>
    Object.fromEntries(FILTERS.flatMap((name) => (search[name] == null ? [] : [[name, String(search[name])]]))),
})
const call = createRoute({ getParentRoute: () => root, path: '/calls/$id', component: OneCall })
const roles = createRoute({ getParentRoute: () => root, path: '/roles', component: Roles })
const policy = createRoute({ getParentRoute: () => root, path: '/policy', component: Policy })

const you = createRoute({ getParentRoute: () => root, path: '/you', component: You })

export const router = createRouter({
  routeTree: root.addChildren([approvals, calls, call, roles, policy, you]),
  basepath: '/console',
  // A filter is read as it is written: no JSON in the address.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const members = Object.entries(search).filter(([, value]) => value !== undefined && value !== '')
    return members.length === 0 ? '' : `?${new URLSearchParams(members as [string, string][])}`
  },
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
