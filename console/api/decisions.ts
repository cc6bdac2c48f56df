import { useMutation, useMutationState, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { ask } from './ask.ts'
import type { CallStory } from './types.ts'
import { countDecision } from './tally.ts'

/** One click about one call. It goes on, and is told of, wherever the person goes meanwhile. */
export interface Decision {
  readonly call: string
  /** What it is about, for the page that tells how it went. */
  readonly summary: string
  readonly verb: 'approve' | 'reject' | 'settle'
  readonly body: object
}

const DECIDE = ['decide'] as const

/**
 * Sends a decision. It ends when it ends: who waits for it with `mutateAsync` may be on another page by then, and must not
 * be taken back (useHere).
 */
export function useDecide() {
  const queries = useQueryClient()
  return useMutation<CallStory, Error, Decision>({
    mutationKey: DECIDE,
    mutationFn: ({ call, verb, body }) =>
      ask<CallStory>(`/admin/v1/calls/${encodeURIComponent(call)}/${verb}`, { method: 'POST', body }),
    onSuccess: countDecision,
    onSettled: () => void queries.invalidateQueries(),
    // Until the person has read how it went.
    gcTime: Infinity,
  })
}

/** Does something only while the page that asks for it is the one that is looked at. */
export function useHere(): (work: () => void) => void {
  const isHere = useRef(false)
  useEffect(() => {
    isHere.current = true
    return () => {
      isHere.current = false
    }
  }, [])
  return (work) => {
    if (isHere.current) work()
  }
}

/** Every decision of this page's life that was not put away yet, oldest first. */
export function useDecisions() {
  const queries = useQueryClient()
  const decisions = useMutationState({
    filters: { mutationKey: DECIDE },
    select: ({ mutationId: id, state }) => ({
      id,
      status: state.status,
      error: state.error,
      asked: state.variables as Decision | undefined,
      story: state.data as CallStory | undefined,
    }),
  })
  const putAway = (id: number): void => {
    const cache = queries.getMutationCache()
    const mutation = cache.getAll().find(({ mutationId }) => mutationId === id)
    if (mutation !== undefined) cache.remove(mutation)
  }
  return { decisions, putAway }
}
