import { createRootRoute, createRoute, createRouter } from '@tanstack/react-router'
import { Approvals } from './pages/approvals.tsx'
import { OneCall } from './pages/call.tsx'
import { Calls } from './pages/calls.tsx'
import { Policy } from './pages/policy.tsx'
import { Roles } from './pages/roles.tsx'
import { Frame } from './parts/frame.tsx'

/** What the address may say of a list of calls: exactly the filter of the API, as text. */
export const FILTERS = ['status', 'action', 'role', 'person', 'session', 'min', 'max', 'since', 'until', 'q'] as const
export type Filter = { readonly [name in (typeof FILTERS)[number]]?: string }

const root = createRootRoute({ component: Frame, notFoundComponent: () => <p>There is no such page.</p> })

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

export const router = createRouter({
  routeTree: root.addChildren([approvals, calls, call, roles, policy]),
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
