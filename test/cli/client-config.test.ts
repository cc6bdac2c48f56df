import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { keystay } from './keystay.ts'

const KEY = 'sk_test_FakeFakeFakeFake0123'

describe('keystay client-config', function () {
  this.timeout(20_000)
  let home: string
  let project: string
  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'keystay-home-'))
    project = await mkdtemp(join(tmpdir(), 'keystay-project-'))
  })
  after(() => Promise.all([home, project].map((folder) => rm(folder, { recursive: true }))))
  const run = (client: string, ...more: string[]) =>
    keystay(['client-config', client, '--role', 'support-agent', ...more], { env: { HOME: home }, cwd: project })
  const put = async (file: string, text: string) => {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  }

  /** Where in the settings the server stands. */
  const SERVERS: { readonly [client: string]: string } = {
    'claude-desktop': 'mcpServers',
    'claude-code': 'mcpServers',
    cursor: 'mcpServers',
    vscode: 'servers',
  }
  it(`prints what ${Object.keys(SERVERS).join(', ')} take: the bridge, by whole paths, and no token`, async () => {
    const each = Object.entries(SERVERS).map(async ([client, member]) => {
      const { exit, out, err } = await run(client, '--as', 'support-bot', '--name', 'support')
      const { command, args, ...type } = JSON.parse(out)[member].support
      assert.deepEqual([exit, command, args.slice(1)], [0, process.execPath, [...ASKED, '--as', 'support-bot']])
      assert.ok(args[0].startsWith('/') && args[0].endsWith('/gateway/cli/keystay.mjs'))
      assert.deepEqual(type, client === 'claude-desktop' ? {} : { type: 'stdio' })
      assert.match(err, /^keystay: Put it into .+\n$/)
    })
    await Promise.all(each)
  })

  it('prints what codex takes, as TOML', async () => {
    const { out } = await run('codex', '--token-file', 'work load.jwt', '--admin-url', 'http://127.0.0.1:1')
    const [, command = '', args = ''] =
      /^\[mcp_servers\.keystay\]\ncommand = (".+")\nargs = (\[.+\])\n$/.exec(out) ?? []
    // Basic strings and lists of them are JSON's.
    assert.equal(JSON.parse(command), process.execPath)
    const file = join(project, 'work load.jwt')
    const wanted = [...ASKED, '--token-file', file, '--admin-url', 'http://127.0.0.1:1']
    assert.deepEqual((JSON.parse(args) as string[]).slice(1), wanted)
  })
  const ASKED = ['mcp', '--role', 'support-agent', '--gateway', 'http://127.0.0.1:8787']

  it('prints a command that starts from anywhere, with little in its environment', async () => {
    const { out } = await run('claude-desktop', '--gateway', 'http://127.0.0.1:9')
    const { command, args } = JSON.parse(out).mcpServers.keystay as { command: string; args: string[] }
    const child = spawn(command, args, { cwd: '/', env: {} })
    let said = ''
    child.stdout.on('data', (piece: Buffer) => (said += piece.toString()))
    child.stdin.end('{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    assert.equal(await new Promise((resolve) => child.on('close', resolve)), 0)
    assert.equal(JSON.parse(said).error.data.code, 'unreachable')
  })

  it('warns where the client’s settings hold keys already: the file and the name, never the value', async () => {
    const files: readonly (readonly [client: string, file: string, text: string, name: string])[] = [
      [
        'claude-desktop',
        join(home, '.config/Claude/claude_desktop_config.json'),
        `{"mcpServers":{"s":{"env":{"STRIPE_KEY":"${KEY}"}}}}`,
        'STRIPE_KEY',
      ],
      [
        'claude-desktop',
        join(home, 'Library/Application Support/Claude/claude_desktop_config.json'),
        `{"a":{"env":{"MY_TOKEN":"abcdef0123456789"}}}`,
        'MY_TOKEN',
      ],
      [
        'claude-code',
        join(home, '.claude.json'),
        `{"projects":{"/x":{"mcpServers":{"s":{"headers":{"Authorization":"Bearer ${KEY}"}}}}}}`,
        'Authorization',
      ],
      ['claude-code', join(project, '.mcp.json'), `{"mcpServers":{"s":{"args":["--api-key=${KEY}"]}}}`, '--api-key'],
      [
        'cursor',
        join(home, '.cursor/mcp.json'),
        `{"mcpServers":{"s":{"env":{"DB":"postgres://app:hunter2hunter2@db/x"}}}}`,
        'DB',
      ],
      ['vscode', join(project, '.vscode/mcp.json'), `{"servers":{"s":{"args":["x", "${KEY}"]}}}`, '(a text)'],
      [
        'vscode',
        join(home, '.config/Code/User/mcp.json'),
        `{"servers":{"s":{"env":{"API_KEY":"0123456789abcdef"}}}}`,
        'API_KEY',
      ],
      [
        'codex',
        join(home, '.codex/config.toml'),
        `[mcp_servers.s.env]\nSECRET_KEY = "0123456789abcdef"\n`,
        'SECRET_KEY',
      ],
    ]
    for (const [, file, text] of files) await put(file, text)
    // Copilot in VS Code reads that of the project, too.
    const shared = join(project, '.mcp.json')
    const clients = [...new Set(files.map(([client]) => client))]
    await Promise.all(
      clients.map(async (client) => {
        const { exit, out, err } = await run(client)
        assert.equal(exit, 0)
        const warned = err.split('\n').filter((line) => line.includes('holds what looks like a key'))
        const own = files.filter(([of, file]) => of === client || (client === 'vscode' && file === shared))
        assert.equal(warned.length, own.length, err)
        for (const [, file, , name] of own)
          assert.ok(
            warned.some((line) => line.startsWith(`keystay: ${file} holds what looks like a key: ${name}.`)),
            err,
          )
        assert.ok(!/FakeFake|0123456789|hunter2/.test(out + err), err)
      }),
    )
    const { out } = await run('codex', '--json')
    assert.deepEqual(JSON.parse(out).keys, [{ file: join(home, '.codex/config.toml'), names: ['SECRET_KEY'] }])
  })

  it('does not warn of what only says where a key is', async () => {
    const text = JSON.stringify({
      servers: {
        s: { env: { API_KEY: '${input:key}', TOKEN: '${env:TOKEN}', TOKEN_FILE: '/run/secrets/token', KEY: '' } },
      },
    })
    for (const path of [join(home, '.config/Code'), join(project, '.mcp.json')])
      await rm(path, { recursive: true, force: true })
    await put(join(project, '.vscode/mcp.json'), text)
    assert.equal((await run('vscode')).err.split('\n').length, 2)
  })

  for (const [what, args] of [
    ['no client', ['emacs', '--role', 'x']],
    ['a name that no client would take', ['codex', '--role', 'x', '--name', 'a] b']],
  ] as const) {
    it(`exits 2 for ${what}`, async () => {
      assert.equal((await keystay(['client-config', ...args], { env: { HOME: home } })).exit, 2)
    })
  }
})
