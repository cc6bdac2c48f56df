import type { Channel, Message } from '../../gateway/core/notice.ts'
import type { Courier } from '../adapter.ts'
import type { CourierParts } from './couriers.ts'
import { posting } from './posting.ts'

/**
 * An incoming webhook of Microsoft Teams (Workflows), as an Adaptive Card. A TextBlock and a FactSet read Markdown; a
 * TextRun does not, so all that is said stands in those.
 */
export function teams(channel: Channel, parts: CourierParts): Courier {
  return posting(channel, parts, bodyOf)
}

function bodyOf({ title, lines, link }: Message): object {
  const run = (text: string, weight: 'Default' | 'Bolder' = 'Default') => ({ type: 'TextRun', text, weight })
  const block = (...inlines: object[]) => ({ type: 'RichTextBlock', inlines })
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        content: {
          type: 'AdaptiveCard',
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          version: '1.4',
          body: [
            block(run(title, 'Bolder')),
            ...lines.map(([label, value]) => block(run(`${label}: `, 'Bolder'), run(value))),
          ],
          actions: [{ type: 'Action.OpenUrl', title: 'Open in Keystay', url: link }],
        },
      },
    ],
  }
}
