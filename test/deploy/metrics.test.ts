import { deepEqual, equal, ok } from 'node:assert/strict'
import { PROBLEMS } from '../../gateway/core/problem.ts'
import { metricNames, metricsIn, textOf, yamlOne } from './deploy.ts'
import type { Node } from './deploy.ts'

describe('what watches a gateway', () => {
  const alerts = (yamlOne('deploy/alerts.yaml') as Node).groups.flatMap(({ rules }: Node) => rules) as Node[]
  const board = JSON.parse(textOf('deploy/grafana.json')) as Node
  const expressions: string[] = [
    ...alerts.map(({ expr }) => String(expr)),
    ...board.panels.flatMap(({ targets }: Node) => targets.map(({ expr }: Node) => String(expr))),
  ]

  for (const path of ['deploy/alerts.yaml', 'deploy/grafana.json', 'docs/operations.md']) {
    it(`${path} names only metrics that the code makes`, async () => {
      const names = await metricNames()
      const named = metricsIn(textOf(path))
      ok(named.length > 5)
      deepEqual(
        named.filter((name) => !names.has(name)),
        [],
      )
    })
  }

  it('would be caught: a metric that is none', async () => {
    equal((await metricNames()).has('keystay_call_total'), false)
  })

  it('docs/operations.md names every metric of ours', async () => {
    const text = textOf('docs/operations.md')
    const ours = [...(await metricNames())].filter(
      (name) => name.startsWith('keystay_') && !/_(bucket|sum|count)$/.test(name),
    )
    deepEqual(
      ours.filter((name) => !text.includes(`\`${name}\``)),
      [],
    )
  })

  it('each alert says for whom it is and what to do, under a name of its own', () => {
    for (const { alert, expr, labels, annotations } of alerts) {
      ok(expr && ['page', 'ticket'].includes(labels.severity) && annotations.summary && annotations.do, alert)
    }
    equal(new Set(alerts.map(({ alert }) => alert)).size, alerts.length)
  })

  it('each expression has its brackets and quotes in pairs', () => {
    for (const expr of expressions) {
      for (const [open, close] of ['()', '[]', '{}'])
        equal(expr.split(open ?? '').length, expr.split(close ?? '').length, expr)
      equal(expr.split('"').length % 2, 1, expr)
    }
  })

  it('each label and its value is one that the code sets', () => {
    const values: { [label: string]: (value: string) => boolean } = {
      status: (value) =>
        ['held', 'running', 'unknown', 'needs_human', 'done', 'refused', 'denied', 'rejected', 'expired'].includes(
          value,
        ),
      kind: (value) => ['attempt', 'read', 'credential.failed', 'approval.refused'].includes(value),
      code: (value) => Object.keys(PROBLEMS).some((code) => new RegExp(`^(?:${value})$`).test(code)),
    }
    for (const expr of expressions) {
      for (const [, label = '', value = ''] of expr.matchAll(/(\w+)=~?"([^"]*)"/g))
        ok(values[label]?.(value), `${label}="${value}" in ${expr}`)
    }
  })

  it('the board has panels that do not lie on each other', () => {
    const cells = board.panels.flatMap(({ gridPos: { x, y, w, h } }: Node) =>
      Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
    ) as string[]
    equal(new Set(cells).size, cells.length)
    ok(board.panels.every(({ gridPos: { x, w } }: Node) => x + w <= 24))
  })
})
