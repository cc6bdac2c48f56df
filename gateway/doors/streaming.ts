import type { IncomingMessage } from 'node:http'

/**
 * Requests of routes: who sends them is known, and they may take longer to arrive than a body that is read whole. Their
 * time is bounded by the backend that they stream to.
 */
const streaming = new WeakSet<IncomingMessage>()

export function takesItsTime(request: IncomingMessage): void {
  streaming.add(request)
}

export function isStreaming(request: IncomingMessage | null): boolean {
  return request !== null && streaming.has(request)
}
