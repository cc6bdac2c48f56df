import { EXIT, Failure } from '../exit.ts'
import type { Server } from '../client-config.ts'
import type { ClientName } from '../scan/client-files.ts'

/**
 * What a client's own documentation asks for where it starts a server as a program: `mcpServers` of Claude Desktop, Claude
 * Code and Cursor, `servers` of VS Code, `[mcp_servers.NAME]` of Codex.
 *
 * @returns the text, ending in a line end, and where it belongs.
 */
export function snippetOf(client: ClientName, server: Server): { readonly snippet: string; readonly where: string } {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(server.name))
    throw new Failure(EXIT.usage, '--name has letters, digits, _ and - only: clients make names of tools of it.')
  return { snippet: TEXT[client](server), where: WHERE[client] }
}

const TEXT: { readonly [client in ClientName]: (server: Server) => string } = {
  'claude-desktop': ({ name, command, args }) => json({ mcpServers: { [name]: { command, args } } }),
  'claude-code': ({ name, command, args }) => json({ mcpServers: { [name]: { type: 'stdio', command, args } } }),
  cursor: ({ name, command, args }) => json({ mcpServers: { [name]: { type: 'stdio', command, args } } }),
  vscode: ({ name, command, args }) => json({ servers: { [name]: { type: 'stdio', command, args } } }),
  codex: ({ name, command, args }) =>
    `[mcp_servers.${name}]\ncommand = ${toml(command)}\nargs = [${args.map(toml).join(', ')}]\n`,
}

const WHERE: { readonly [client in ClientName]: string } = {
  'claude-desktop':
    'Put it into claude_desktop_config.json: ~/Library/Application Support/Claude (macOS), %APPDATA%\\Claude (Windows); Settings, Developer, Edit Config opens it. Then restart Claude Desktop.',
  'claude-code': 'Put it into .mcp.json of the project, or let claude mcp add-json take what is under the name.',
  cursor: 'Put it into .cursor/mcp.json of the project, or into ~/.cursor/mcp.json for all of them.',
  vscode:
    'Put it into .vscode/mcp.json of the workspace, or into the mcp.json of your profile (MCP: Open User Configuration).',
  codex: 'Put it into ~/.codex/config.toml (config.toml in CODEX_HOME, where that is set).',
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

/** A basic string (TOML 1.0): as JSON's, but for U+007F, which JSON leaves as it is. */
function toml(text: string): string {
  return JSON.stringify(text).replaceAll('\u007F', '\\u007F')
}
