import { join } from 'node:path'

/** Clients of MCP whose settings we know: where they are, by the clients' own documentation. */
export const CLIENTS = ['claude-desktop', 'claude-code', 'cursor', 'vscode', 'codex'] as const
export type ClientName = (typeof CLIENTS)[number]

interface Places {
  /** Below the folder of a project. */
  readonly project: readonly string[]
  /** Below the home, on Linux, macOS and Windows: whichever is there. */
  readonly home: readonly string[]
  /** A variable that names another folder for the last part of the first of `home`. */
  readonly moved?: string
}

const PLACES: { readonly [client in ClientName]: Places } = {
  'claude-desktop': { project: [], home: perSystem('Claude/claude_desktop_config.json') },
  'claude-code': {
    project: ['.mcp.json', '.claude/settings.json', '.claude/settings.local.json'],
    home: ['.claude.json', '.claude/settings.json'],
    moved: 'CLAUDE_CONFIG_DIR',
  },
  cursor: { project: ['.cursor/mcp.json'], home: ['.cursor/mcp.json'] },
  vscode: {
    project: ['.vscode/mcp.json', '.mcp.json', '.vscode/settings.json'],
    home: [...perSystem('Code/User/mcp.json'), ...perSystem('Code/User/settings.json')],
  },
  codex: { project: ['.codex/config.toml'], home: ['.codex/config.toml'], moved: 'CODEX_HOME' },
}

/** Files in which this client keeps servers and what it gives them, there or not. */
export function filesOf(
  client: ClientName,
  directory: string,
  home: string,
  environment: NodeJS.ProcessEnv = {},
): string[] {
  const { project, home: own, moved } = PLACES[client]
  const elsewhere = moved === undefined ? undefined : environment[moved]
  const name = own[0]?.split('/').at(-1) ?? ''
  return [
    ...project.map((path) => join(directory, path)),
    ...own.map((path) => join(home, path)),
    ...(elsewhere ? [join(elsewhere, name)] : []),
  ]
}

function perSystem(path: string): string[] {
  return [`.config/${path}`, `Library/Application Support/${path}`, `AppData/Roaming/${path}`]
}
