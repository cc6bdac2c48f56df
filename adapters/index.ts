import type { Adapter } from './adapter.ts'
import { http } from './http.ts'
import { postgres } from './postgres.ts'
import { proxy } from './proxy.ts'

/** Every adapter there is, by the name that backends.yaml gives in `adapter:`. A new one is one file and one line here. */
export const adapters: ReadonlyMap<string, Adapter> = new Map(
  [http, postgres, proxy].map((adapter) => [adapter.name, adapter]),
)
