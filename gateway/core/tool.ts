/** How actions stand in MCP. The policy holds names to it; the door speaks it. */

/** A tool is called as its action, with `_` for `.`: most clients allow no dots. */
export function toolName(action: string): string {
  return action.replaceAll('.', '_')
}

/** Tools of the gateway itself, in the order in which they are listed. */
export const BUILT_IN_TOOLS = ['call_status', 'call_cancel', 'limits', 'session_info'] as const

export type BuiltInTool = (typeof BUILT_IN_TOOLS)[number]

/** The argument of a write tool that names its effect; so no action's input has a member of this name. */
export const REQUEST_KEY = 'request_key'
