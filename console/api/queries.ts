import { queryOptions } from '@tanstack/react-query'
import { ask, remember } from './ask.ts'
import type { CallProof, CallStory, CallSummary, Me, PolicyView, RoleLimit, RoleUse, SessionView } from './types.ts'

/** How soon what others do is seen. */
const LIVE_MS = 2000

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: async () => {
    const me = await ask<Me>('/admin/v1/me')
    remember(me.csrf ?? '')
    return me
  },
  refetchInterval: 10_000,
})

export interface Page {
  readonly calls: readonly CallSummary[]
  readonly cursor: string | null
}

/** @param filter the query of `GET /admin/v1/calls`, as the address has it. */
export const callsQuery = (filter: { readonly [name: string]: string }) =>
  queryOptions({
    queryKey: ['calls', filter],
    queryFn: () => ask<Page>(`/admin/v1/calls${queryOf(filter)}`),
    refetchInterval: LIVE_MS,
  })

export const storyQuery = (id: string) =>
  queryOptions({
    queryKey: ['call', id],
    queryFn: () => ask<CallStory>(`/admin/v1/calls/${encodeURIComponent(id)}`),
    refetchInterval: LIVE_MS,
  })

export const limitsQuery = queryOptions({
  queryKey: ['limits'],
  queryFn: async () => (await ask<{ limits: readonly RoleLimit[] }>('/admin/v1/limits')).limits,
  refetchInterval: LIVE_MS,
})

/** Of the moment, and asked again only while something of it is not signed yet. */
export const proofQuery = (id: string) =>
  queryOptions({
    queryKey: ['proof', id],
    queryFn: () => ask<CallProof>(`/admin/v1/calls/${encodeURIComponent(id)}/proof`),
    staleTime: Infinity,
    refetchInterval: ({ state }) => ((state.data?.unsigned ?? 0) > 0 ? 1000 : false),
  })

export const rolesQuery = queryOptions({
  queryKey: ['roles'],
  queryFn: async () => (await ask<{ roles: readonly RoleUse[] }>('/admin/v1/roles')).roles,
  refetchInterval: 30_000,
})

export const sessionsQuery = queryOptions({
  queryKey: ['sessions'],
  queryFn: async () => (await ask<{ sessions: readonly SessionView[] }>('/admin/v1/sessions?live=true')).sessions,
  refetchInterval: LIVE_MS,
})

export const policyQuery = queryOptions({
  queryKey: ['policy'],
  queryFn: () => ask<PolicyView>('/admin/v1/policy'),
  refetchInterval: 5000,
})

export function queryOf(filter: { readonly [name: string]: string | undefined }): string {
  const given = Object.entries(filter).filter((entry): entry is [string, string] => (entry[1] ?? '') !== '')
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}
