/** Admissions go on side by side; what must see none of them under way waits for those that are, and keeps new ones out. */
export interface Quiet {
  enter<T>(work: () => Promise<T>): Promise<T>
  alone<T>(work: () => Promise<T>): Promise<T>
}

export function quiet(): Quiet {
  const room: { inside: number; closed: Promise<unknown> | null; empty: (() => void) | null } = {
    inside: 0,
    closed: null,
    empty: null,
  }
  return {
    async enter(work) {
      while (room.closed !== null) await room.closed
      room.inside++
      try {
        return await work()
      } finally {
        room.inside--
        if (room.inside === 0) room.empty?.()
      }
    },
    async alone(work) {
      while (room.closed !== null) await room.closed
      const run = (async () => {
        if (room.inside > 0) await new Promise<void>((resolve) => (room.empty = resolve))
        room.empty = null
        return work()
      })()
      const closed = run.then(
        () => {},
        () => {},
      )
      room.closed = closed.finally(() => (room.closed = null))
      return run
    },
  }
}
