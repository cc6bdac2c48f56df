import { closeSync, readdirSync, readFileSync } from 'node:fs'

/**
 * Closes the files that whoever started us left open for us beside standard input, output and error, so that they do not
 * go on to the agent. Node opens all of its own with O_CLOEXEC; what lacks it was inherited. Needs /proc: elsewhere Node
 * itself has marked most of them at its start.
 */
export function closeInherited(): void {
  for (const fd of inherited()) {
    try {
      closeSync(fd)
    } catch {
      // Only the directory that was just read.
    }
  }
}

const O_CLOEXEC = 0o2000000

function inherited(): number[] {
  try {
    return readdirSync('/proc/self/fdinfo')
      .map(Number)
      .filter((fd) => fd > 2 && !staysHere(fd))
  } catch {
    return []
  }
}

function staysHere(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]
    return flags === undefined || (Number.parseInt(flags, 8) & O_CLOEXEC) !== 0
  } catch {
    return true
  }
}
