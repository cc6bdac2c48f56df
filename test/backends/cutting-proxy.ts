import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** A wire to PostgreSQL that can be cut where it hurts most. */
export interface CuttingProxy {
  readonly port: number
  /** The next COMMIT: its bytes never reach the server, or its answer never comes back. */
  cutCommit(when: 'before' | 'after'): void
  /** All connections, now. */
  cutAll(): void
  /** Nothing passes either way, and no connection ends, until it is called with false. */
  hold(held: boolean): void
  readonly cuts: number
  close(): Promise<void>
}

const COMMIT = Buffer.from('COMMIT\0')

/** @param server the port on loopback that it leads to. */
export async function startCutting(server: number): Promise<CuttingProxy> {
  const wires = new Set<{ client: Socket; upstream: Socket }>()
  let next: 'before' | 'after' | null = null
  let held = false
  let cuts = 0

  const proxy = createServer((client) => {
    const upstream = connect(server, '127.0.0.1')
    const wire = { client, upstream }
    wires.add(wire)
    let mute = false
    const end = (): void => {
      wires.delete(wire)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) socket.setNoDelay(true).on('error', end).on('close', end)
    client.on('data', (bytes) => {
      const commits = next !== null && bytes.includes(COMMIT)
      if (!commits) return void upstream.write(bytes)
      const when = next
      next = null
      cuts++
      if (when === 'before') return end()
      // The server has it, and does it; nobody hears of it.
      mute = true
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => (mute ? end() : client.write(bytes)))
    if (held) for (const socket of [client, upstream]) socket.pause()
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return {
    port: (proxy.address() as AddressInfo).port,
    cutCommit: (when) => void (next = when),
    cutAll() {
      for (const { client, upstream } of wires) {
        client.destroy()
        upstream.destroy()
      }
    },
    hold(now) {
      held = now
      for (const { client, upstream } of wires) {
        for (const socket of [client, upstream]) {
          if (held) socket.pause()
          else socket.resume()
        }
      }
    },
    get cuts() {
      return cuts
    },
    async close() {
      for (const { client, upstream } of wires) {
        client.destroy()
        upstream.destroy()
      }
      await new Promise((resolve) => proxy.close(resolve))
    },
  }
}
