import type { Express, Request, Response } from 'express'
import { endpointsOf, served } from '../core/endpoint.ts'
import type { Served } from '../core/endpoint.ts'
import { Problem } from '../core/problem.ts'
import type { InputError, JsonObject, Policy } from '../core/types.ts'
import type { CallRequest } from '../pipeline/gateway.ts'
import { answerOf, refusalOf } from './compat/answer.ts'
import { inputOf } from './compat/input.ts'
import { readParameters } from './compat/parameters.ts'
import type { Shape } from './compat/shape.ts'
import { notHere } from './compat/words.ts'
import { frame, mustBeReady } from './frame.ts'
import type { DoorParts } from './frame.ts'
import { inputErrors } from './input-errors.ts'
import { BODY_LIMITS, readFormText, readJsonBody } from './read-body.ts'
import type { BodyLimits } from './read-body.ts'
import type { Answer } from './send.ts'
import { slots } from './slots.ts'

/**
 * A door with the shape of another API, for agents that have its SDK: endpoints that granted actions declare. Every
 * request of a session ends in `gateway.call`, also one at an endpoint that means nothing here, so that it is refused as
 * any ungranted action is, with an entry.
 */
export function compatApp(parts: DoorParts, shape: Shape): Express {
  const { gateway, identity, body: limits = BODY_LIMITS } = parts
  const waiting = slots(parts.waiting_max)
  const answered = async (request: Request, response: Response): Promise<Answer> => {
    const session = await identity.authenticate(request.headers.authorization)
    mustBeReady(gateway)
    refuseHeaders(request, shape)
    const policy = gateway.policy()
    const [path = '', query = ''] = request.originalUrl.split(/\?(.*)/s)
    const all = endpointsOf(shape.name, policy.roles.get(session.role)?.grants ?? new Map(), policy.actions)
    const found = served(all, request.method, path)
    if (found === null) {
      const asked = ungranted(policy, shape, request.method, path)
      const reply = await gateway.call(session, asked)
      return refusalOf(shape, reply, notHere(`${request.method} ${path}`, all, policy, session.role))
    }
    const key = found.action.effect === 'read' ? { key: null, unnamed: false } : shape.keyOf(request)
    const { parameters, texts, unreadable } = await read(request, query, shape, limits)
    const { input, unknown } = inputOf(found, found.values, parameters, texts)
    const errors: readonly InputError[] = [...unreadable, ...unknown]
    const reply = await gateway.call(session, {
      action: found.action.name,
      input,
      // All errors at once: those of the parameters, and those of the input that was made of them.
      ...(errors.length > 0 ? { unreadable: [...errors, ...found.action.validate(input)] } : {}),
      key: key.key,
      ...(key.unnamed ? { unnamed: listening(request, response) } : {}),
      wait_ms: WAIT_MS,
    })
    return answerOf(shape, found, input, reply, key.unnamed)
  }
  return frame(
    parts,
    (route) => [
      (request, response, next) =>
        waiting.hold(async () => route((asked) => answered(asked, response))(request, response, next)),
    ],
    undefined,
    (problem) => shape.refusal({ code: problem.code, message: problem.message, problem: problem.body() }),
  )
}

/** Whether whoever asked is still there, and whether the answer left before they were gone. */
function listening({ socket }: Request, response: Response): NonNullable<CallRequest['unnamed']> {
  const gone = (): boolean => response.destroyed || socket.destroyed
  return {
    gone,
    heard: () =>
      new Promise((resolve) => {
        if (response.writableFinished) return resolve(true)
        if (gone()) return resolve(false)
        response.once('finish', () => resolve(true)).once('close', () => resolve(response.writableFinished))
      }),
  }
}

/** For a running call; an SDK waits about 80 s. For people nobody waits. */
const WAIT_MS = 20_000

/** What would change the meaning of a request, and no action knows. */
function refuseHeaders(request: Request, { refused }: Shape): void {
  const there = [...refused, 'keystay-dry-run'].find((name) => request.headers[name] !== undefined)
  if (there !== undefined) throw new Problem('malformed', `The header ${there} has no meaning here; send it without.`)
}

interface Read {
  readonly parameters: JsonObject
  /** As in a form: nobody has said what is a number. */
  readonly texts: boolean
  /** What only the text shows to be wrong. */
  readonly unreadable: readonly InputError[]
}

/** Of the query where nothing is sent, else of the body; never of both, where one could hide the other. */
async function read(request: Request, query: string, shape: Shape, limits: BodyLimits): Promise<Read> {
  const form = (text: string): Read => ({ parameters: readParameters(text), texts: true, unreadable: [] })
  if (request.method === 'GET' || request.method === 'DELETE') return form(query)
  if (query !== '') throw new Problem('malformed', 'Parameters of this request stand in its body, not in its address.')
  if (shape.body === 'form') return form(await readFormText(request, limits))
  const body = await readJsonBody(request, limits)
  const { value } = body
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Problem('malformed', 'The body is a JSON object.')
  return { parameters: value as JsonObject, texts: false, unreadable: inputErrors(body) }
}

/** An endpoint of an action that the role lacks is refused as that action; any other under its own name, in capitals. */
function ungranted(policy: Policy, shape: Shape, method: string, path: string): CallRequest {
  const everything: Served[] = endpointsOf(
    shape.name,
    new Map([...policy.actions.keys()].map((action) => [action, { action }])),
    policy.actions,
  )
  const lacking = served(everything, method, path)?.action.name
  const named = `${shape.name}.${method}${path.replaceAll('/', '.')}`.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, 100)
  return { action: lacking ?? named, input: {}, key: null, wait_ms: 0 }
}
