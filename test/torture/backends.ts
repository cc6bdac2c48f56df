import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { killed, startChild } from './children.ts'
import { readEffects } from './effect.ts'
import type { Effect } from './effect.ts'

export interface Backends {
  readonly urls: { readonly pay: string; readonly shop: string; readonly blind: string }
  /** From now on they do as they are asked. */
  honest(): Promise<void>
  /** How many effects of a call the blind one has now: what the people who settle go and look at. */
  blindEffectsOf(call: string): Promise<number>
  /** From the files. */
  effects(): Effect[]
  stop(): Promise<void>
}

/** The three of them: one that recognises repeats, one that can be asked, one that can do neither. */
export async function startBackends(dir: string, seed: number): Promise<Backends> {
  const names = ['pay', 'shop', 'blind'] as const
  const fileOf = (name: string): string => join(dir, `effects-${name}.jsonl`)
  const children = names.map((name, index) => {
    writeFileSync(fileOf(name), '', { flag: 'a' })
    return startChild('./backend-process.ts', [name, fileOf(name), String(seed + index)], {
      log: join(dir, `${name}.log`),
    })
  })
  const [pay = '', shop = '', blind = ''] = await Promise.all(children.map(({ ready }) => ready))
  return {
    urls: { pay, shop, blind },
    async honest() {
      for (const url of [pay, shop, blind]) await (await fetch(`${url}/__honest`)).text()
    },
    async blindEffectsOf(call) {
      return ((await (await fetch(`${blind}/__effects?call=${call}`)).json()) as unknown[]).length
    },
    effects: () => names.flatMap((name) => readEffects(fileOf(name))),
    async stop() {
      await Promise.all(children.map(killed))
    },
  }
}
