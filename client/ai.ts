import { dynamicTool, jsonSchema } from 'ai'
import type { ToolSet } from 'ai'
import type { ActionTypes } from './actions.ts'
import type { Gateway } from './gateway.ts'

/**
 * The role's actions as tools of the AI SDK (`generateText({ tools: await tools(gw), … })`), under the names that they have
 * in MCP. What the gateway says comes back as the tool's result, refusals too: a model reads them and mends what it can.
 *
 * @param options.wait seconds that a held or running call is waited for; then `call_status` tells.
 */
export async function tools<Actions extends ActionTypes>(
  gateway: Gateway<Actions>,
  { wait = 20 }: { readonly wait?: number } = {},
): Promise<ToolSet> {
  const gw = gateway as unknown as Gateway
  const own = (await gw.actions()).map(({ name, effect, description, input_schema }) => {
    const reads = effect === 'read'
    const { $schema: _dialect, properties, required, ...schema } = input_schema as Schema
    return [
      name.replaceAll('.', '_'),
      dynamicTool({
        description: `${description} ${reads ? READS : WRITES}`,
        inputSchema: jsonSchema({
          ...schema,
          properties: reads ? properties : { ...properties, request_key: KEY },
          required: reads ? required : [...(required ?? []), 'request_key'],
        }),
        execute: (given, { abortSignal: signal }) => {
          const { request_key: key, ...input } = given as { readonly request_key?: string }
          return gw.call(name, reads ? (given as object) : input, { key, wait, signal })
        },
      }),
    ] as const
  })
  const look = dynamicTool({
    description: 'What became of a call: ask when one answered held, running, unknown or needs_human.',
    inputSchema: jsonSchema({ type: 'object', properties: { call: CALL }, required: ['call'] }),
    execute: async (given, { abortSignal: signal }) => {
      const found = await gw.find((given as { readonly call: string }).call, { signal })
      return 'wait' in found ? found.wait({ within_ms: wait * 1000, signal }) : found
    },
  })
  return Object.fromEntries([...own, ['call_status', look]])
}

type Schema = { readonly $schema?: string; readonly properties: object; readonly required?: string[] }
const READS = 'Reads only; changes nothing at the backend.'
const WRITES = 'Acts once per request_key, for real.'
const CALL = { type: 'string', description: 'The id of a call of yours: call_…' } as const
const KEY = {
  type: 'string',
  pattern: '^[!-~]{1,255}$',
  description:
    'Names this one effect, e.g. T-481/refund-1; a retry with the same key never acts twice; two refunds on one ticket are two keys.',
} as const
