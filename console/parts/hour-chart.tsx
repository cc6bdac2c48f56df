import { Table, useComputedColorScheme } from '@mantine/core'
import { useEffect, useMemo, useRef } from 'react'
import uPlot from 'uplot'
import type { CallSummary } from '../api/types.ts'

const HOUR_S = 3600
const HOURS_MAX = 24 * 14

/** Calls by the hour they were asked in, of what is shown; the same numbers as a table. */
export function HourChart({ calls }: { readonly calls: readonly CallSummary[] }) {
  const hours = useMemo(() => byHour(calls), [calls])
  const place = useRef<HTMLDivElement>(null)
  const scheme = useComputedColorScheme()
  useEffect(() => {
    const element = place.current
    if (element === null || hours.length < 2) return
    const ink = scheme === 'dark' ? '#c9c9c9' : '#343a40'
    const series = (label: string, stroke: string) => ({ label, stroke, fill: `${stroke}33`, width: 2 })
    const axis = { stroke: ink, grid: { stroke: `${ink}33` } }
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: 140,
        cursor: { show: false },
        legend: { show: true, live: false },
        axes: [axis, { ...axis, size: 40 }],
        scales: { y: { range: (_, __, max) => [0, Math.max(1, max)] } },
        series: [{}, series('asked', '#4263eb'), series('refused or denied', '#e03131')],
      },
      [hours.map(({ at }) => at), hours.map(({ asked }) => asked), hours.map(({ refused }) => refused)],
      element,
    )
    const resized = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: 140 }))
    resized.observe(element)
    return () => {
      resized.disconnect()
      plot.destroy()
    }
  }, [hours, scheme])
  if (hours.length < 2) return null
  return (
    <>
      <div ref={place} aria-hidden className="chart" />
      <details>
        <summary>Calls by the hour, as a table</summary>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Hour</Table.Th>
              <Table.Th>Asked</Table.Th>
              <Table.Th>Refused or denied</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {hours
              .filter(({ asked }) => asked > 0)
              .map(({ at, asked, refused }) => (
                <Table.Tr key={at}>
                  <Table.Td>{new Date(at * 1000).toLocaleString()}</Table.Td>
                  <Table.Td>{asked}</Table.Td>
                  <Table.Td>{refused}</Table.Td>
                </Table.Tr>
              ))}
          </Table.Tbody>
        </Table>
      </details>
    </>
  )
}

interface Hour {
  /** Its beginning, seconds since the epoch. */
  readonly at: number
  asked: number
  refused: number
}

/** Hours without a call are hours, too; what is older than two weeks is not drawn. */
function byHour(calls: readonly CallSummary[]): Hour[] {
  const hourOf = ({ at }: CallSummary): number => Math.floor(Date.parse(at) / 1000 / HOUR_S) * HOUR_S
  const last = calls.reduce((newest, call) => Math.max(newest, hourOf(call)), 0)
  const first = Math.max(last - (HOURS_MAX - 1) * HOUR_S, Math.min(...calls.map(hourOf)))
  const hours: Hour[] = []
  for (let at = first; at <= last; at += HOUR_S) hours.push({ at, asked: 0, refused: 0 })
  for (const call of calls) {
    const hour = hours[(hourOf(call) - first) / HOUR_S]
    if (hour === undefined) continue
    hour.asked++
    if (call.status === 'denied' || call.status === 'refused' || call.status === 'rejected') hour.refused++
  }
  return hours
}
