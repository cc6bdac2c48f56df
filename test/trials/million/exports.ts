import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { clientOf } from '../../house/gateway.ts'

export interface Gate {
  readonly agentUrl: string
  readonly adminUrl: string
  readonly child: { readonly pid?: number | undefined }
}

export interface Exported {
  readonly rows: number
  readonly bytes: number
  readonly seconds: number
  /** RSS of the gateway, MB. */
  readonly before: number
  readonly most: number
}

/** One export as fast as it comes. */
export async function exported(gate: Gate, path: string): Promise<Exported> {
  const before = await memory(gate)
  let most = before
  const watch = setInterval(() => void memory(gate).then((now) => (most = Math.max(most, now))), 200)
  const began = performance.now()
  const { response } = await opened(gate, path)
  let [lines, bytes] = [0, 0]
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length
    for (let at = (chunk as Buffer).indexOf(10); at !== -1; at = (chunk as Buffer).indexOf(10, at + 1)) lines++
  }
  clearInterval(watch)
  if (!response.complete) throw new Error(`${path} was cut off`)
  const rows = path.includes('.csv') ? lines - 1 : lines
  return { rows, bytes, seconds: (performance.now() - began) / 1000, before, most }
}

export interface Paused {
  /** RSS of the gateway while nobody reads, MB: before, and the most of it. */
  readonly before: number
  readonly most: number
  /** CPU of the gateway while nobody reads, and after whoever did is gone: seconds a second. */
  readonly waits: number
  readonly after: number
}

/** A reader who stops reading, and then goes away. */
export async function paused(gate: Gate, path: string, seconds: number): Promise<Paused> {
  const { request, response } = await opened(gate, path)
  response.on('error', () => {})
  request.on('error', () => {})
  response.once('data', () => response.pause())
  await sleep(1500)
  const before = await memory(gate)
  let most = before
  const [from, cpu] = [performance.now(), await processor(gate)]
  for (let n = 0; n < seconds * 5; n++) {
    await sleep(200)
    most = Math.max(most, await memory(gate))
  }
  const waits = ((await processor(gate)) - cpu) / ((performance.now() - from) / 1000)
  request.destroy()
  await sleep(500)
  const [gone, idle] = [performance.now(), await processor(gate)]
  await sleep(3000)
  const after = ((await processor(gate)) - idle) / ((performance.now() - gone) / 1000)
  return { before, most, waits, after }
}

async function opened(gate: Gate, path: string) {
  const token = await clientOf(gate.agentUrl, gate.adminUrl).person('dana')
  const request = get(`${gate.adminUrl}${path}`, { headers: { authorization: `Bearer ${token}` } })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode}`)
  return { request, response }
}

/** RSS, MB. */
export async function memory({ child }: Gate): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024)
}

/** User and system time, s; a hundred ticks a second. */
async function processor({ child }: Gate): Promise<number> {
  const fields = (await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}
