/** What the watcher knows of a run; one JSON value a line on its standard input, the newest counts. */
export interface Watched {
  /** The gateway's listener for agents. */
  readonly gateway: string
  /** The newest token of the session; null once the session is over. */
  readonly token: string | null
  /** The agent's process while it runs. */
  readonly agent: WatchedAgent | null
}

export interface WatchedAgent {
  readonly pid: number
  /** Whether it leads a process group of its own. */
  readonly group: boolean
  /** When it started, as its platform tells; another process may get its number later. */
  readonly started: string | null
}
