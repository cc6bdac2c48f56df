import type { Type } from '../expression.ts'
import type { IssueRule } from '../types.ts'
import { checkPrefixes } from './claims.ts'
import { entriesAt, expressionAt, has, itemsAt, known, textAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { peopleGroup, whereScope } from './identity.ts'
import { at, sound } from './place.ts'
import type { Piece } from './place.ts'
import { CLAIMS, OWN_ATTRIBUTES } from './scopes.ts'

/** Compiles who may hold a role. */
export function issueRules(compiling: Compiling, piece: Piece): IssueRule[] {
  return itemsAt(piece)
    .filter(sound)
    .map((rule) => {
      const { report } = compiling
      const issuer = textAt(at(rule, 'issuer'))
      const group = textAt(at(rule, 'group'))
      if (issuer !== null) known(compiling, 'issuers', issuer, at(rule, 'issuer'))
      if (group !== null) peopleGroup(compiling, group, at(rule, 'group'))
      if (issuer !== null && !has(at(rule, 'where'))) {
        report.error(
          rule,
          'an issuer needs a `where`',
          'without one, everything that it signs for could hold this role',
        )
      }
      const from = issuer ?? textAt(at(compiling.names.groups.get(group ?? '') ?? rule, 'issuer'))
      const where = expressionAt(compiling, at(rule, 'where'), whereScope(compiling, from), 'bool')
      if (where !== null) checkPrefixes(report, where.text, at(rule, 'where'))
      const carry: { [attribute: string]: IssueRule['carry'][string] } = {}
      for (const [attribute, value] of entriesAt(at(rule, 'carry'))) {
        if (OWN_ATTRIBUTES.includes(attribute))
          report.error(value, `a session has its own \`${attribute}\``, 'choose another name', 'key')
        const expression = expressionAt(compiling, value, CLAIMS, 'any')
        if (expression !== null) carry[attribute] = expression
      }
      return { issuer, group, where, carry }
    })
}

/** What sessions of a role carry: optional where not every way to the role gives it. */
export function attributesAt(issueTo: Piece): { [attribute: string]: Type } {
  const rules = itemsAt(issueTo).map((rule) => entriesAt(at(rule, 'carry')).map(([name]) => name))
  const all = new Set(rules.flat())
  return Object.fromEntries(
    [...all].map((name) => [name, rules.every((rule) => rule.includes(name)) ? 'any' : { optional: 'any' }]),
  )
}
