import type { JsonSchema } from '../types.ts'
import { flag, list, map, named, object, PLAIN_NAME, text } from './language-words.ts'

/** Channels, and who is told by them. */

export const CHANNELS = (description: string, more: JsonSchema = {}): JsonSchema =>
  list(description, PLAIN_NAME, { maxItems: 20, ...more })

const ADDRESS = '^[^\\s<>@,;:"()\\[\\]\\\\]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?$'
const MAIL = named({ type: 'string', maxLength: 320, pattern: ADDRESS, 'x-says': 'a mail address, without a name' }, '')
const REF = (description: string): JsonSchema => text(description, { maxLength: 500 })

export const NOTIFY = object('Where people are told that a call waits for them.', {
  channels: map(
    'Channels by name. Nothing is told anywhere else.',
    PLAIN_NAME,
    {
      ...object('One of: `webhook`, `smtp`, `slack`, `teams`.', {
        webhook: text(
          'Where notices are posted, signed as Standard Webhooks say: `https://hooks.example.com/keystay`.',
          {
            maxLength: 500,
          },
        ),
        smtp: text(
          'A mail server: `smtps://mail.example.com:465` (TLS), or `smtp://mail.example.com:587` (STARTTLS).',
          {
            maxLength: 500,
          },
        ),
        slack: REF('Secret ref of the address of an incoming webhook of Slack: who knows it may write there.'),
        teams: REF('The same of Microsoft Teams.'),
        secret: {
          type: ['string', 'array'],
          minLength: 1,
          maxLength: 500,
          items: { type: 'string', minLength: 1, maxLength: 500 },
          minItems: 1,
          maxItems: 2,
          description:
            'Secret ref of what a webhook is signed with, `whsec_…`; two while one takes the place of the other, the new one first.',
        },
        user: text('Who signs in at the mail server.', { maxLength: 320 }),
        password: REF('Secret ref of the password.'),
        from: { ...MAIL, description: 'Who mails come from.' },
        to: list('Who gets them.', MAIL, { minItems: 1, maxItems: 50 }),
        private: flag('The address may be loopback, private or link-local.'),
      }),
      oneOf: [{ required: ['webhook'] }, { required: ['smtp'] }, { required: ['slack'] }, { required: ['teams'] }],
    },
    { maxProperties: 100 },
  ),
  notify: object('Who is told where nothing narrower says so.', {
    default: CHANNELS('Told of what waits for a group that names no channel.'),
    escalate: CHANNELS('Told too, at 80 % of the life of a hold.'),
    needs_human: CHANNELS('Told of calls in doubt; the channels of those who may settle when absent.'),
    retry: list(
      'How long it is waited after each try that failed; after the last the notice is a dead letter.',
      { type: 'string', minLength: 1, maxLength: 20, 'x-type': 'duration' },
      { minItems: 1, maxItems: 20, default: ['5s', '30s', '5m', '30m', '2h', '5h', '10h'] },
    ),
  }),
})
