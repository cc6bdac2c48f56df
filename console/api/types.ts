import type { LimitView } from '../../gateway/core/types.ts'

export type { CallStory, CallSummary, RoleUse, SessionView } from '../../gateway/pipeline/gateway.ts'
export type { CallProof } from '../../gateway/core/proof.ts'
export type { CallStatus, Json, JsonObject, LimitView } from '../../gateway/core/types.ts'

export type RoleLimit = LimitView & { readonly role: string; readonly action: string }

/** `GET /admin/v1/me`. */
export interface Me {
  readonly person: { readonly id: string; readonly name: string; readonly groups: readonly string[] }
  readonly may: { readonly [right in 'view' | 'freeze' | 'settle' | 'export']: boolean }
  readonly csrf?: string
  /** `dev` or `live`; its word stands in the header. */
  readonly environment: 'dev' | 'live'
  readonly ledger: { readonly ready: boolean; readonly why: string | null }
}

export interface SwitchPosition {
  readonly name: string
  readonly on: boolean
  readonly reason: string
  readonly person: string
  readonly at: string
}

/** `GET /admin/v1/policy`. */
export interface PolicyView {
  readonly digest: string
  readonly roles: readonly string[]
  readonly actions: readonly string[]
  readonly invalid: { readonly [name: string]: unknown } | null
  readonly files: readonly { readonly path: string; readonly text: string }[]
  readonly switches?: readonly SwitchPosition[]
}
