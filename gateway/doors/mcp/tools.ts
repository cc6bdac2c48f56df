import { BUILT_IN_TOOLS, REQUEST_KEY, toolName } from '../../core/tool.ts'
import type { BuiltInTool } from '../../core/tool.ts'
import type { Grant, JsonObject, JsonSchema, Policy } from '../../core/types.ts'
import type { ActionView } from '../../pipeline/gateway.ts'
import { callSchema, orProblem } from './schemas.ts'

/** A tool as `tools/list` shows it (2026-07-28, server/tools). */
export interface Tool {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly inputSchema: JsonSchema
  readonly outputSchema: JsonSchema
  readonly annotations: {
    readonly readOnlyHint: boolean
    readonly destructiveHint: boolean
    readonly idempotentHint: boolean
    readonly openWorldHint: boolean
  }
}

/** The tools of a role: its actions by name, then the gateway's own. The same policy gives the same list, byte for byte. */
export function toolsOf(policy: Policy, role: string, views: readonly ActionView[]): Tool[] {
  const grants = policy.roles.get(role)?.grants
  return [...views.map((view) => toolOf(view, policy, grants?.get(view.name))), ...BUILT_IN_TOOLS.map(builtIn)]
}

/**
 * The action that a tool of this role is, by the tool's name or the action's own; undefined for one that the role has not,
 * whether there is such an action or not.
 */
export function actionOf(policy: Policy, role: string, tool: string): string | undefined {
  const granted = [...(policy.roles.get(role)?.grants.keys() ?? [])]
  return granted.find((action) => toolName(action) === tool || action === tool)
}

export function isBuiltIn(tool: string): tool is BuiltInTool {
  return BUILT_IN_TOOLS.some((name) => name === tool)
}

function toolOf(view: ActionView, policy: Policy, grant: Grant | undefined): Tool {
  const reads = view.effect === 'read'
  return {
    name: toolName(view.name),
    title: view.name,
    description: description(view, policy.actions.get(view.name)?.describe ?? '', grant),
    inputSchema: inputSchema(view.input_schema, reads),
    outputSchema: callSchema(view.output_schema),
    annotations: {
      readOnlyHint: reads,
      destructiveHint: !reads,
      // The request key is one of the arguments: the same arguments are the same effect.
      idempotentHint: true,
      openWorldHint: true,
    },
  }
}

const LONGEST = 400

/**
 * What it does and when (the policy's words), the limits in words, and what happens above them. Where the words are too
 * many, the policy's own give way, then the last limits: the tool `limits` says them all.
 */
function description(view: ActionView, describe: string, grant: Grant | undefined): string {
  const what = view.description.startsWith(describe.trim()) ? describe.trim() : ''
  const held = (grant?.approval.length ?? 0) > 0
  const limited = (grant?.max.length ?? 0) + (grant?.limits.length ?? 0) > 0
  const ends = [
    limited ? 'Beyond a limit: denied.' : '',
    held ? 'Until approved: held, see call_status.' : '',
    view.effect === 'read' ? 'Reads only; changes nothing at the backend.' : 'Acts once per request_key, for real.',
  ]
  const end = ends.filter((text) => text !== '').join(' ')
  const room = LONGEST - end.length - Math.min(what.length, WORDS_KEPT) - 2
  const limits = shortened(nearestFirst(view.description.slice(what.length).trim()), room, MORE_LIMITS)
  const rest = [limits, end].filter((text) => text !== '').join(' ')
  return `${shortened(what, LONGEST - rest.length - 1, '') || 'One action of your role.'} ${rest}`
}

/** Of the policy's own words so many are kept, whatever the limits are. */
const WORDS_KEPT = 80

/** What one call meets first: its ceiling, then who must approve it; totals over time after that. */
function nearestFirst(limits: string): string {
  const place = (sentence: string) =>
    sentence.startsWith('At most ') ? 0 : sentence.endsWith(' must approve.') ? 1 : 2
  return limits
    .split(/(?<=\.) /)
    .sort((a, b) => place(a) - place(b))
    .join(' ')
}

const MORE_LIMITS = ' More: limits.'

/** At most so many characters: whole sentences where there is one, else whole words. */
function shortened(text: string, most: number, instead: string): string {
  if (text.length <= most) return text
  const cut = text.slice(0, most - instead.length - 2)
  const sentence = cut.lastIndexOf('. ')
  return sentence > 0
    ? `${cut.slice(0, sentence + 1)}${instead}`
    : `${cut.slice(0, Math.max(cut.lastIndexOf(' '), 1))}…${instead}`
}

/** The action's own schema; a write names its effect. */
function inputSchema(
  { $schema: _dialect, ...input }: { readonly [keyword: string]: unknown },
  reads: boolean,
): JsonSchema {
  const schema = input as JsonSchema
  if (reads) return schema
  const { properties = {}, required = [] } = schema as { properties?: JsonObject; required?: readonly string[] }
  return { ...schema, properties: { ...properties, [REQUEST_KEY]: KEY }, required: [...required, REQUEST_KEY] }
}

const KEY: JsonSchema = {
  type: 'string',
  pattern: '^[!-~]{1,255}$',
  description:
    'Names this one effect, e.g. T-481/refund-1; a retry with the same key never acts twice; two refunds on one ticket are two keys.',
}

const CALL_ID: JsonSchema = { type: 'string', description: 'The id of a call of yours: call_…' }

function builtIn(name: BuiltInTool): Tool {
  const { title, says, input, output, cancels = false } = BUILT_IN[name]
  return {
    name,
    title,
    description: says,
    inputSchema: { type: 'object', ...input, additionalProperties: false },
    outputSchema: output,
    annotations: { readOnlyHint: !cancels, destructiveHint: cancels, idempotentHint: true, openWorldHint: false },
  }
}

const BUILT_IN: {
  readonly [tool in BuiltInTool]: {
    readonly title: string
    readonly says: string
    readonly input: JsonSchema
    readonly output: JsonSchema
    readonly cancels?: boolean
  }
} = {
  call_status: {
    title: 'Status of a call',
    says: 'What became of a call: ask when one answered held, running, unknown or needs_human. Answers as it stands now, or after up to `wait` seconds when it ends.',
    input: {
      properties: {
        call: CALL_ID,
        wait: { type: 'integer', minimum: 0, maximum: 20, description: 'Seconds to wait for its end; 0 if absent.' },
      },
      required: ['call'],
    },
    output: callSchema({}),
  },
  call_cancel: {
    title: 'Cancel a call',
    says: 'Takes a held call back, so that people need not decide about it. A call that runs or has ended stays as it is.',
    input: { properties: { call: CALL_ID }, required: ['call'] },
    output: callSchema({}),
    cancels: true,
  },
  limits: {
    title: 'Limits',
    says: 'What is left of the limits of each of your tools: used, held, left, and when it resets. Ask before work that needs several calls.',
    input: { properties: {} },
    output: orProblem({
      required: ['role', 'tools'],
      properties: { role: { type: 'string' }, tools: { type: 'array' } },
    }),
  },
  session_info: {
    title: 'Session',
    says: 'The role that you hold, for whom, and for how many seconds yet. Held and running calls go on when the session ends.',
    input: { properties: {} },
    output: orProblem({ required: ['session', 'role', 'expires_in'], properties: { expires_in: { type: 'integer' } } }),
  },
}
