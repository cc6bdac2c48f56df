import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const POLICIES = join(import.meta.dirname, '../../policies')

export interface Diagnostic {
  readonly message: string
  readonly range: { readonly start: { readonly line: number; readonly character: number } }
}

/** The real yaml-language-server over stdio, as an editor runs it, without any setting of ours: only the modeline counts. */
export interface LanguageServer {
  /** Opens a text as the policy file of this path, and waits for what the server finds wrong with it. */
  diagnose(path: string, text: string): Promise<Diagnostic[]>
  /** Labels offered at the place of `|` in the text. */
  complete(path: string, text: string): Promise<string[]>
  /** What is shown at the place of `|`. */
  hover(path: string, text: string): Promise<string>
  stop(): void
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly uri?: string; readonly diagnostics?: Diagnostic[]; readonly items?: unknown[] }
  readonly result?: unknown
}

export async function startLanguageServer(): Promise<LanguageServer> {
  const bin = fileURLToPath(import.meta.resolve('yaml-language-server/bin/yaml-language-server'))
  const child = spawn(process.execPath, [bin, '--stdio'], { stdio: ['pipe', 'pipe', 'ignore'] })
  const answers = new Map<number, (result: unknown) => void>()
  const found = new Map<string, (diagnostics: Diagnostic[]) => void>()
  let rest = Buffer.alloc(0)
  let id = 0
  let opened = 0

  const post = (message: object): void => {
    const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }))
    child.stdin.write(`Content-Length: ${bytes.length}\r\n\r\n`)
    child.stdin.write(bytes)
  }
  const ask = (method: string, params: object): Promise<unknown> =>
    new Promise((resolve) => {
      answers.set(++id, resolve)
      post({ id, method, params })
    })
  const take = (message: Message): void => {
    if (message.method === 'textDocument/publishDiagnostics')
      found.get(message.params?.uri ?? '')?.(message.params?.diagnostics ?? [])
    else if (message.method === 'workspace/configuration' && message.id !== undefined)
      post({ id: message.id, result: (message.params?.items ?? []).map(() => ({})) })
    else if (message.method !== undefined && message.id !== undefined) post({ id: message.id, result: null })
    else if (message.id !== undefined) answers.get(message.id)?.(message.result)
  }
  child.stdout.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      const end = rest.indexOf('\r\n\r\n')
      const length = Number(/Content-Length: (\d+)/i.exec(rest.subarray(0, Math.max(end, 0)).toString())?.[1])
      if (end < 0 || rest.length < end + 4 + length) return
      take(JSON.parse(rest.subarray(end + 4, end + 4 + length).toString()) as Message)
      rest = rest.subarray(end + 4 + length)
    }
  })

  await ask('initialize', {
    processId: process.pid,
    rootUri: pathToFileURL(POLICIES).href,
    capabilities: {
      textDocument: {
        completion: { completionItem: { snippetSupport: true } },
        hover: { contentFormat: ['markdown'] },
      },
      workspace: { configuration: true },
    },
  })
  post({ method: 'initialized', params: {} })

  /** Each text is another file beside the real one: what is told of a file is of this text then. */
  const open = (path: string, text: string): { uri: string } => {
    const uri = uriOf(path, ++opened)
    post({ method: 'textDocument/didOpen', params: { textDocument: { uri, languageId: 'yaml', version: 1, text } } })
    return { uri }
  }
  const at = (path: string, marked: string): object => {
    const before = marked.slice(0, marked.indexOf('|')).split('\n')
    const textDocument = open(path, marked.replace('|', ''))
    return { textDocument, position: { line: before.length - 1, character: before.at(-1)?.length ?? 0 } }
  }
  return {
    diagnose: (path, text) =>
      new Promise((resolve) => {
        found.set(uriOf(path, opened + 1), resolve)
        open(path, text)
      }),
    async complete(path, marked) {
      const answer = (await ask('textDocument/completion', at(path, marked))) as { items?: { label: string }[] } | null
      return (answer?.items ?? []).map(({ label }) => label)
    },
    async hover(path, marked) {
      const answer = (await ask('textDocument/hover', at(path, marked))) as { contents?: { value?: string } } | null
      return answer?.contents?.value ?? ''
    },
    stop: () => void child.kill(),
  }
}

function uriOf(path: string, number: number): string {
  return pathToFileURL(
    join(
      POLICIES,
      path.replace(/[^/]+$/, (name) => `${number}-${name}`),
    ),
  ).href
}

/** A policy file with one text in it changed. */
export function changedFile(path: string, from: string, to: string): string {
  const text = readFileSync(join(POLICIES, path), 'utf8')
  if (text.split(from).length !== 2) throw new Error(`${from} does not stand once in ${path}`)
  return text.replace(from, () => to)
}
