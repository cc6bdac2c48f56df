/** What `keystay` exits with; scripts rely on it (docs/cli.md). */
export const EXIT = {
  ok: 0,
  check_failed: 1,
  usage: 2,
  policy_invalid: 3,
  policy_tests_failed: 4,
  denied: 5,
  held: 6,
  integrity: 7,
  unreachable: 8,
} as const

export type Exit = (typeof EXIT)[keyof typeof EXIT]

/** A verb that cannot go on: one plain sentence that says what happened, then what to do. `body` goes out with --json. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exit: Exit
  readonly body: unknown

  constructor(exit: Exit, message: string, body?: unknown) {
    super(message)
    this.exit = exit
    this.body = body
  }
}
