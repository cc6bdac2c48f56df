import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { exec, gitHubActions, kubernetes, KeystayError, tokenFile } from '../../client/index.ts'
import { proofOf } from '../../client/identity.ts'
import type { Identity } from '../../client/index.ts'

describe('identities of the client', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keystay-identity-'))
  })
  after(() => rm(folder, { recursive: true }))

  for (const [name, of] of [
    ['tokenFile', tokenFile],
    ['kubernetes', kubernetes],
  ] as const) {
    it(`${name} reads its file each time`, async () => {
      const file = join(folder, name)
      const identity = of(file)
      await assert.rejects(proofOf(identity), {
        code: 'identity',
        message: `The token file ${file} cannot be read (ENOENT).`,
      })
      for (const token of ['a.b.c', 'd.e.f']) {
        await writeFile(file, `${token}\n`)
        assert.equal(await proofOf(identity), token)
      }
    })
  }

  it('kubernetes reads where docs/identity.md mounts the token', async () => {
    await assert.rejects(proofOf(kubernetes()), /\/var\/run\/secrets\/keystay\/token/)
  })

  it('exec starts a program without a shell, and shows nothing of what it printed', async () => {
    const node = (script: string, ...more: string[]) => exec([process.execPath, '-e', script, ...more])
    assert.equal(await proofOf(node('console.log(process.argv[1])', 'a.$HOME.c'.replace('$HOME', 'b'))), 'a.b.c')
    assert.equal(await node('process.stdout.write(process.argv[1])', '$HOME;`x`')(), '$HOME;`x`')
    await refused(node('console.log("eyJhbGci.secret.token"); process.exit(3)'), /failed \(3\)/)
    await refused(node('console.error("eyJhbGci.secret.token"); process.exit(4)'), /failed \(4\)/)
    await refused(node('console.log("two words")'), /something else than one JWT/)
    await refused(exec(['/no/such/program']), /failed \(ENOENT\)/)
  })

  it('gitHubActions asks GitHub for its audience with the job’s own token', async () => {
    const asked: string[] = []
    let answer = { status: 200, body: JSON.stringify({ value: 'a.b.c' }) }
    const github = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers.authorization}`)
      response.writeHead(answer.status).end(answer.body)
    })
    await new Promise<void>((resolve) => github.listen(0, '127.0.0.1', resolve))
    const { port } = github.address() as AddressInfo
    const names = ['ACTIONS_ID_TOKEN_REQUEST_URL', 'ACTIONS_ID_TOKEN_REQUEST_TOKEN']
    const before = names.map((name) => [name, process.env[name]] as const)
    const identity = gitHubActions({ audience: 'https://keystay.example/?a=b&c' })
    try {
      delete process.env['ACTIONS_ID_TOKEN_REQUEST_URL']
      await refused(identity, /permissions: \{ id-token: write \}/)
      process.env['ACTIONS_ID_TOKEN_REQUEST_URL'] = `http://127.0.0.1:${port}/token?api-version=2.0`
      process.env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'] = 'eyJqob.secret.token'
      assert.equal(await proofOf(identity), 'a.b.c')
      const audience = 'https%3A%2F%2Fkeystay.example%2F%3Fa%3Db%26c'
      assert.deepEqual(asked, [`/token?api-version=2.0&audience=${audience} Bearer eyJqob.secret.token`])
      answer = { status: 403, body: '{"message": "eyJqob.secret.token"}' }
      await refused(identity, /GitHub answered 403 and no token/)
      answer = { status: 200, body: '<html>' }
      await refused(identity, /GitHub answered 200 and no token/)
    } finally {
      // One by one: threads inherit the process's own environment, not an object that stands in its place.
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
      github.closeAllConnections()
      await new Promise((resolve) => github.close(resolve))
    }
  })

  for (const given of ['', 'x', 'a.b', 'a.b.c.d', 'a.b.c d', `${'a'.repeat(70_000)}.b.c`, null, 7, {}]) {
    it(`a function that gives ${inspect(given).slice(0, 20)} gives no proof, and it is not said what it gave`, async () => {
      await refused((() => given) as unknown as Identity, /^The identity gave something else than one JWT\.$/)
    })
  }
})

async function refused(identity: Identity, message: RegExp): Promise<void> {
  const error: unknown = await proofOf(identity).catch((thrown: unknown) => thrown)
  assert.ok(error instanceof KeystayError && error.code === 'identity', inspect(error))
  assert.match(error.message, message)
  assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes('secret.token'))
}
