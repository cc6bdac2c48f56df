import type { Channel, Message } from '../../gateway/core/notice.ts'
import type { Brought, Courier } from '../adapter.ts'
import type { CourierParts } from './couriers.ts'
import { posting } from './posting.ts'

/**
 * An incoming webhook of Slack. All that is said is `plain_text`, where nothing is markup and nobody is called; the link
 * alone is mrkdwn, and it is ours.
 */
export function slack(channel: Channel, parts: CourierParts): Courier {
  return posting(channel, parts, bodyOf, judge)
}

function bodyOf({ title, lines, link }: Message): object {
  const plain = (text: string) => ({ type: 'plain_text', text, emoji: false })
  return {
    // What a notification on a phone shows. `&`, `<` and `>` are all that this has of markup (api.slack.com, escaping text).
    text: escaped(title),
    mrkdwn: false,
    parse: 'none',
    unfurl_links: false,
    unfurl_media: false,
    blocks: [
      { type: 'section', text: plain(title.slice(0, 2900)) },
      {
        type: 'section',
        fields: lines.slice(0, 10).map(([label, value]) => plain(`${label}\n${value}`.slice(0, 1900))),
      },
      { type: 'section', text: { type: 'mrkdwn', text: `<${link}|Open in Keystay>` } },
    ],
  }
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** Its refusals are words like `channel_is_archived` (api.slack.com, "Handling errors"): nothing else of it is repeated. */
function judge(status: number, answer: string): Brought | null {
  if (status !== 400 && status !== 403 && status !== 404 && status !== 410) return null
  const word = /^[a-z_]{1,64}$/.exec(answer.trim())?.[0]
  const said = word === undefined ? String(status) : `${status} ${word}`
  const gone = status === 404 || status === 410 ? { gone: true as const } : {}
  return word === undefined && status !== 410 ? null : { kind: 'failed', said, final: true, ...gone }
}
