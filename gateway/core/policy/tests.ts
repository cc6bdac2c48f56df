import type { Finding, Policy } from '../types.ts'
import { itemsAt, textAt } from './compiling.ts'
import { didYouMean, report as newReport, sorted } from './finding.ts'
import type { Report } from './finding.ts'
import { TESTS } from './language-tests.ts'
import { isTest } from './naming.ts'
import { at, sound } from './place.ts'
import type { Document, Piece } from './place.ts'
import { readDocuments } from './reading.ts'
import { checkStructure, structureOf } from './structure.ts'
import { CaseReader } from './test-case.ts'
import type { PolicyCase } from './test-case.ts'

const validate = structureOf(TESTS)

/**
 * Reads every `*.test.yaml` of a policy. A case that speaks of what does not exist is a finding at its line and no case:
 * a table must not pass because it asks about nothing.
 */
export function readTests(policy: Policy): { cases: PolicyCase[]; findings: Finding[] } {
  const report = newReport()
  const cases: PolicyCase[] = []
  for (const text of policy.texts.filter(({ path }) => isTest(path))) {
    for (const document of readDocuments(text, report)) cases.push(...tableOf(policy, document, report))
  }
  return { cases, findings: sorted(report.list) }
}

function tableOf(policy: Policy, document: Document, report: Report): PolicyCase[] {
  const piece: Piece = { document, path: [] }
  if (document.unreadable) return []
  checkStructure(piece, document.value, validate, report)
  const name = textAt(at(piece, 'tests'))
  const role = name === null ? undefined : policy.roles.get(name)
  if (name !== null && role === undefined)
    report.error(at(piece, 'tests'), `there is no role \`${name}\``, didYouMean(name, policy.roles.keys()))
  if (role === undefined || !sound(at(piece, 'given'))) return []
  const said = new Set<string>()
  return itemsAt(at(piece, 'cases')).flatMap((place) => {
    const it = textAt(at(place, 'it'))
    if (it !== null && said.has(it))
      report.error(at(place, 'it'), 'a case says this already', 'choose another sentence')
    if (it === null || said.has(it) || !sound(place)) return []
    said.add(it)
    const errors = report.list.length
    const made = new CaseReader(policy, role, report, at(piece, 'given'), place).read(it)
    return made === null || report.list.length > errors ? [] : [made]
  })
}
