import { spawn, type ChildProcess } from 'node:child_process'
import { deepEqual, equal, ok } from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts, ROOT } from './demo.ts'

/**
 * Every shell block of the README and of docs/ says above itself, in a comment, how it is run here:
 *   <!-- test: run -->                       it ends with 0; `run exit 7`: with 7
 *   <!-- test: background until "text" -->   it goes on; its output says text; when the page is done it has ended with 0,
 *                                            or with `then Ctrl-C` ends at an interrupt
 *   <!-- test: not here, REASON -->          it is not run
 * The blocks of one page run in their order, in a clone of their own on ports of its own, with `npm ci` left out (this
 * test runs in an installed clone). Pages whose blocks do not start the demo find it started, in one clone for all. npx takes much
 * longer than the program that it starts: it is asked in the README, and where it has more to hand on than words (what
 * stands behind `--`, input, an interrupt); elsewhere it is the bin that it would find.
 */
interface Block {
  readonly page: string
  readonly line: number
  readonly how: string
  readonly script: string
}

const PORTS = ['8787', '8788', '8789', '4242', '4243'] as const
const PATIENCE_MS = 60_000

describe('the shell blocks of the documents', function () {
  this.timeout(120_000)
  let pages: Map<string, Block[]>
  const runs = new Map<string, Promise<void>>()
  before(async () => {
    pages = await blocksOfPages()
    // All at once: most of a page's time is waiting.
    const later: [string, readonly Block[]][] = []
    for (const [page, blocks] of pages) {
      if (!blocks.some(({ how }) => /^(run|background)/.test(how))) continue
      if (blocks.some(({ script }) => script.includes('npm start'))) note(page, inOwnClone(blocks))
      else later.push([page, blocks])
    }
    const started = startDemo()
    const others = later.map(([page, blocks]) => {
      const run = started.then(({ clone }) => runPage(clone, blocks))
      note(page, run)
      return run
    })
    const stopped = Promise.allSettled(others).then(async () => (await started).stop())
    note('the demo', stopped)
  })
  const note = (page: string, run: Promise<void>): void => {
    // Its test hears of it.
    run.catch(() => {})
    runs.set(page, run)
  }

  it('each say how they are tested', () => {
    const silent = [...pages.values()]
      .flat()
      .filter(({ how }) => !/^(run( exit \d)?|background until ".+"( then Ctrl-C)?|not here, .+)$/.test(how))
    deepEqual(
      silent.map(({ page, line, how }) => `${page}:${line} ${how}`),
      [],
    )
    ok(
      ['README.md', 'docs/first-run.md', 'docs/cli.md'].every((page) =>
        pages.get(page)?.some(({ how }) => how.startsWith('run')),
      ),
    )
  })

  for (const page of ['README.md', 'docs/first-run.md', 'docs/cli.md']) {
    it(`run as ${page} says`, () => runs.get(page))
  }
  it('run on the other pages', () => Promise.all(runs.values()))
})

async function inOwnClone(blocks: readonly Block[]): Promise<void> {
  const clone = await makeClone()
  await runPage(clone, blocks).finally(() => rm(clone.folder, { recursive: true, force: true }))
}

/** A demo that one Ctrl-C ends. */
async function startDemo(): Promise<{ readonly clone: Clone; stop(): Promise<void> }> {
  const clone = await makeClone()
  const shell = await begin(clone, 'npm start', 'npm run agent')
  return {
    clone,
    async stop() {
      shell.interrupt()
      await within(shell.ended, shell, null)
      await rm(clone.folder, { recursive: true, force: true })
    },
  }
}

async function runPage(clone: Clone, blocks: readonly Block[]): Promise<void> {
  const behind: { block: Block; shell: Shell }[] = []
  try {
    for (const block of blocks) {
      const until = /^background until "(.+)"/.exec(block.how)?.[1]
      if (until) behind.push({ block, shell: await begin(clone, block.script, until, !isNpxAsked(block)) })
      else if (block.how.startsWith('run')) {
        const shell = startShell(clone, block.script, !isNpxAsked(block))
        const exit = await within(shell.ended, shell, block)
        equal(exit, Number(/exit (\d)/.exec(block.how)?.[1] ?? 0), `${block.page}:${block.line}\n${shell.out()}`)
      }
    }
    for (const { block, shell } of behind.toReversed()) {
      const interrupted = block.how.endsWith('then Ctrl-C')
      if (interrupted) shell.interrupt()
      const exit = await within(shell.ended, shell, block)
      if (!interrupted) equal(exit, 0, shell.out())
    }
  } finally {
    for (const { shell } of behind) shell.kill()
  }
}

interface Clone {
  readonly folder: string
  /** Port in the documents → port here. */
  readonly ports: ReadonlyMap<string, number>
}

