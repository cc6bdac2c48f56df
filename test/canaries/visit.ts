import { PLACES } from '../backends/echoing.ts'
import { modern } from '../doors/mcp.ts'
import { FORMS } from './canaries.ts'
import { stream } from './stream.ts'
import { borrow } from './borrow.ts'
import type { Town } from './town.ts'

/** Everything that somebody outside was given: status, headers and body, by what it was. */
export interface Heard {
  readonly where: string
  readonly bytes: Buffer
}

const AT_ONCE = 16
const PLACE_COUNT = Object.keys(PLACES).length
const FORM_COUNT = Object.keys(FORMS).length

/**
 * A whole session of the town: every backend's key shown back in `times` places of an answer, each in another form, by
 * reads, writes, facts, dry runs, streams and over MCP; logins that are made; then whatever agents and people may look at afterwards.
 */
export async function visit(town: Town, times: number): Promise<{ heard: Heard[]; calls: number; token: string }> {
  const heard: Heard[] = []
  const hear = (where: string, bytes: string): void => void heard.push({ where, bytes: Buffer.from(bytes) })
  const token = await town.token('bot', 'user')
  const jobs = town.backends.flatMap((backend, number) =>
    Array.from({ length: backend.streams ? Math.max(times, 8) : times }, (_, time) => ({
      number,
      ...backend,
      place: (number + time * 5) % PLACE_COUNT,
      form: (number + time * 7) % FORM_COUNT,
    })),
  )
  // the one answer in which a secret is meant to be: it is given once, and what is said of it later is heard
  const lent = await town.call(token, 'lend.login', {}, 'lent')
  const password = String(lent.body?.output?.password)
  if (!town.canaries.some(({ value }) => value === password)) throw new Error(`no lease: ${lent.text}`)
  hear('the lease again', (await town.call(token, 'lend.login', {}, 'lent')).text)
  const ids: string[] = [String(lent.body.call)]
  let asked = 0
  const ask = async (action: string, { place, form }: { place: number; form: number }, headers = {}): Promise<void> => {
    const key = action.startsWith('use.') ? undefined : `${action}/${place}/${form}`
    asked++
    const answer = await town.call(token, action, { place, form }, key, { prefer: 'wait=0', ...headers })
    hear(`${action} ${place} ${form}`, `${answer.text} ${JSON.stringify([...answer.headers])}`)
    const id = answer.body?.call as string | undefined
    if (id === undefined || (action.startsWith('use.') && asked % 8 > 0)) return
    ids.push(id)
  }
  const pass = async ({ name, number, place, form }: { name: string; number: number; place: number; form: number }) => {
    const url = `${town.agentUrl}/proxy/via.${name}/${place}/${form}`
    const headers = { authorization: `Bearer ${token}`, 'idempotency-key': `via.${name}/${place}/${form}` }
    // what was written once is told the second time
    for (const method of number % 2 === 0 ? ['GET'] : ['POST', 'POST']) {
      asked++
      const { text, call } = await stream(url, method, headers)
      hear(`via.${name} ${place} ${form}`, text)
      if (call !== '') ids.push(call)
    }
  }
  const queue = jobs[Symbol.iterator]()
  const work = async (): Promise<void> => {
    for (const job of queue) {
      if (job.streams) {
        await pass(job)
        continue
      }
      await ask(`use.${job.name}`, job)
      if (job.by !== 'postgres' && job.number % 5 === 0) await ask(`do.${job.name}`, job)
      if (job.by !== 'postgres' && job.number % 12 === 0) await ask(`ask.${job.name}`, { ...job, place: 0 })
      if (job.number % 10 === 0) {
        await ask(`use.${job.name}`, job, { 'keystay-dry-run': 'true' })
        asked++
        const given = { name: `use_${job.name}`, arguments: { place: job.place, form: job.form } }
        const answer = await modern(town.agentUrl, `Bearer ${token}`, 'tools/call', given)
        if (answer.body?.jsonrpc !== '2.0') throw new Error(`no tool: ${answer.text}`)
        hear(`MCP use.${job.name} ${job.place}`, answer.text)
      }
    }
  }
  await Promise.all([borrow(town, token, hear), ...Array.from({ length: AT_ONCE }, work)])

  const stories = ids[Symbol.iterator]()
  const look = async (): Promise<void> => {
    for (const id of stories) {
      hear(`GET ${id}`, (await town.show(token, id)).text)
      const story = await town.admin('dana', 'GET', `/admin/v1/calls/${id}`)
      hear(`the story of ${id}`, story.text)
      if (story.body.status === 'held') hear(`the yes to ${id}`, (await town.approve('dana', id)).text)
    }
  }
  await Promise.all(Array.from({ length: 4 }, look))

  const headers = { authorization: `Bearer ${token}` }
  for (const path of [
    '/v1/actions',
    '/v1/calls',
    '/v1/session',
    '/openapi.json',
    '/readyz',
    '/.well-known/oauth-protected-resource',
  ])
    hear(path, (await town.agent(path, { headers })).text)
  hear('MCP tools/list', (await modern(town.agentUrl, `Bearer ${token}`, 'tools/list')).text)
  for (const path of ['calls', 'calls.csv', 'calls.jsonl', 'sessions', 'limits', 'policy'])
    hear(path, (await town.admin('dana', 'GET', `/admin/v1/${path}`)).text)
  hear('metrics', (await town.admin('dana', 'GET', '/metrics')).text)
  return { heard, calls: asked, token }
}
