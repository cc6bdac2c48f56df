import type { House } from './house.ts'

/** No call waits longer for the policy that decides; closing one takes seconds at most. */
const WAIT_MS = 10_000
const LOOK_MS = 50

/**
 * Where other processes write too: one of them is loading a policy, or has loaded another than this process decides by.
 * It follows within a second; until then everything that is weighed here would come back.
 */
export async function untilFollowed(house: House): Promise<void> {
  const { store, clock } = house
  if (!store.shared) return
  for (const over = clock.monotonic() + WAIT_MS; clock.monotonic() < over && !house.stopping;) {
    // It is tried again every few seconds: no call waits for that, another process may be asked.
    if (house.unusablePolicy?.() != null) return
    if (!(await store.isClosed()) && (await store.policy()) === house.policy().digest) return
    await clock.sleep(LOOK_MS)
  }
}
