import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Exchange } from '../adapter.ts'

/** An exchange as it really is: the door has both from Node. */
export interface HttpExchange extends Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** @returns the same; nothing else is ever made one. */
export function overHttp(exchange: Exchange): HttpExchange {
  return exchange as HttpExchange
}