/** The clone as a reader has it: the code by links, policies and data of its own. */
async function makeClone(): Promise<Clone> {
  const folder = await mkdtemp(join(tmpdir(), 'keystay-docs-'))
  const free = await freePorts(PORTS.length)
  const ports = new Map(PORTS.map((port, at) => [port, free[at] ?? 0]))
  for (const name of ['package.json', 'node_modules', 'gateway', 'adapters', 'client', 'console', 'deploy', 'docs'])
    await symlink(join(ROOT, name), join(folder, name))
  await cp(join(ROOT, 'policies'), join(folder, 'policies'), { recursive: true })
  await mkdir(join(folder, 'data'), { mode: 0o700 })
  const backends = join(folder, 'policies/backends.yaml')
  await writeFile(backends, onPorts(await readFile(backends, 'utf8'), ports))
  return { folder, ports }
}

function onPorts(text: string, ports: Clone['ports']): string {
  return text.replace(/127\.0\.0\.1:(\d{4})\b/g, (whole, port: string) =>
    ports.has(port) ? `127.0.0.1:${ports.get(port)}` : whole,
  )
}

interface Shell {
  readonly ended: Promise<number | null>
  out(): string
  interrupt(): void
  kill(): void
}

/** See above: whether `npx` is npx. */
function isNpxAsked({ page, how, script }: Block): boolean {
  return page === 'README.md' || /npx keystay .* -- |\| *\n? *npx /.test(script) || how.endsWith('then Ctrl-C')
}

function startShell(clone: Clone, script: string, isShort: boolean): Shell {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(KEYSTAY_|npm_)/i.test(name)))
  const at = (port: string) => `127.0.0.1:${clone.ports.get(port)}`
  const env = {
    ...clean,
    NO_COLOR: '1',
    npm_config_cache: join(clone.folder, '.npm'),
    npm_config_loglevel: 'error',
    KEYSTAY_LISTEN: at('8787'),
    KEYSTAY_ADMIN_LISTEN: at('8788'),
    KEYSTAY_STRIPE_LISTEN: at('8789'),
    KEYSTAY_URL: `http://${at('8787')}`,
    KEYSTAY_ADMIN_URL: `http://${at('8788')}`,
    KEYSTAY_DEMO_PAYMENTS_URL: `http://${at('4242')}`,
  }
  const installed = 'npm() { if [ "$1" != ci ]; then command npm "$@"; fi; }\n'
  const short = isShort ? 'npx() { shift; node gateway/cli/keystay.mjs "$@"; }\n' : ''
  const text = installed + short + onPorts(script, clone.ports)
  // A group of its own, so that an interrupt reaches all of it, as a terminal's does.
  const child: ChildProcess = spawn('bash', ['-euo', 'pipefail', '-c', text], {
    cwd: clone.folder,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (out += text))
  const signal = (name: NodeJS.Signals) => {
    try {
      process.kill(-(child.pid ?? 0), name)
    } catch {
      // it has ended
    }
  }
  return {
    ended: new Promise((resolve) => child.on('close', resolve)),
    out: () => out,
    interrupt: () => signal('SIGINT'),
    kill: () => signal('SIGKILL'),
  }
}

async function begin(clone: Clone, script: string, until: string, isShort = false): Promise<Shell> {
  const shell = startShell(clone, script, isShort)
  let over = false
  void shell.ended.then(() => (over = true))
  for (const began = performance.now(); !shell.out().includes(until);) {
    if (over || performance.now() - began > PATIENCE_MS) {
      shell.kill()
      throw new Error(`no ${JSON.stringify(until)} in\n${shell.out()}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return shell
}

async function within(ended: Promise<number | null>, shell: Shell, block: Block | null): Promise<number | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      shell.kill()
      reject(new Error(`${block?.page ?? 'the demo'}:${block?.line ?? ''} does not end\n${shell.out()}`))
    }, PATIENCE_MS)
  })
  return Promise.race([ended, late]).finally(() => clearTimeout(timer))
}

async function blocksOfPages(): Promise<Map<string, Block[]>> {
  const docs = (await readdir(join(ROOT, 'docs'), { recursive: true }))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
  const pages = new Map<string, Block[]>()
  for (const page of ['README.md', ...docs.sort()])
    pages.set(page, blocksOf(page, await readFile(join(ROOT, page), 'utf8')))
  return pages
}

function blocksOf(page: string, text: string): Block[] {
  const blocks: Block[] = []
  const lines = text.split('\n')
  for (let at = 0; at < lines.length; at++) {
    if (!/^```(sh|bash|shell|console)\b/.test(lines[at] ?? '')) continue
    const above = lines.slice(0, at).findLast((line) => line.trim() !== '') ?? ''
    const how = /^<!-- test: (.+) -->$/.exec(above)?.[1] ?? 'says nothing'
    const end = lines.indexOf('```', at + 1)
    blocks.push({ page, line: at + 1, how, script: lines.slice(at + 1, end).join('\n') })
    at = end
  }
  return blocks
}
