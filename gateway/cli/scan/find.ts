import { CODE, findInCode } from './code.ts'
import type { Finding } from './finding.ts'
import { findInSettings, findValues } from './settings.ts'
import { textFiles, type Walked } from './walk.ts'

export interface Scanned {
  /** In the order of file and line. */
  readonly findings: readonly Finding[]
  readonly walked: Walked
}

const FINDINGS_MAX = 5_000
/** Files may be made to take long. */
const TIME_MS = 60_000

/** Every place below a directory where an agent holds a key or takes one. @throws as realpath for one that is not there. */
export async function scanDirectory(directory: string, time_ms = TIME_MS): Promise<Scanned> {
  const walked: Walked = { files: 0, too_large: 0, binary: 0, links: 0, unreadable: [], whole: true }
  const findings: Finding[] = []
  for await (const { path, text } of textFiles(directory, walked, performance.now() + time_ms)) {
    findings.push(...(await findInFile(path, text)))
    if (findings.length < FINDINGS_MAX) continue
    walked.whole = false
    break
  }
  return { findings: findings.slice(0, FINDINGS_MAX), walked }
}

async function findInFile(file: string, text: string): Promise<Finding[]> {
  const settings = findInSettings(file, text)
  const told = new Set(settings.map(({ line }) => line))
  // A key in a file of settings is told once, with the name it has there.
  const values = (await findValues(file, text)).filter(({ line }) => !told.has(line))
  const all = [...settings, ...values, ...(CODE.test(file) ? findInCode(text) : [])]
  const seen = new Set<string>()
  return all
    .map((one) => ({ file, ...one }))
    .filter(({ line, kind, name }) => {
      const key = `${line} ${kind} ${name}`
      return seen.has(key) ? false : seen.add(key)
    })
    .toSorted((a, b) => a.line - b.line)
}
