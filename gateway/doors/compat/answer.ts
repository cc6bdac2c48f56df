import type { Served } from '../../core/endpoint.ts'
import type { Json, JsonObject } from '../../core/types.ts'
import type { Envelope, Reply } from '../../pipeline/gateway.ts'
import type { Answer } from '../send.ts'
import { sourceOf } from './input.ts'
import type { Refused, Shape } from './shape.ts'
import { ended, goesOn } from './words.ts'

/** What came of a call, as the SDK of this shape reads it. */
export function answerOf(shape: Shape, found: Served, input: JsonObject, reply: Reply, unnamed: boolean): Answer {
  const { envelope, problem, replayed } = reply
  const { call, status } = envelope
  if (problem !== null) {
    const named = problem.errors?.map((error) => ({ ...error, path: shape.paramOf(sourceOf(found, error.path)) }))
    const told = named === undefined ? problem : { ...problem, errors: named }
    const param = problem.code === 'input_invalid' ? named?.[0]?.path : undefined
    const about = { code: problem.code, message: ended(told), call, problem: told, envelope }
    return shape.refusal(param === undefined ? about : { ...about, param })
  }
  if (status === 'done') return shape.done(bodyOf(found, input, envelope), envelope, replayed)
  const code = status as Exclude<Refused['code'], 'denied'>
  return shape.refusal({ code, message: goesOn(envelope, unnamed), call, envelope })
}

/** Refused before it could mean an action: what the pipeline said, in these words. */
export function refusalOf(shape: Shape, { envelope, problem }: Reply, message: string): Answer {
  const { call } = envelope
  if (problem === null) throw new Error(`an ungranted endpoint was answered ${envelope.status}`)
  // Too many refused attempts are refused for that alone.
  const said = problem.code === 'not_granted' ? message : ended(problem)
  return shape.refusal({ code: problem.code, message: said, call, problem: { ...problem, detail: said } })
}

/**
 * The output as the policy shapes it. It was done: what cannot be shaped, or is not kept any more, must not look like a
 * failure, so the rest is told all the same.
 */
function bodyOf({ endpoint }: Served, input: JsonObject, envelope: Envelope): Json {
  const { output = null, call } = envelope
  const rendered = output === null ? undefined : endpoint.answer?.render({ output, input, call: { id: call } })
  const body: Json = rendered?.ok === true ? rendered.value : output
  if (Array.isArray(body)) return body
  const members: JsonObject = typeof body === 'object' && body !== null ? (body as JsonObject) : {}
  const gone: JsonObject = envelope.output_gone === true ? { keystay: { call, status: 'done', output_gone: true } } : {}
  // First, so that they are read first; last, so that they hold.
  return { ...endpoint.add, ...members, ...endpoint.add, ...gone }
}
