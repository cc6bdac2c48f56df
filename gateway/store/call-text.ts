import type { Call } from '../core/types.ts'

/** Calls are never changed in place, so the text of one stands as long as it does. */
const texts = new WeakMap<Call, string>()

/** A call as JSON, made once: it lies in its row as it goes back to whoever asked. */
export function textOf(call: Call): string {
  let text = texts.get(call)
  if (text === undefined) {
    text = JSON.stringify(call)
    texts.set(call, text)
  }
  return text
}
