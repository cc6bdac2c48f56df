import type { Type, TypeScope } from '../expression.ts'
import type { BackendSpec, Fact, Json, JsonObject, Keep, KeepType } from '../types.ts'
import { expressionAt, has, itemsAt, known, numberAt, textAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { at, sound, valueAt } from './place.ts'
import type { Piece } from './place.ts'
import { compilePage, compileRequest, refuseStreaming } from './requests.ts'
import { typeOfKeep } from './scopes.ts'

/** Compiles one fact; null where something in it is wrong. */
export function compileFact(
  compiling: Compiling,
  name: string,
  piece: Piece,
  backendOfAction: string | null,
  backends: ReadonlyMap<string, BackendSpec>,
  scope: TypeScope,
): Fact | null {
  const own = at(piece, 'backend')
  const backend = has(own) ? textAt(own) : backendOfAction
  if (has(own) && backend !== null) known(compiling, 'backends', backend, own)
  const spec = backends.get(backend ?? '')
  if (has(own)) refuseStreaming(compiling, own, spec)
  const adapter = spec?.adapter ?? null
  const request = compileRequest(compiling, adapter, piece, 'fact', scope)
  const schema = compiling.adapters[adapter ?? '']?.request
  const keep = keepAt(piece)
  const page = compilePage(compiling, at(piece, 'page'), schema)
  const complete = expressionAt(compiling, at(piece, 'complete'), { output: 'any' }, 'bool')
  if (request === null || keep === null || backend === null) return null
  return {
    name,
    backend,
    request,
    keep,
    absent: has(at(piece, 'absent'))
      ? itemsAt(at(piece, 'absent')).map((item) => numberAt(item, 404))
      : ((schema?.['x-absent'] ?? []) as readonly number[]),
    page,
    complete,
  }
}

/** A fact that was absent is null; whatever lies under `facts` may be null to the lint. */
export function factType(fact: Fact | null, piece: Piece): Type {
  const keep = fact?.keep ?? keepAt(piece)
  return keep === null ? 'any' : typeOfKeep(keep)
}

function keepAt(piece: Piece): Keep | null {
  const keep = at(piece, 'keep')
  const value = sound(piece) ? valueAt(keep) : undefined
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  return keepOf(value as JsonObject)
}

function keepOf(written: JsonObject): Keep {
  return Object.fromEntries(Object.entries(written).map(([name, type]) => [name, keptType(type)]))
}

function keptType(written: Json): KeepType {
  if (Array.isArray(written)) return { list: keptType((written as readonly Json[])[0] ?? 'string') }
  if (typeof written === 'object') return { object: keepOf(written as JsonObject) }
  return written as 'string'
}
