import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'

/** A directory that can be made full. */
export interface Disk {
  readonly dir: string
  /** null: this machine does not let us, and why. */
  readonly fill: (() => void) | null
  readonly skipped: string | null
  /** There is room again. */
  empty(): void
  /** Copies what is on it to a directory that stays. */
  rescue(to: string): void
  remove(): void
}

/** A tmpfs of `megabytes` where we may mount one, else a directory that is never full. */
export function diskAt(dir: string, megabytes: number): Disk {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const filler = join(dir, 'filler')
  const empty = (): void => {
    for (const name of readdirSync(dir)) if (name.startsWith('filler')) rmSync(join(dir, name), { force: true })
  }
  const mounted = mount(dir, megabytes)
  const unmount = (): void => {
    process.off('exit', unmount)
    execFileSync('umount', ['-l', dir], { stdio: 'ignore' })
  }
  if (mounted === null) process.on('exit', unmount)
  return {
    dir,
    skipped: mounted,
    fill: mounted === null ? () => fill(dir, filler) : null,
    empty,
    rescue: (to) => cpSync(dir, to, { recursive: true }),
    remove: () => {
      if (mounted === null) unmount()
    },
  }
}

/** Others write meanwhile: what was free a moment ago may be more than there is. */
function fill(dir: string, filler: string): void {
  for (let tries = 0; tries < 20; tries++) {
    const { bavail, bsize } = statfsSync(dir)
    if (bavail === 0) return
    try {
      execFileSync('fallocate', ['-l', String(bavail * bsize), `${filler}-${tries}`], { stdio: 'ignore' })
    } catch {
      // Once more, with what is free now.
    }
  }
}

/** @returns null, or why not. */
function mount(dir: string, megabytes: number): string | null {
  if (megabytes === 0) return 'not asked for'
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', dir], { stdio: 'ignore' })
    return null
  } catch {
    return 'no right to mount a tmpfs'
  }
}
