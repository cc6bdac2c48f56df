import { modern } from '../doors/mcp.ts'
import type { Town } from './town.ts'

/**
 * Logins that the gateway makes itself, by every way to be given one. Each password is a canary from then on; heard is
 * everything but the one answer that it is in, and that it is in there once.
 */
export async function borrow(town: Town, token: string, hear: (where: string, text: string) => void): Promise<void> {
  const known = (how: string, text: string, password: unknown, times: number): void => {
    const value = String(password)
    const parts = text.split(value)
    if (!/^[\w-]{43}$/.test(value) || parts.length !== times + 1)
      throw new Error(`${how}: ${parts.length - 1} times, ${parts.join('…')}`)
    town.canaries.push({ name: `login ${how}`, value })
    hear(`the login ${how}, without it`, parts.join('…'))
  }
  const own = (key: string, by = token) => town.call(by, 'lend.own', {}, key)

  const given = await own('own')
  known('by a call', `${given.text} ${JSON.stringify([...given.headers])}`, given.body?.output?.password, 1)
  hear('its key again', (await own('own')).text)
  hear('its call', (await town.show(token, given.body.call)).text)

  // of another session: as many may wait for people in one as the visit has waiting
  const other = await town.token('bot', 'user')
  const held = await town.call(other, 'lend.held', {}, 'held', { prefer: 'wait=0' })
  hear('a login that is held', held.text)
  hear('the yes to it', (await town.approve('dana', held.body.call)).text)
  const taken = await town.show(other, held.body.call)
  known('after a yes', taken.text, taken.body?.output?.password, 1)
  hear('its call again', (await town.show(other, held.body.call)).text)

  const call = { name: 'lend_own', arguments: { request_key: 'tool' } }
  const told = await modern(town.agentUrl, `Bearer ${token}`, 'tools/call', call)
  // a tool says everything twice: as a structure, and as the same in text
  known('over MCP', told.text, /"password\\?":\\?"([\w-]{43})/.exec(told.text)?.[1], 2)
  hear('the tool again', (await modern(town.agentUrl, `Bearer ${token}`, 'tools/call', call)).text)

  const brief = await own('brief', other)
  known('until it logs out', brief.text, brief.body?.output?.password, 1)
  const headers = { authorization: `Bearer ${other}` }
  hear('the end of its session', (await town.agent('/v1/session', { method: 'DELETE', headers })).text)

  for (const name of ['nobody', 'locked']) {
    const refused = await town.call(token, `lend.${name}`, {}, name)
    if (refused.status < 400) throw new Error(`lend.${name}: ${refused.text}`)
    hear(`lend.${name}`, refused.text)
    hear(`the story of lend.${name}`, (await town.admin('dana', 'GET', `/admin/v1/calls/${refused.body.call}`)).text)
  }
}
