import { formatAmount } from './money.ts'
import { noticeId } from './notice-plan.ts'
import type { About, Channel, Decided, Message, Notice } from './notice.ts'
import type { JsonObject } from './types.ts'
import { visible } from './visible.ts'

/**
 * What a notice says: names of the policy, money, times, and a link. Whoever reads it learns that somebody must look, and
 * looks in the console, where facts and the agent's words stand apart.
 *
 * @param console_ how people reach this gateway, `https://keystay.example`.
 */
export function messageOf(notice: Notice, console_: string): Message {
  const { id, kind, about, decided, wait, call, channel, made_at } = notice
  const first = noticeId(wait, call, kind === 'call.needs_human' ? kind : 'call.held', channel)
  const link = linkOf(console_, about, kind === 'call.decided' || kind === 'call.needs_human')
  const by = (decided?.by ?? []).map(visible)
  return {
    id,
    thread: first === id ? null : first,
    type: kind,
    at: made_at,
    data: { ...dataOf(about, link), ...(decided === null ? {} : { outcome: decided.outcome, by }) },
    title: titleOf(notice),
    lines: linesOf(about, decided === null ? null : { ...decided, by }),
    link,
  }
}

/** What `keystay notify test` sends. */
export function testMessage(id: string, { name }: Channel, at: number, console_: string): Message {
  return {
    id,
    thread: null,
    type: 'channel.test',
    at,
    data: { channel: name },
    title: `Keystay can reach ${name}`,
    lines: [['Channel', name]],
    link: `${bare(console_)}/console/`,
  }
}

function dataOf({ call, action, role, amount, need, expires_at }: About, link: string): JsonObject {
  return {
    call,
    action,
    role,
    amount: amount === null ? null : { ...amount, text: formatAmount(amount) },
    need: need.map(({ count, of }) => ({ count, of })),
    expires_at: expires_at === null ? null : new Date(expires_at).toISOString(),
    link,
  }
}

function titleOf({ kind, about, decided }: Notice): string {
  const what = `${about.action}${about.amount === null ? '' : `, ${formatAmount(about.amount)}`}`
  if (decided !== null) return `${ENDED[decided.outcome]}: ${what}`
  if (kind === 'call.needs_human') return `In doubt, two people must say what happened: ${what}`
  const how = kind === 'call.held' ? 'Waits' : kind === 'call.held.reminder' ? 'Still waits' : 'Expires soon, waits'
  return `${how} for ${needed(about)}: ${what}`
}

function linesOf(about: About, decided: Decided | null): Message['lines'] {
  const { call, action, role, amount, need, expires_at } = about
  const by = decided === null || decided.by.length === 0 ? [] : ([['By', decided.by.join(', ')]] as const)
  const waiting = decided === null && need.length > 0 ? ([['Needs', needed(about)]] as const) : []
  const until = decided === null && expires_at !== null ? ([['Expires', utc(expires_at)]] as const) : []
  return [
    ['Action', action],
    ...(amount === null ? [] : ([['Amount', formatAmount(amount)]] as const)),
    ['Role', role],
    ...waiting,
    ...until,
    ...by,
    ['Call', call],
  ]
}

function needed({ need }: About): string {
  return need.map(({ count, of }) => `${count} of ${of}`).join(', ')
}

/** 2026-11-23 15:58 UTC: whoever reads it may be anywhere. */
function utc(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

function linkOf(console_: string, { call }: About, isStory: boolean): string {
  return `${bare(console_)}/console/${isStory ? `calls/${call}` : `?call=${call}`}`
}

function bare(url: string): string {
  return url.replace(/\/+$/, '')
}

const ENDED: { readonly [outcome in Decided['outcome']]: string } = {
  approved: 'Approved',
  rejected: 'Rejected',
  expired: 'Expired, nobody answered',
  cancelled: 'Cancelled',
  denied: 'Denied by the policy at the last look',
  voided: 'What was asked has changed, and is asked anew',
  settled: 'Settled',
}
