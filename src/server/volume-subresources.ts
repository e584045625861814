import type { IncomingMessage } from 'node:http'
import type { Json, JsonObject } from '../api/json.ts'
import { VolumeError } from '../volumes/errors.ts'
import { success } from './answers.ts'
import {
  ApiError,
  badRequest,
  methodNotAllowed,
  noSuchResource,
} from './api-error.ts'
import { encodeGeneration, encodeGenerationFiles } from './encode-generation.ts'
import { readJson } from './request-body.ts'
import type { VolumeRecord } from './session-record.ts'

/*
 * What is below a volume, for what a verb of its own is needed:
 *
 *     GET  generations         VolumeGenerationList: what it has shown, the oldest first
 *     GET  generations/N       VolumeGeneration with its files
 *     POST rollback            {"generation": N}: a Status
 *     POST unpin               a Status
 */

/** Objects of VolumeGenerationList, or the one that is named. Throws an ApiError. */
export function generationsOf(
  volume: VolumeRecord,
  subresource: string,
  key: Buffer,
): { readonly items: readonly JsonObject[]; readonly isList: boolean } {
  const { history } = volume.control
  const [word, number, ...more] = subresource.split('/')
  if (word === 'rollback' || word === 'unpin') throw methodNotAllowed()
  if (word !== 'generations' || more.length > 0) throw noSuchResource()
  if (number === undefined)
    return {
      items: history.generations.map(each => encodeGeneration(volume, each)),
      isList: true,
    }
  if (!/^\d{1,15}$/.test(number)) throw noSuchResource()
  let generation
  try {
    generation = history.get(Number(number))
  } catch (error) {
    throw fromVolumeError(error)
  }
  return {
    items: [encodeGenerationFiles(volume, generation, key)],
    isList: false,
  }
}

/** Does what is asked, and says in a Status what was done. Throws an ApiError. */
export async function changeVolume(
  { control }: VolumeRecord,
  subresource: string,
  request: IncomingMessage,
): Promise<JsonObject> {
  try {
    switch (subresource) {
      case 'rollback': {
        const generation = generationIn(await readJson(request, limitBytes))
        return success(
          (await control.rollBack(generation))
            ? `rolled back to generation ${generation}`
            : `skipped rollback (it shows generation ${generation} already)`,
        )
      }
      case 'unpin':
        return success((await control.unpin()) ? 'unpinned' : 'is not pinned')
    }
  } catch (error) {
    throw fromVolumeError(error)
  }
  throw methodNotAllowed()
}

function generationIn(body: Json): number {
  const generation =
    typeof body === 'object' && body !== null && 'generation' in body
      ? body.generation
      : undefined
  if (typeof generation !== 'number' || !Number.isSafeInteger(generation))
    throw badRequest('generation: must be a whole number')
  return generation
}

/** More than anybody needs to name a generation. */
const limitBytes = 64 * 1024

function fromVolumeError(error: unknown): unknown {
  if (!(error instanceof VolumeError)) return error
  return error.code === 'VOLUME_NO_GENERATION'
    ? new ApiError(404, 'NotFound', error.message)
    : new ApiError(409, 'Conflict', `cannot be published: ${error.message}`)
}
