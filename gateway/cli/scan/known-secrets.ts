import { lintSource } from '@secretlint/core'
import { creator } from '@secretlint/secretlint-rule-preset-recommend'

export interface KnownSecret {
  /** Index of its first and after its last character in the text. */
  readonly from: number
  readonly to: number
  /** `aws`, `privatekey`, `database-connection-string`: the rule of secretlint that knows it. Never a part of the value. */
  readonly rule: string
}

/**
 * What secretlint's recommended rules know as a secret, in the order of the text. Comments that switch the rules off are
 * text like any other here: who hides a key from one scanner may mean to hide it from this one.
 */
export async function findKnownSecrets(text: string): Promise<KnownSecret[]> {
  const { messages } = await lintSource({
    source: { content: text, filePath: 'text', ext: '', contentType: 'text' },
    options: { config: { rules: [PRESET] }, maskSecrets: true, noPhysicFilePath: true },
  })
  return messages.map(({ range: [from, to], ruleId }) => ({
    from,
    to,
    rule: ruleId.replace(/^.*secretlint-rule-/, ''),
  }))
}

const PRESET = {
  id: '@secretlint/secretlint-rule-preset-recommend',
  rule: creator,
  rules: [{ id: '@secretlint/secretlint-rule-filter-comments', disabled: true }],
}
