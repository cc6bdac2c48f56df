import { createHmac } from 'node:crypto'
import type { Call, JsonObject, Plan, Question, Session } from '../../gateway/core/types.ts'
import { weigh } from '../../gateway/core/weigh.ts'
import { limitId } from '../../gateway/pipeline/consider.ts'
import type { Variant } from './company.ts'
import type { Database } from './database.ts'

interface Kept {
  readonly data: string
  readonly session: string
  readonly question: string
  readonly input: string
  readonly facts: string
  readonly request: string | null
}

/** I10: every decision once more, from the policy text that it cites and the question as it was kept. */
export function decideAgain(
  database: Pick<Database, 'rows'>,
  variants: readonly Variant[],
  violated: (invariant: string, what: string) => void,
): void {
  const [key] = database.rows<{ value: string }>(`SELECT value FROM meta WHERE name = 'fingerprint_key'`)
  const fingerprint = (text: string): string =>
    createHmac('sha256', Buffer.from(key?.value ?? '', 'hex'))
      .update(text, 'utf8')
      .digest('hex')
  const texts = new Map(
    database
      .rows<{ digest: string; texts: string }>('SELECT digest, texts FROM policies')
      .map((row) => [row.digest, row.texts]),
  )
  for (const { policy } of variants) {
    const kept = texts.get(policy.digest)
    if (kept !== undefined && kept !== JSON.stringify(policy.texts))
      violated('I10', 'the text of a policy is another one')
  }
  const rows = database.rows<Kept>(
    `SELECT calls.data AS data, sessions.data AS session, question, input, facts, request
       FROM calls JOIN bodies ON bodies.call = calls.id JOIN sessions ON sessions.id = calls.session
      WHERE question IS NOT NULL AND input IS NOT NULL`,
  )
  for (const row of rows) {
    const call = JSON.parse(row.data) as Call
    const policy = variants.find((variant) => variant.policy.digest === call.policy)?.policy
    if (policy === undefined || !texts.has(call.policy)) {
      violated('I10', `the policy that decided ${call.id} is not kept`)
      continue
    }
    const question: Question = {
      ...(JSON.parse(row.question) as Pick<Question, 'at' | 'switches'>),
      call: call.id,
      session: JSON.parse(row.session) as Session,
      action: call.action,
      input: JSON.parse(row.input) as JsonObject,
      facts: JSON.parse(row.facts) as JsonObject,
    }
    const wrong = differs(call, row, weighed(policy, question))
    if (wrong !== null) violated('I10', `${call.id} (${call.state}) decided again has ${wrong}`)
  }

  function weighed(policy: Parameters<typeof weigh>[0], question: Question): Plan | null {
    if (policy.roles.get(question.session.role)?.grants.has(question.action) !== true) return null
    return weigh(policy, question, { switches_version: 0, identify: (text) => limitId({ fingerprint }, text) })
  }
}

/** @returns what would be decided otherwise today. */
function differs(call: Call, { request }: Kept, plan: Plan | null): string | null {
  const wasRefused = call.state === 'denied'
  if (plan === null) return wasRefused ? null : 'no grant'
  if (wasRefused && call.code !== 'denied' && call.code !== 'rate_limited') return null
  if (JSON.stringify(plan.cost) !== JSON.stringify(call.cost)) return 'another cost'
  if (request !== null && JSON.stringify(plan.request) !== request) return 'another request'
  if (!wasRefused) {
    if (plan.deny.length > 0) return `a no: ${plan.deny.map(({ because }) => because).join()}`
    const missing = plan.want.find(({ limit }) => !call.reserve.some((mine) => mine.limit === limit))
    return missing === undefined ? null : `another limit: ${missing.name}`
  }
  const lines = new Set([...plan.deny, ...plan.want, plan.holds, plan.attempts].map(({ because }) => because))
  const unknown = call.because.find((line) => !lines.has(line))
  return unknown === undefined ? null : `no such reason: ${unknown}`
}
